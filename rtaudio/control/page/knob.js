// A knob: drag, wheel, double click for the default, keys, or a typed value.

import {draw, h} from "./dom.js";

const START = 135, SWEEP = 270, RADIUS = 26, CENTRE = 32;
const DRAG_PIXELS = 220;
const STEP = 0.02;

/** Return where a value stands on the scale of a parameter, 0 to 1. */
export function position(parameter, value) {
  const {low, high, scale} = parameter;
  if (high === low) return 0;
  if (scale === "log") return Math.log(value / low) / Math.log(high / low);
  return (value - low) / (high - low);
}

/** Return the value at a place of the scale. */
export function valueAt(parameter, place) {
  const {low, high, scale} = parameter;
  const at = Math.min(1, Math.max(0, place));
  if (scale === "log") return low * (high / low) ** at;
  return low + at * (high - low);
}

/** Return a value with its unit, as short as it can be read. */
export function shown(parameter, value = parameter.value) {
  const unit = parameter.unit;
  if (unit === "Hz" && Math.abs(value) >= 1000) return `${(value / 1000).toFixed(value < 9995 ? 2 : 1)} kHz`;
  if (unit === ":1") return `${value.toFixed(1)} : 1`;
  const size = Math.abs(value);
  const digits = unit.startsWith("dB") ? 1 : size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`.trim().replace("-", "−");
}

/** Return the number that was typed, or null: "1.2k", "-6 dB", "3,5" are numbers. */
export function typed(text) {
  const found = /^\s*([-+−]?\d*[.,]?\d+)\s*(k?)/i.exec(text);
  if (!found) return null;
  return Number(found[1].replace(",", ".").replace("−", "-")) * (found[2] ? 1000 : 1);
}

const spoken = name => name.replaceAll("_", " ");

function arc(from, to) {
  const point = turn => {
    const angle = (START + SWEEP * turn) * Math.PI / 180;
    return `${(CENTRE + RADIUS * Math.cos(angle)).toFixed(2)} ${(CENTRE + RADIUS * Math.sin(angle)).toFixed(2)}`;
  };
  const wide = (to - from) * SWEEP > 180 ? 1 : 0;
  return `M ${point(from)} A ${RADIUS} ${RADIUS} 0 ${wide} 1 ${point(to)}`;
}

export class Knob extends HTMLElement {
  /** Make the knob of a parameter; `turned(name, value)` is called with each change by hand. */
  static of(parameter, turned) {
    const knob = new Knob();
    knob.parameter = parameter;
    knob.turned = turned;
    knob.held = false;
    knob.build();
    return knob;
  }

  build() {
    const {title} = this.parameter, effect = spoken(this.parameter.effect);
    this.fill = draw("path", {class: "fill"});
    this.hand = draw("line", {class: "hand", x1: CENTRE, y1: CENTRE - 9, x2: CENTRE, y2: CENTRE - 18});
    this.dial = h("div", {
      class: "dial", role: "slider", tabindex: "0", "aria-label": `${effect} ${title}`,
      "aria-valuemin": this.parameter.low, "aria-valuemax": this.parameter.high,
    });
    const at0 = this.origin();
    this.append(h("span", {class: "label", "aria-hidden": "true"}, title), this.dial);
    this.dial.append(draw("svg", {viewBox: "0 0 64 64", "aria-hidden": "true"},
      draw("path", {class: "track", d: arc(0, 1)}), this.fill,
      draw("circle", {class: "cap", cx: CENTRE, cy: CENTRE, r: 19}), this.hand,
      ...(at0 > 0 && at0 < 1 ? [draw("path", {class: "zero", d: arc(at0 - 0.004, at0 + 0.004)})] : [])));
    this.text = h("button", {
      type: "button", class: "value", tabindex: "-1", title: "Type a value",
      "aria-label": `Type ${effect} ${title}`, onclick: () => this.type(),
    });
    this.append(this.text);
    this.dial.addEventListener("pointerdown", event => this.grab(event));
    this.dial.addEventListener("dblclick", () => this.turn(this.parameter.default));
    this.dial.addEventListener("keydown", event => this.key(event));
    this.addEventListener("wheel", event => this.wheel(event), {passive: false});
    this.show();
  }

  /** Where the coloured arc begins: at zero for what goes below it. */
  origin() {
    const {low, high, scale} = this.parameter;
    return scale !== "log" && low < 0 && high > 0 ? position(this.parameter, 0) : 0;
  }

  set value(value) {
    if (this.held) return;
    this.parameter.value = value;
    this.show();
  }

  show() {
    const at = position(this.parameter, this.parameter.value), from = this.origin();
    this.fill.setAttribute("d", arc(Math.min(at, from), Math.max(at, from) + 1e-4));
    this.hand.setAttribute("transform", `rotate(${(at - 0.5) * SWEEP} ${CENTRE} ${CENTRE})`);
    const text = shown(this.parameter);
    this.text.textContent = text;
    this.dial.setAttribute("aria-valuenow", String(Number(this.parameter.value.toPrecision(6))));
    this.dial.setAttribute("aria-valuetext", text);
  }

  turn(value) {
    const {low, high} = this.parameter;
    const within = Math.min(high, Math.max(low, value));
    if (within === this.parameter.value) return;
    this.parameter.value = within;
    this.show();
    this.turned(this.parameter.name, within);
  }

  move(by) {
    this.turn(valueAt(this.parameter, position(this.parameter, this.parameter.value) + by));
  }

  grab(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.dial.focus({preventScroll: true});
    this.dial.setPointerCapture(event.pointerId);
    this.held = true;
    let place = position(this.parameter, this.parameter.value), last = event;
    const move = now => {
      const pixels = (now.clientX - last.clientX) - (now.clientY - last.clientY);
      place = Math.min(1, Math.max(0, place + pixels / DRAG_PIXELS * (now.shiftKey ? 0.1 : 1)));
      last = now;
      this.turn(valueAt(this.parameter, place));
    };
    const end = () => {
      this.held = false;
      this.dial.removeEventListener("pointermove", move);
    };
    this.dial.addEventListener("pointermove", move);
    this.dial.addEventListener("lostpointercapture", end, {once: true});
  }

  wheel(event) {
    event.preventDefault();
    const by = event.deltaY || event.deltaX;
    if (by) this.move(-Math.sign(by) * (event.shiftKey ? STEP / 10 : STEP));
  }

  key(event) {
    const step = event.shiftKey ? STEP / 10 : STEP;
    const {low, high} = this.parameter;
    const acts = {
      ArrowUp: () => this.move(step), ArrowRight: () => this.move(step),
      ArrowDown: () => this.move(-step), ArrowLeft: () => this.move(-step),
      PageUp: () => this.move(10 * step), PageDown: () => this.move(-10 * step),
      Home: () => this.turn(low), End: () => this.turn(high),
      Delete: () => this.turn(this.parameter.default), Backspace: () => this.turn(this.parameter.default),
      Enter: () => this.type(),
    };
    if (/^[0-9.,-]$/.test(event.key) && !event.ctrlKey && !event.metaKey) this.type(event.key);
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  type(first) {
    const {title, unit, low, high} = this.parameter, effect = spoken(this.parameter.effect);
    const field = h("input", {
      class: "value", inputmode: "text", autocomplete: "off", "aria-label": `${effect} ${title}, ${unit || "value"}`,
      title: `${shown(this.parameter, low)} to ${shown(this.parameter, high)}`,
      value: first ?? String(Number(this.parameter.value.toPrecision(5))),
    });
    let done = false;
    const end = keep => {
      if (done) return;
      done = true;
      const value = keep ? typed(field.value) : null;
      field.replaceWith(this.text);
      if (value !== null) {
        if (value < low || value > high) this.dispatchEvent(new CustomEvent("refused", {bubbles: true, detail:
          `${effect} ${title} goes from ${shown(this.parameter, low)} to ${shown(this.parameter, high)}`}));
        else this.turn(value);
      }
    };
    field.addEventListener("keydown", event => {
      event.stopPropagation();
      if (event.key === "Enter") { event.preventDefault(); end(true); this.dial.focus(); }
      if (event.key === "Escape") { end(false); this.dial.focus(); }
    });
    field.addEventListener("blur", () => end(true));
    this.text.replaceWith(field);
    field.focus();
    if (first === undefined) field.select();
  }
}

customElements.define("rt-knob", Knob);
