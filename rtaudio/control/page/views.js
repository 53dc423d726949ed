// Spectrum, and spectrogram that scrolls, before and after the chain.

import {h} from "./dom.js";
import {request, wantSpectrum} from "./link.js";

const BANDS = 128, LOW_HZ = 30, HIGH_HZ = 20000, FLOOR_DB = -110, TOP_DB = 0;
const LINES_HZ = [50, 100, 200, 500, 1000, 2000, 5000, 10000];
const STEP_PIXELS = 2;
const COLOURS = {
  dark: [[13, 15, 19], [38, 28, 78], [120, 40, 109], [213, 82, 63], [255, 173, 70], [255, 244, 204]],
  light: [[250, 248, 244], [214, 224, 236], [134, 178, 208], [64, 118, 170], [112, 52, 118], [46, 10, 44]],
};

const across = hz => Math.log(hz / LOW_HZ) / Math.log(HIGH_HZ / LOW_HZ);
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function palette(stops) {
  return Array.from({length: 256}, (_, level) => {
    const at = level / 255 * (stops.length - 1), n = Math.min(stops.length - 2, Math.floor(at));
    const mix = stops[n].map((from, c) => Math.round(from + (at - n) * (stops[n + 1][c] - from)));
    return mix;
  });
}

/** Give a canvas as many pixels as the screen has for it; true if that changed. */
function fit(canvas, ratio = devicePixelRatio || 1) {
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  if (!width || (canvas.width === width && canvas.height === height)) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}

class Spectrum {
  constructor() {
    this.canvas = h("canvas", {role: "img", "aria-label": "Spectrum before and after the chain"});
    this.before = new Float32Array(BANDS);
    this.after = new Float32Array(BANDS);
    this.balance = null;
  }

  feed(bands) {
    for (const [name, from] of [["before", 0], ["after", BANDS]]) {
      const kept = this[name];
      for (let n = 0; n < BANDS; n++) kept[n] = Math.max(bands[from + n] / 255, kept[n] - 0.012);
    }
    this.draw();
  }

  draw() {
    fit(this.canvas);
    const {width, height} = this.canvas, ratio = devicePixelRatio || 1, pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    pen.font = `${11 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
    pen.lineWidth = ratio;
    pen.strokeStyle = css("--line");
    pen.fillStyle = css("--faint");
    for (const hz of LINES_HZ) {
      const x = Math.round(across(hz) * width) + 0.5;
      pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, height); pen.stroke();
      pen.fillText(hz >= 1000 ? `${hz / 1000}k` : hz, x + 4 * ratio, height - 5 * ratio);
    }
    for (let db = -20; db > FLOOR_DB; db -= 20) {
      const y = Math.round(db / FLOOR_DB * height) + 0.5;
      pen.beginPath(); pen.moveTo(0, y); pen.lineTo(width, y); pen.stroke();
      pen.fillText(`−${-db}`, 4 * ratio, y - 3 * ratio);
    }
    this.line(pen, this.before, css("--in"), false);
    this.line(pen, this.after, css("--out"), true);
    if (!this.balance) return;
    this.curve(pen, this.balance.average_db, css("--text"), []);
    this.curve(pen, this.balance.target_db, css("--good"), [7 * ratio, 5 * ratio]);
  }

  /** Draw levels in thirds of octaves. */
  curve(pen, levels_db, colour, dashes) {
    const {width, height} = this.canvas;
    pen.beginPath();
    levels_db.forEach((db, n) => pen.lineTo(across(1000 * 10 ** ((n - 17) / 10)) * width, db / FLOOR_DB * height));
    pen.setLineDash(dashes);
    pen.strokeStyle = colour;
    pen.lineWidth = 2 * (devicePixelRatio || 1);
    pen.stroke();
    pen.setLineDash([]);
  }

  line(pen, levels, colour, filled) {
    const {width, height} = this.canvas;
    pen.beginPath();
    levels.forEach((level, n) => {
      const x = (n + 0.5) / BANDS * width, y = (1 - level) * height;
      if (n) pen.lineTo(x, y); else pen.moveTo(x, y);
    });
    pen.strokeStyle = colour;
    pen.lineWidth = 2 * (devicePixelRatio || 1);
    pen.lineJoin = "round";
    pen.stroke();
    if (!filled) return;
    pen.lineTo(width, height); pen.lineTo(0, height); pen.closePath();
    pen.globalAlpha = 0.14;
    pen.fillStyle = colour;
    pen.fill();
    pen.globalAlpha = 1;
  }
}

class Spectrogram {
  constructor(name, from) {
    this.canvas = h("canvas", {role: "img", "aria-label": `Spectrogram ${name} the chain`});
    this.from = from;
    this.theme = null;
  }

  feed(bands) {
    const theme = document.documentElement.dataset.theme;
    const pen = this.canvas.getContext("2d", {willReadFrequently: false});
    if (fit(this.canvas, 1) || theme !== this.theme) {
      this.theme = theme;
      this.colours = palette(COLOURS[theme]);
      pen.fillStyle = `rgb(${this.colours[0]})`;
      pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
      this.strip = pen.createImageData(STEP_PIXELS, this.canvas.height);
    }
    const {width, height} = this.canvas;
    if (!width || !height) return;
    pen.drawImage(this.canvas, -STEP_PIXELS, 0);
    const pixels = this.strip.data;
    for (let y = 0; y < height; y++) {
      const band = Math.min(BANDS - 1, Math.floor((1 - (y + 0.5) / height) * BANDS));
      const level = bands[this.from + band];
      const shade = this.colours[Math.max(0, Math.min(255, Math.round((level - 60) * 1.31)))];
      for (let x = 0; x < STEP_PIXELS; x++) {
        const at = 4 * (y * STEP_PIXELS + x);
        pixels[at] = shade[0]; pixels[at + 1] = shade[1]; pixels[at + 2] = shade[2]; pixels[at + 3] = 255;
      }
    }
    pen.putImageData(this.strip, width - STEP_PIXELS, 0);
  }
}

export class Views {
  constructor(place, act) {
    this.spectrum = new Spectrum();
    this.style = h("select", {"aria-label": "Target", onchange: () => act(request("PUT", "/style", {name: this.style.value}))});
    this.balance = [h("figcaption", {class: "mean", title: "Thirds of octaves, over ten seconds"}, "average"),
      h("figcaption", {class: "goal", title: "Thirds of octaves of a style, at the level of the average"}, "target ", this.style)];
    this.grams = [new Spectrogram("before", 0), new Spectrogram("after", BANDS)];
    const legend = (name, kind) => h("figcaption", {class: kind}, name);
    place.append(
      h("figure", {class: "spectrum"}, this.spectrum.canvas,
        h("div", {class: "legend"}, this.balance, legend("before", "in"), legend("after", "out"))),
      h("figure", {class: "gram"}, this.grams[0].canvas, legend("before", "in")),
      h("figure", {class: "gram"}, this.grams[1].canvas, legend("after", "out")));
    this.visible = true;
    new IntersectionObserver(([entry]) => { this.visible = entry.isIntersecting; this.ask(); }).observe(place);
    document.addEventListener("visibilitychange", () => this.ask());
    addEventListener("resize", () => this.spectrum.draw());
    requestAnimationFrame(() => this.spectrum.draw());
  }

  /** Spectra are computed only for those who see them. */
  ask() {
    wantSpectrum(this.visible && document.visibilityState === "visible");
  }

  showState({masters, style, styles}) {
    for (const caption of this.balance) caption.hidden = !masters;
    if (!masters) this.spectrum.balance = null;
    if (this.style.childElementCount !== styles.length) this.style.replaceChildren(...styles.map(name => h("option", {value: name}, name)));
    this.style.value = style;
  }

  showBalance(balance) {
    this.spectrum.balance = balance;
  }

  show(bands) {
    this.spectrum.feed(bands);
    for (const gram of this.grams) gram.feed(bands);
  }
}
