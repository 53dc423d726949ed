// The bar at the top: preset, A/B, undo, tuner, mute; and the foot switches of a small screen.

import {h, icon, iconButton, toast} from "./dom.js";
import {request, talk} from "./link.js";
import {openPresets} from "./presets.js";

export class Bar {
  constructor(place, pedals, act) {
    this.act = act;
    this.state = null;
    const toggle = (name, label, picture, click) => h("button", {
      type: "button", class: `switch ${name}`, "aria-pressed": "false", title: label, onclick: click,
    }, icon(picture), h("span", {}, label));
    this.preset = h("button", {type: "button", class: "preset", "aria-haspopup": "dialog", onclick: () => openPresets(this.state, act)},
      h("span", {class: "name"}, "…"), icon("down"));
    this.sides = ["A", "B"].map(side => h("button", {type: "button", "aria-pressed": "false", title: `Setting ${side}, at equal loudness`,
      onclick: () => this.set({side})}, side));
    const flip = name => () => this.set({[name]: !this.state.switches[name]});
    this.switches = {
      comparing: [toggle("comparing", "Bypass", "bypass", flip("comparing")), toggle("comparing", "Bypass", "bypass", flip("comparing"))],
      tuning: [toggle("tuning", "Tuner", "tuner", flip("tuning")), toggle("tuning", "Tuner", "tuner", flip("tuning"))],
      muted: [toggle("muted", "Mute", "mute", flip("muted")), toggle("muted", "Mute", "mute", flip("muted"))],
      assisting: [toggle("assisting", "Assistant", "ear", flip("assisting"))],
    };
    this.hold = h("button", {type: "button", class: "switch talk", title: "Hold to talk (space)", hidden: true}, icon("mic"), h("span", {}, "Hold to talk"));
    this.holdBy(this.hold);
    place.append(
      h("div", {class: "group what"},
        iconButton("left", "Previous preset", () => this.step(-1)), this.preset,
        iconButton("right", "Next preset", () => this.step(1)),
        iconButton("save", "Save as a new preset", () => this.save())),
      h("div", {class: "group sides", role: "group", "aria-label": "Two settings at equal loudness"}, this.sides),
      h("div", {class: "group"},
        iconButton("undo", "Undo", () => this.history("undo")), iconButton("redo", "Redo", () => this.history("redo"))),
      h("div", {class: "group acts"}, Object.values(this.switches).map(pair => pair[0])),
      this.learn = iconButton("midi", "Learn: choose a knob, then turn the control that is to move it",
        () => dispatchEvent(new Event("learn")), {class: "plain learn", hidden: true, "aria-pressed": "false"}),
      iconButton("theme", "Dark or light", () => this.theme(), {class: "plain theme"}));
    pedals.append(this.hold, ...Object.values(this.switches).flatMap(pair => pair.slice(1)));
  }

  set(change) {
    return this.act(request("PATCH", "/switches", change));
  }

  step(direction) {
    return this.act(request("POST", `/presets/step?direction=${direction}`));
  }

  save() {
    return this.act(request("POST", "/presets/save"));
  }

  async history(way) {
    const done = await this.act(request("POST", `/${way}`));
    if (done) toast(done.undone ? `Undone: ${done.undone}` : done.redone ? `Done again: ${done.redone}` : `Nothing to ${way}`);
  }

  theme() {
    const root = document.documentElement;
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
    dispatchEvent(new Event("resize"));
  }

  holdBy(button) {
    let held = false;
    const say = on => { if (on !== held) { held = on; talk(on); button.setAttribute("aria-pressed", String(on)); } };
    button.addEventListener("pointerdown", event => { button.setPointerCapture(event.pointerId); say(true); });
    button.addEventListener("lostpointercapture", () => say(false));
    button.addEventListener("keydown", event => { if (event.key === " " || event.key === "Enter") { event.preventDefault(); say(true); } });
    button.addEventListener("keyup", () => say(false));
    button.addEventListener("blur", () => say(false));
    this.talk = say;
  }

  show(state) {
    this.state = state;
    this.preset.firstChild.textContent = state.name;
    document.title = `${state.name} · rtaudio`;
    for (const button of this.switches.comparing) button.lastChild.textContent = state.denoises ? "Noisy input" : state.fair ? "Before" : "Bypass";
    this.learn.hidden = state.learning === null;
    this.switches.assisting[0].hidden = !state.assists;
    this.showSwitches(state.switches);
  }

  showSwitches(switches) {
    for (const [name, pair] of Object.entries(this.switches)) {
      for (const button of pair) button.setAttribute("aria-pressed", String(switches[name]));
    }
    for (const button of this.switches.muted) button.lastChild.textContent = switches.muted ? "Muted" : "Mute";
    this.sides.forEach(button => button.setAttribute("aria-pressed", String(button.textContent === switches.side)));
    this.hold.hidden = !switches.muted;
    if (!switches.talking && this.hold.getAttribute("aria-pressed") === "true" && !this.hold.matches(":active")) this.talk(false);
    document.body.classList.toggle("pedalled", switches.muted);
  }
}
