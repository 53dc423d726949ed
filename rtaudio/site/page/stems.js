// Stems of a song: waveforms that play in sync, with mute, solo and volume; and downloads.

import {h, icon, iconButton, toast} from "./look/dom.js";
import {request} from "./look/link.js";
import {Player} from "./player.js";
import {clock, spoken} from "./words.js";

const COLOURS = {vocals: "--voice", drums: "--tone", bass: "--dynamics", other: "--space"};
const OFF_DB = -40;
let audible = null;

export class Stems {
  constructor(job) {
    this.job = job;
    this.player = new Player(job);
    this.rows = job.stems.map(stem => this.row(stem));
    this.play = h("button", {type: "button", class: "strong play", onclick: () => this.toggle()});
    this.time = h("span", {class: "time"});
    this.seek = h("input", {type: "range", class: "seek", min: 0, max: this.player.seconds, step: 0.01, value: 0, "aria-label": `Position in ${job.name}`,
      oninput: () => this.player.seek(Number(this.seek.value))});
    this.box = h("div", {class: "stems"},
      h("div", {class: "transport"}, this.play, this.seek, this.time,
        h("a", {class: "wide", href: `/api/jobs/${job.token}/zip`, download: "", "aria-label": `Download all stems of ${job.name}`}, icon("save"), "All as zip")),
      ...this.rows.map(row => row.box));
    this.player.addEventListener("change", () => this.show());
    this.player.addEventListener("fault", ({detail}) => toast(detail.message, {fault: true}));
    new ResizeObserver(() => this.redraw()).observe(this.box);
    this.mix();
    this.show();
    request("GET", `/jobs/${job.token}/peaks`).then(peaks => { this.peaks = peaks; this.redraw(); },
      fault => toast(fault.message, {fault: true}));
  }

  row(stem) {
    const flag = (text, word) => h("button", {type: "button", class: `switch ${word}`, "aria-pressed": "false", "aria-label": `${word} ${stem}`, title: word,
      onclick: event => {
        const pressed = event.currentTarget.getAttribute("aria-pressed") !== "true";
        event.currentTarget.setAttribute("aria-pressed", String(pressed));
        this.mix();
      }}, text);
    const row = {stem, mute: flag("M", "mute"), solo: flag("S", "solo"), canvas: h("canvas", {"aria-hidden": "true"})};
    row.level = h("input", {type: "range", class: "level", min: OFF_DB, max: 6, step: 0.5, value: 0, "aria-label": `Volume of ${stem}`, title: "Volume; double click: 0 dB",
      oninput: () => this.mix(), ondblclick: () => { row.level.value = 0; this.mix(); }});
    row.wave = h("div", {class: "wave", onpointerdown: event => {
      const {left, width} = row.wave.getBoundingClientRect();
      this.player.seek((event.clientX - left) / width * this.player.seconds);
    }}, row.canvas);
    row.box = h("div", {class: "stem", role: "group", "aria-label": stem},
      h("span", {class: "name"}, stem), h("span", {class: "switches"}, row.mute, row.solo), row.level, row.wave,
      h("a", {class: "plain", href: `/api/jobs/${this.job.token}/stems/${encodeURIComponent(stem)}`, download: "", "aria-label": `Download ${stem}`, title: `Download ${stem}`}, icon("save")));
    return row;
  }

  /** Give every stem the gain that its switches and its level say. */
  mix() {
    const pressed = button => button.getAttribute("aria-pressed") === "true";
    const alone = this.rows.some(row => pressed(row.solo));
    for (const row of this.rows) {
      const db = Number(row.level.value), heard = !pressed(row.mute) && (!alone || pressed(row.solo)) && db > OFF_DB;
      row.level.setAttribute("aria-valuetext", db > OFF_DB ? `${db} dB` : "silent");
      this.player.setGain(row.stem, heard ? 10 ** (db / 20) : 0);
      row.box.classList.toggle("silent", !heard);
    }
  }

  toggle() {
    if (this.player.playing) { this.player.pause(); return; }
    if (audible && audible !== this) audible.stop();
    audible = this;
    this.player.play();
  }

  stop() {
    this.player.pause();
  }

  show() {
    const {playing, position, seconds} = this.player;
    this.play.replaceChildren(icon(playing ? "pause" : "play"), playing ? "Pause" : "Play");
    this.seek.value = position;
    this.seek.setAttribute("aria-valuetext", `${spoken(position)} of ${spoken(seconds)}`);
    this.time.textContent = `${clock(position)} / ${clock(seconds)}`;
    this.move();
    if (playing && !this.drawing) this.drawing = requestAnimationFrame(() => { this.drawing = 0; this.show(); });
  }

  move() {
    const share = this.player.seconds ? this.player.position / this.player.seconds : 0;
    for (const row of this.rows) row.wave.style.setProperty("--at", `${100 * share}%`);
  }

  redraw() {
    if (!this.peaks) return;
    const style = getComputedStyle(document.documentElement);
    for (const {stem, canvas} of this.rows) {
      const colour = style.getPropertyValue(COLOURS[stem] || "--level").trim();
      drawWave(canvas, this.peaks.stems[stem], this.peaks.top, colour);
    }
  }
}

/** Draw peaks as bars on both sides of a line. */
function drawWave(canvas, peaks, top, colour) {
  const {width, height} = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
  if (!width) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d"), step = 3 * ratio, middle = canvas.height / 2;
  const bars = Math.floor(canvas.width / step);
  pen.fillStyle = colour;
  for (let bar = 0; bar < bars; bar++) {
    const from = Math.floor(bar * peaks.length / bars), to = Math.max(from + 1, Math.floor((bar + 1) * peaks.length / bars));
    const peak = Math.max(...peaks.slice(from, to)) / top;
    const half = Math.max(ratio / 2, peak * (middle - ratio));
    pen.fillRect(bar * step, middle - half, 2 * ratio, 2 * half);
  }
}
