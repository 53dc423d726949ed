// Elements, icons, and short messages. Text from outside only ever becomes text.

/** Make an element: h("button", {class: "wide", onclick}, "Save"). */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && typeof value === "boolean") element[key] = value;
    else if (key === "value") element.value = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined));
  return element;
}

const PATHS = {
  add: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  down: "M6 10l6 6 6-6",
  power: "M12 4v8M7 7a7 7 0 1 0 10 0",
  undo: "M9 7L4 12l5 5M4 12h10a6 6 0 0 1 6 6",
  redo: "M15 7l5 5-5 5M20 12H10a6 6 0 0 0-6 6",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  theme: "M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5z",
  mute: "M4 9v6h4l5 4V5L8 9zM17 9l5 6M22 9l-5 6",
  sound: "M4 9v6h4l5 4V5L8 9zM17 8a5 5 0 0 1 0 8",
  tuner: "M7 3v8a5 5 0 0 0 10 0V3M12 16v5",
  bypass: "M3 12h5a4 4 0 0 1 8 0h5",
  play: "M8 5l11 7-11 7z",
  pause: "M8 5v14M16 5v14",
  stop: "M6 6h12v12H6z",
  record: "M12 6a6 6 0 1 0 0 12 6 6 0 0 0 0-12z",
  edit: "M4 20l1-4L16 5l3 3L8 19z",
  device: "M4 6h16v9H4zM9 20h6M12 15v5",
  midi: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8 12h.01M16 12h.01M12 15h.01M9.5 9h.01M14.5 9h.01",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  grip: "M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01",
  ear: "M7 9a5 5 0 0 1 10 0c0 4-4 4-4 8a3 3 0 0 1-5 2M10 9a2 2 0 0 1 4 0",
  mic: "M12 4a3 3 0 0 1 3 3v4a3 3 0 0 1-6 0V7a3 3 0 0 1 3-3zM6 11a6 6 0 0 0 12 0M12 17v4",
};

const SVG = "http://www.w3.org/2000/svg";

/** Make an element of a drawing. */
export function draw(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Make an icon; it is decoration, the button has the name. */
export function icon(name) {
  return draw("svg", {viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true"}, draw("path", {d: PATHS[name]}));
}

/** Make a button with an icon, and a name for those who do not see it. */
export function iconButton(name, label, onclick, properties = {}) {
  return h("button", {type: "button", class: "plain", "aria-label": label, title: label, onclick, ...properties}, icon(name));
}

/** Show a line for some seconds; faults stay longer. */
export function toast(text, {fault = false, link = null} = {}) {
  const line = h("div", {class: fault ? "toast fault" : "toast", role: fault ? "alert" : "status"}, h("span", {}, text));
  if (link) line.append(h("a", {href: link.href, download: link.name}, `Download ${link.name}`));
  line.append(iconButton("close", "Dismiss", () => line.remove()));
  const toasts = document.getElementById("toasts");
  while (toasts.children.length > 2) toasts.firstChild.remove();
  toasts.append(line);
  if (!link) setTimeout(() => line.remove(), Math.max(fault ? 12000 : 4000, 60 * text.length));
}

/** Return a dialog with a title and a way out; it is removed when it closes. */
export function dialog(title, ...children) {
  const box = h("dialog", {"aria-label": title},
    h("div", {class: "head"}, h("h2", {}, title), iconButton("close", "Close", () => box.close())),
    ...children);
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", event => { if (event.target === box) box.close(); });
  document.body.append(box);
  box.showModal();
  return box;
}
