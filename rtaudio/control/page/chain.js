// The chain: a row of devices with their knobs; they can be added, removed, moved and bypassed.

import {dialog, h, icon, iconButton} from "./dom.js";
import {Knob} from "./knob.js";
import {request, setParameter} from "./link.js";

const GROUPS = {
  dynamics: ["noise_gate", "compressor", "multiband_compressor", "limiter", "true_peak_limiter", "leveler", "dither"],
  voice: ["denoise", "codec", "separate", "master"],
  model: ["model"],
  tone: ["equalizer", "dynamic_equalizer", "tone_stack", "tilt", "match", "saturator", "dc_block", "cabinet"],
  space: ["delay", "width"],
};

const groupOf = kind => Object.keys(GROUPS).find(group => GROUPS[group].includes(kind)) || "level";

/** Say what a device is: its file, or its kind if the name does not tell. */
function about(effect) {
  const kind = effect.kind.replaceAll("_", " ");
  return effect.file ? effect.file.replace(/\.[^.]+$/, "") : effect.name.startsWith(effect.kind) ? "" : kind;
}

export class ChainView {
  /** `act(promise)` shows the fault of a request, if it has one. */
  constructor(place, act) {
    this.place = place;
    this.act = act;
    this.knobs = new Map();
    this.learn = null;
    place.addEventListener("refused", event => act(Promise.reject(new Error(event.detail))));
  }

  /** Show a whole state; what is there already keeps its focus. */
  show(state) {
    const form = JSON.stringify(state.chain.map(one => [one.name, one.kind, one.depth, one.parameters]));
    if (form !== this.form) {
      this.form = form;
      this.build(state);
    }
    for (const [name, parameter] of Object.entries(state.parameters)) this.set(name, parameter.value);
  }

  set(name, value) {
    const knob = this.knobs.get(name);
    if (knob) knob.value = Number(value);
  }

  build(state) {
    this.knobs.clear();
    const cards = state.chain.map((effect, place) => this.card(effect, place, state));
    const add = h("button", {type: "button", class: "add", onclick: () => this.choose(state.chain.length)},
      icon("add"), h("span", {}, "Add a device"));
    if (!cards.length) {
      cards.push(h("div", {class: "empty"}, h("h2", {}, "Nothing in the chain"),
        h("p", {}, "The sound goes straight through. Add a device, open a preset, or drop a model or an impulse response here.")));
    }
    const row = h("div", {class: "row"}, ...cards, add);
    this.place.replaceChildren(row);
    this.place.removeAttribute("aria-busy");
  }

  card(effect, place, state) {
    const name = effect.name, bypass = state.parameters[`${name}.bypass`], mix = state.parameters[`${name}.mix`];
    const own = effect.parameters.filter(key => !/\.(mix|bypass)$/.test(key)).map(key => state.parameters[key]).filter(Boolean);
    const inside = effect.kind === "chain" && mix;  // its mix is all that it has
    const power = iconButton("power", `${name} on`, () => {
      const off = power.getAttribute("aria-pressed") === "true";
      setParameter(`${name}.bypass`, off);
      this.set(`${name}.bypass`, off);
    }, {class: "plain power"});
    const card = h("article", {
      class: `device ${groupOf(effect.kind)}`, "aria-label": `${name}, ${effect.title}`, "data-place": place, "data-name": name,
    },
      h("header", {},
        h("span", {class: "grip", draggable: "true", title: "Drag to another place", "aria-hidden": "true"}, icon("grip")),
        h("div", {class: "names"}, h("h3", {}, name.replaceAll("_", " ")), h("span", {class: "kind"}, about(effect))),
        power),
      h("div", {class: "knobs"}, inside ? this.control(mix) : own.length ? own.map(parameter => this.control(parameter)) : h("p", {class: "none"}, "No knobs")),
      this.foot(effect, place, inside ? null : mix));
    if (effect.depth) card.classList.add("inner");
    card.style.setProperty("--columns", Math.max(1, own.length > 3 ? Math.ceil(own.length / 2) : own.length));
    if (bypass) this.knobs.set(bypass.name, {set value(off) {
      power.setAttribute("aria-pressed", String(!off));
      card.classList.toggle("off", Boolean(off));
    }});
    this.drag(card, place);
    return card;
  }

  foot(effect, place, mix) {
    const step = by => () => this.act(request("POST", `/chain/${place}/move`, {to: place + by}));
    const latency = h("span", {class: "delay", "data-latency": effect.name, title: "Latency of this device"}, "");
    const blend = mix ? h("input", {
      type: "range", class: "mix", min: 0, max: 1, step: 0.01, "aria-label": `${effect.name} mix`, title: "Mix: dry to wet",
      oninput: event => setParameter(mix.name, Number(event.target.value)),
      ondblclick: () => { setParameter(mix.name, mix.default); blend.value = mix.default; },
    }) : null;
    if (mix) this.knobs.set(mix.name, {set value(value) {
      if (document.activeElement !== blend || !blend.matches(":active")) blend.value = value;
      blend.setAttribute("aria-valuetext", `${Math.round(100 * value)} % wet`);
      blend.style.setProperty("--at", `${100 * value}%`);
    }});
    return h("footer", {}, latency, mix ? h("label", {class: "blend"}, h("span", {}, "mix"), blend) : null, h("span", {class: "moves"},
      iconButton("left", `Move ${effect.name} left`, step(-1)),
      iconButton("right", `Move ${effect.name} right`, step(1)),
      iconButton("close", `Remove ${effect.name}`, () => this.act(request("DELETE", `/chain/${place}`)))));
  }

  control(parameter) {
    if (parameter.scale === "switch") return this.switch(parameter);
    const knob = Knob.of({...parameter}, (name, value) => setParameter(name, value));
    for (const type of ["click", "pointerdown"]) knob.addEventListener(type, event => {
      if (!this.learn) return;
      event.preventDefault();
      event.stopPropagation();
      if (type === "click") this.learn(parameter.name);
    }, true);
    this.knobs.set(parameter.name, knob);
    return knob;
  }

  switch(parameter) {
    const button = h("button", {type: "button", class: "toggle", role: "switch", "aria-checked": "false",
      "aria-label": `${parameter.effect} ${parameter.title}`, onclick: () => {
        const on = button.getAttribute("aria-checked") !== "true";
        setParameter(parameter.name, on);
        button.setAttribute("aria-checked", String(on));
      }}, h("span", {class: "lamp"}), h("span", {}, parameter.title));
    this.knobs.set(parameter.name, {set value(on) { button.setAttribute("aria-checked", String(Boolean(on))); }});
    return button;
  }

  drag(card, place) {
    const grip = card.querySelector(".grip");
    grip.addEventListener("dragstart", event => {
      event.dataTransfer.setData("application/x-place", String(place));
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setDragImage(card, 20, 20);
      card.classList.add("dragged");
    });
    grip.addEventListener("dragend", () => card.classList.remove("dragged"));
    card.addEventListener("dragover", event => {
      if (!event.dataTransfer.types.includes("application/x-place")) return;
      event.preventDefault();
      card.classList.add("target");
    });
    card.addEventListener("dragleave", () => card.classList.remove("target"));
    card.addEventListener("drop", event => {
      card.classList.remove("target");
      const from = event.dataTransfer.getData("application/x-place");
      if (from === "" || Number(from) === place) return;
      event.preventDefault();
      this.act(request("POST", `/chain/${from}/move`, {to: place}));
    });
  }

  /** Let a click choose the knob that a MIDI control is to move; `chosen` is null to end it. */
  learnBy(chosen) {
    this.learn = chosen;
    document.body.classList.toggle("learning", Boolean(chosen));
  }

  /** Mark the knob that waits for its MIDI control. */
  showLearning(name) {
    for (const [key, knob] of this.knobs) if (knob instanceof Knob) knob.classList.toggle("waiting", key === name);
  }

  /** Offer what can be added. */
  async choose(place) {
    const found = await this.act(request("GET", "/effects"));
    if (!found) return;
    const search = h("input", {type: "search", placeholder: "Search devices", "aria-label": "Search devices", autofocus: true});
    const list = h("div", {class: "choices", role: "list"});
    const box = dialog("Add a device", search, list);
    const show = () => {
      const words = search.value.toLowerCase();
      const fits = found.filter(one => `${one.title} ${one.description}`.toLowerCase().includes(words));
      list.replaceChildren(...fits.map(one => h("button", {type: "button", class: `choice ${groupOf(one.kind)}`, role: "listitem", onclick: () => {
        box.close();
        this.act(request("POST", "/chain", {word: one.word, place}));
      }}, h("strong", {}, one.title), h("span", {}, one.description))),
      ...(fits.length ? [] : [h("p", {class: "none"}, "Nothing is called so.")]));
    };
    search.addEventListener("input", show);
    search.addEventListener("keydown", event => { if (event.key === "Enter") { event.preventDefault(); list.querySelector("button")?.click(); } });
    show();
  }

  showLatency(parts, rate_hz) {
    for (const place of this.place.querySelectorAll("[data-latency]")) {
      const samples = parts[place.dataset.latency];
      const text = samples ? `${(1000 * samples / rate_hz).toFixed(1)} ms` : "";
      if (place.textContent !== text) place.textContent = text;
    }
  }
}
