// The tuner: the note, and a needle from -50 to 50 cents; the output is muted meanwhile.

import {h, iconButton} from "./dom.js";

const IN_TUNE_CENTS = 3;

export class Tuner {
  constructor(close) {
    this.note = h("div", {class: "note"}, "–");
    this.text = h("div", {class: "cents", role: "status"}, "Play one string");
    this.needle = h("div", {class: "needle"});
    this.box = h("section", {class: "tuner", "aria-label": "Tuner", hidden: true},
      h("div", {class: "scale", "aria-hidden": "true"}, h("span", {}, "♭"), h("div", {class: "middle"}), this.needle, h("span", {}, "♯")),
      this.note, this.text, iconButton("close", "End the tuner", close));
    this.heard = 0;
  }

  open(on) {
    this.box.hidden = !on;
  }

  show(tuning) {
    if (this.box.hidden) return;
    const now = performance.now();
    if (!tuning) {
      if (now - this.heard > 1500) {
        this.box.classList.remove("good", "heard");
        this.note.textContent = "–";
        this.text.textContent = "Play one string";
      }
      return;
    }
    this.heard = now;
    const good = Math.abs(tuning.cents) <= IN_TUNE_CENTS;
    this.box.classList.add("heard");
    this.box.classList.toggle("good", good);
    this.needle.style.left = `${50 + tuning.cents}%`;
    this.note.textContent = tuning.note;
    const cents = `${tuning.cents >= 0 ? "+" : "−"}${Math.abs(tuning.cents).toFixed(1)} cents`;
    this.text.textContent = `${good ? "in tune" : cents} · ${tuning.hz.toFixed(1)} Hz`;
  }
}
