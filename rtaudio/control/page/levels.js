// Meters of input and output: RMS as a bar, peak as a line that falls slowly, clipping as a lamp.

import {h} from "./dom.js";

const FLOOR_DB = -60;
const HOLD_MS = 1200, CLIP_MS = 2000, FALL_DB = 1.5;

const along = db => Math.min(1, Math.max(0, 1 - (db ?? -120) / FLOOR_DB));

class Channel {
  constructor(side, number, count) {
    const name = count > 1 ? `${side} ${number + 1}` : side;
    this.rms = h("div", {class: "rms"});
    this.mark = h("div", {class: "peak"});
    this.text = h("span", {class: "number"}, "−∞");
    this.clip = h("span", {class: "clip", title: "Samples at full scale"}, "CLIP");
    this.meter = h("div", {
      class: "meter", role: "meter", "aria-label": `Level ${name}`,
      "aria-valuemin": FLOOR_DB, "aria-valuemax": 0,
    }, h("div", {class: "ticks", "aria-hidden": "true"}), this.rms, this.mark);
    this.row = h("div", {class: "channel"}, h("span", {class: "name"}, name), this.meter, this.text, this.clip);
    this.held = -120;
    this.until = this.red = 0;
    this.clipped = null;
  }

  show(peak, rms, clipped) {
    const now = performance.now();
    if (peak >= this.held) { this.held = peak; this.until = now + HOLD_MS; }
    else if (now > this.until) this.held = Math.max(peak, this.held - FALL_DB);
    if (this.clipped !== null && clipped > this.clipped) this.red = now + CLIP_MS;
    this.clipped = clipped;
    this.rms.style.transform = `scaleX(${along(rms)})`;
    this.mark.style.left = `${100 * along(this.held)}%`;
    const text = this.held <= -100 ? "−∞" : this.held.toFixed(1).replace("-", "−");
    if (this.text.textContent !== text) this.text.textContent = text;
    this.clip.classList.toggle("on", now < this.red || this.held > -0.05);
    this.meter.setAttribute("aria-valuenow", Math.max(FLOOR_DB, this.held).toFixed(0));
    this.meter.setAttribute("aria-valuetext", `${text} decibels`);
  }
}

export class Levels {
  constructor(place) {
    this.place = place;
    this.sides = {};
  }

  show({levels, clipped}) {
    for (const side of ["in", "out"]) {
      const peaks = levels[`${side}_peak_db`], rms = levels[`${side}_rms_db`];
      if (!this.sides[side] || this.sides[side].length !== peaks.length) this.build(side, peaks.length);
      this.sides[side].forEach((channel, n) => channel.show(peaks[n] ?? -120, rms[n] ?? -120, side === "in" ? clipped[n] : 0));
    }
  }

  build(side, count) {
    this.sides[side] = Array.from({length: count}, (_, n) => new Channel(side, n, count));
    const groups = Object.entries(this.sides).map(([name, channels]) =>
      h("div", {class: `side ${name}`}, channels.map(channel => channel.row)));
    this.place.replaceChildren(...groups);
  }
}
