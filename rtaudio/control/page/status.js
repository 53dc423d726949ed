// The foot: device, latency, load, lost blocks; files to play in, and the record.

import {dialog, h, icon, toast} from "./dom.js";
import {request} from "./link.js";

export class Status {
  constructor(place, act) {
    this.act = act;
    const figure = (name, label, title) => {
      const value = h("output", {"aria-label": label}, "–");
      this[name] = value;
      return h("div", {class: `figure ${name}`, title}, h("span", {}, label), value);
    };
    this.device = h("span", {}, "…");
    this.source = h("button", {type: "button", class: "wide", onclick: () => this.chooseSource()});
    this.record = h("button", {type: "button", class: "wide record", "aria-pressed": "false", onclick: () => this.toggleRecord()});
    this.pick = h("input", {type: "file", accept: "audio/*", hidden: true, onchange: () => {
      if (this.pick.files[0]) this.playIn(this.pick.files[0]);
      this.pick.value = "";
    }});
    place.append(
      h("button", {type: "button", class: "wide", "aria-haspopup": "dialog", onclick: () => this.chooseDevice()}, icon("device"), this.device),
      figure("latency", "latency", "Chain and device together"), figure("load", "load", "Share of each block's time that is used"),
      figure("loudness", "loudness", "Of the output, over three seconds"),
      figure("integrated", "integrated", "Loudness of all that has played"), figure("range", "range", "Loudness range"),
      figure("truePeak", "true peak", "The highest so far, between the samples, too"), figure("missed", "missed", "Blocks that came too late"),
      h("div", {class: "acts"}, this.source, this.record, this.pick));
  }

  show({rig, masters}) {
    this.rig = rig;
    for (const figure of [this.integrated, this.range, this.truePeak]) figure.parentElement.hidden = !masters;
    this.device.textContent = `${rig.device} · ${(rig.rate_hz / 1000).toFixed(rig.rate_hz % 1000 ? 1 : 0)} kHz · ${rig.block}`;
    this.source.replaceChildren(icon(rig.playing ? "stop" : "play"), h("span", {}, rig.playing ? `Stop ${rig.playing}` : "Play a file"));
    const recording = rig.recording_s !== null;
    this.record.setAttribute("aria-pressed", String(recording));
    this.record.replaceChildren(icon("record"), h("span", {}, recording ? "End the record" : "Record"));
    if (rig.remark && rig.remark !== this.remark) toast(rig.remark);
    this.remark = rig.remark;
  }

  read(reading) {
    if (!this.rig) return;
    const chain_ms = 1000 * reading.latency_samples / this.rig.rate_hz;
    const device_ms = reading.device_latency_ms.reduce((sum, part) => sum + part, 0);
    this.put(this.latency, `${(chain_ms + device_ms).toFixed(1)} ms`);
    this.put(this.load, `${(100 * reading.load).toFixed(1)} %`);
    const {short_term_lufs, integrated_lufs, range_lu, true_peak_dbtp} = reading.loudness;
    const shown = (value, unit) => value === null || value < -70 ? "–" : `${value.toFixed(1).replace("-", "−")} ${unit}`;
    this.put(this.loudness, shown(short_term_lufs, "LUFS"));
    this.put(this.integrated, shown(integrated_lufs, "LUFS"));
    this.put(this.range, shown(range_lu, "LU"));
    this.put(this.truePeak, shown(true_peak_dbtp, "dBTP"));
    this.put(this.missed, String(reading.missed));
    this.missed.parentElement.classList.toggle("bad", reading.missed > 0);
    this.load.parentElement.classList.toggle("bad", reading.load > 0.7);
  }

  put(place, text) {
    if (place.textContent !== text) place.textContent = text;
  }

  chooseSource() {
    if (this.rig.playing) this.act(request("DELETE", "/source"));
    else this.pick.click();
  }

  playIn(file) {
    toast(`Loading ${file.name}`);
    return this.act(request("POST", `/files/source?name=${encodeURIComponent(file.name)}`, file));
  }

  async toggleRecord() {
    if (this.rig.recording_s === null) { await this.act(request("POST", "/records")); return; }
    const done = await this.act(request("POST", "/records/end"));
    if (done && done.name) toast("Recorded.", {link: {href: `/api/records/${encodeURIComponent(done.name)}`, name: done.name}});
  }

  async chooseDevice() {
    const found = await this.act(request("GET", "/devices"));
    if (!found) return;
    const {rig} = this;
    const device = h("select", {"aria-label": "Device"}, h("option", {value: ""}, `${rig.device} (as now)`),
      found.devices.filter(one => one.title !== rig.device).map(one => h("option", {value: one.name}, one.title)));
    const blocks = [...new Set([...found.blocks, rig.block])].sort((a, b) => a - b);
    const block = h("select", {"aria-label": "Frames per block"}, blocks.map(frames =>
      h("option", {value: String(frames)}, `${frames} frames, ${(1000 * frames / rig.rate_hz).toFixed(1)} ms`)));
    block.value = String(rig.block);
    const restart = h("button", {class: "strong"}, "Restart with this");
    const box = dialog("Device and block size",
      h("form", {onsubmit: async event => {
        event.preventDefault();
        restart.disabled = true;
        const done = await this.act(request("POST", "/device", {device: device.value || null, block: Number(block.value)}));
        restart.disabled = false;
        if (done) { toast(`Playing on ${done.device}, ${done.block} frames`); box.close(); }
      }}, h("label", {}, "Device", device), h("label", {}, "Block", block),
      h("p", {class: "note"}, "The sound pauses for a moment. A smaller block has less latency and needs a steadier computer."), restart));
  }
}
