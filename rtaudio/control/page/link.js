// The link to the host: one WebSocket for changes and meters, requests for everything else.

const RETRY_MS = [300, 600, 1200, 2500];

export const link = new EventTarget();
let socket = null;
let failures = 0;
let spectrum = true;
const waiting = new Map();

/** Who this page is, so that it can tell its own changes from those of others. */
export const me = `page-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;

function emit(type, detail) {
  link.dispatchEvent(new CustomEvent(type, {detail}));
}

/** Open the link, and open it again whenever it is lost. */
export function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/api/live?spectrum=${spectrum}`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { failures = 0; emit("open"); };
  socket.onmessage = ({data}) => {
    if (typeof data !== "string") { emit("bands", new Uint8Array(data)); return; }
    const message = JSON.parse(data);
    emit(message.type, message);
  };
  socket.onclose = () => {
    emit("lost");
    setTimeout(connect, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  };
}

function send(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/** Set a parameter; of several values within one picture only the last is sent. */
export function setParameter(name, value) {
  if (waiting.size === 0) requestAnimationFrame(() => {
    for (const [key, latest] of waiting) send({set: key, value: latest, source: me});
    waiting.clear();
  });
  waiting.set(name, value);
}

export const talk = held => send({talking: held});

/** Ask for spectra, or for none while nobody sees them. */
export function wantSpectrum(wanted) {
  if (wanted !== spectrum) { spectrum = wanted; send({spectrum}); }
}

/** Send a request; a fault is thrown with the words of the server. */
export async function request(method, path, body) {
  const upload = body instanceof Blob;
  const options = {method};
  if (body !== undefined) {
    options.body = upload ? body : JSON.stringify(body);
    options.headers = {"content-type": upload ? "application/octet-stream" : "application/json"};
  }
  let answer;
  try {
    answer = await fetch(`/api${path}`, options);
  } catch {
    throw new Error("rtaudio does not answer; is it still running?");
  }
  const found = await answer.json().catch(() => null);
  if (!answer.ok) {
    const detail = found && found.detail;
    throw new Error(typeof detail === "string" ? detail : `refused (${answer.status})`);
  }
  return found;
}
