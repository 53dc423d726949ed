// The page: puts the parts together, and passes on what the host says.

import {Bar} from "./bar.js";
import {ChainView} from "./chain.js";
import {h, toast} from "./dom.js";
import {takeDrops} from "./files.js";
import {Levels} from "./levels.js";
import {connect, link, me, request} from "./link.js";
import {Status} from "./status.js";
import {Tuner} from "./tuner.js";
import {Views} from "./views.js";

const place = id => document.getElementById(id);

/** Wait for a request and return its answer; a fault is shown, and the answer is null. */
async function act(promise) {
  try {
    return (await promise) ?? true;
  } catch (fault) {
    toast(fault.message, {fault: true});
    if (state) chain.show(state);
    return null;
  }
}

let state = null;
const levels = new Levels(place("levels"));
const chain = new ChainView(place("chain"), act);
const bar = new Bar(place("bar"), place("pedals"), act);
const views = new Views(place("views"), act);
const status = new Status(place("status"), act);
const tuner = new Tuner(() => bar.set({tuning: false}));
place("levels").after(tuner.box);
takeDrops(act, status);

place("chain").setAttribute("aria-busy", "true");
place("chain").append(h("div", {class: "row"}, ...Array.from({length: 4}, () => h("div", {class: "device loading", "aria-hidden": "true"}))));

function banner(text, kind) {
  const line = place("banner");
  line.hidden = !text;
  line.className = kind || "";
  line.textContent = text || "";
}

function showSwitches() {
  const {muted, talking, tuning, comparing, assisting} = state.switches;
  tuner.open(tuning);
  bar.showSwitches(state.switches);
  document.body.classList.toggle("comparing", comparing);
  if (tuning) banner("Tuner: the output is muted", "quiet");
  else if (muted && talking) banner("Talking", "live");
  else if (muted) banner("Muted", "quiet");
  else if (assisting) banner("The assistant listens to the input", "live");
  else if (comparing) banner(state.denoises ? "You hear the noisy input" : state.fair ? "Before, as loud as after" : "Bypassed: you hear the dry input", "quiet");
  else banner("");
}

link.addEventListener("state", ({detail}) => {
  state = detail;
  chain.show(state);
  bar.show(state);
  status.show(state);
  views.showState(state);
  showSwitches();
  document.body.classList.add("ready");
});
link.addEventListener("parameter", ({detail: {name, value, source}}) => {
  if (!state || !state.parameters[name]) return;
  state.parameters[name].value = Number(value);
  if (source !== me) chain.set(name, value);
});
link.addEventListener("switch", ({detail: {name, value}}) => {
  if (!state) return;
  if (name === "learning") { showLearning(value); return; }
  state.switches[name] = value;
  showSwitches();
});
link.addEventListener("message", ({detail}) => { if (detail.value) toast(detail.value); });
link.addEventListener("refused", ({detail}) => act(Promise.reject(new Error(detail.text))));
link.addEventListener("reading", ({detail}) => {
  levels.show(detail);
  status.read(detail);
  if (state) chain.showLatency(detail.latency_parts, state.rig.rate_hz);
  tuner.show(detail.tuning);
});
link.addEventListener("balance", ({detail}) => views.showBalance(detail));
link.addEventListener("bands", ({detail}) => views.show(detail));
link.addEventListener("open", () => document.body.classList.remove("lost"));
link.addEventListener("lost", () => {
  document.body.classList.add("lost");
  banner("The link to rtaudio is lost; trying again", "fault");
});

addEventListener("learn", () => {
  if (document.body.classList.contains("learning") || state.learning) {
    chain.learnBy(null);
    if (state.learning) act(request("POST", "/learn", {name: null}));
    return;
  }
  toast("Choose a knob");
  chain.learnBy(name => {
    chain.learnBy(null);
    act(request("POST", "/learn", {name}));
  });
});

function showLearning(name) {
  state.learning = state.learning === null ? null : name;
  bar.learn.setAttribute("aria-pressed", String(Boolean(name)));
  chain.showLearning(name);
}

const KEYS = {
  m: () => bar.set({muted: !state.switches.muted}),
  t: () => bar.set({tuning: !state.switches.tuning}),
  b: () => bar.set({comparing: !state.switches.comparing}),
  p: () => state.assists && bar.set({assisting: !state.switches.assisting}),
  a: () => bar.set({side: state.switches.side === "A" ? "B" : "A"}),
  s: () => bar.save(),
  "[": () => bar.step(-1),
  "]": () => bar.step(1),
  "?": () => toast("m mute · t tuner · b bypass · a A/B · [ ] presets · s save · space talk · Ctrl-Z undo"),
};

const typing = target => target.closest("input, select, textarea, dialog, [contenteditable]");

addEventListener("keydown", event => {
  if (!state || typing(event.target)) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    bar.history(event.shiftKey ? "redo" : "undo");
  } else if (event.key === " " && state.switches.muted && !event.target.closest("button")) {
    event.preventDefault();
    bar.talk(true);
  } else if (KEYS[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat) {
    KEYS[event.key]();
  }
});
addEventListener("keyup", event => { if (event.key === " ") bar.talk(false); });
addEventListener("blur", () => bar.talk(false));

connect();
