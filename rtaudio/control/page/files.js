// Files dropped on the page: models and impulse responses play, sounds go into the chain.

import {dialog, h, toast} from "./dom.js";
import {request} from "./link.js";

const LARGEST_MIB = {model: 64, response: 16, sound: 256};
const MODELS = /\.(nam|aidax|json|onnx)$/i, SOUNDS = /\.(wav|flac|ogg|mp3|aiff?)$/i;

/** Play a file; a sound may be a cabinet or the music to play in, so ask. */
export function playFile(file, act, status) {
  if (MODELS.test(file.name)) return use(file, act);
  if (!SOUNDS.test(file.name)) {
    return act(Promise.reject(new Error(`${file.name} cannot be played; drop a .nam, .aidax, .json or .onnx model, or a sound file`)));
  }
  const choice = (text, about, run) => h("button", {type: "button", class: "choice", onclick: () => { box.close(); run(); }},
    h("strong", {}, text), h("span", {}, about));
  const box = dialog(file.name, h("div", {class: "choices"},
    choice("Use it as a cabinet", "It is an impulse response of a loudspeaker or a room.", () => use(file, act)),
    choice("Play it into the chain", "It is a recording; it plays over and over in place of the input.", () => {
      const fault = tooLarge(file, "sound");
      return fault ? act(Promise.reject(fault)) : status.playIn(file);
    })));
  return box;
}

/** Refuse what the server would refuse, before it is sent. */
function tooLarge(file, use) {
  const most = LARGEST_MIB[use];
  return file.size > most * 2 ** 20 ? new Error(`${file.name} is larger than ${most} MiB, which is the most for a ${use}`) : null;
}

async function use(file, act) {
  const fault = tooLarge(file, MODELS.test(file.name) ? "model" : "response");
  if (fault) return act(Promise.reject(fault));
  toast(`Checking ${file.name}`);
  const done = await act(request("POST", `/files/open?name=${encodeURIComponent(file.name)}`, file));
  if (done) toast(done.said);
  return done;
}

/** Take files that are dropped anywhere on the page. */
export function takeDrops(act, status) {
  const veil = h("div", {class: "veil", hidden: true}, h("p", {}, "Drop a model, an impulse response or a sound"));
  document.body.append(veil);
  const carriesFile = event => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  let depth = 0;
  addEventListener("dragenter", event => { if (carriesFile(event)) { depth++; veil.hidden = false; } });
  addEventListener("dragleave", event => { if (carriesFile(event) && --depth <= 0) { depth = 0; veil.hidden = true; } });
  addEventListener("dragover", event => { if (carriesFile(event)) event.preventDefault(); });
  addEventListener("drop", event => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    const file = event.dataTransfer.files[0];
    if (file) playFile(file, act, status);
  });
}
