// Songs that are dropped or chosen: sent two at a time, each with its progress, and refused in words.

import {h, icon, iconButton} from "./look/dom.js";
import {duration} from "./words.js";

const AT_ONCE = 2;

/** Send a file; returns {done, abort}. Only XMLHttpRequest tells how far an upload is. */
function send(file, backend, progress) {
  const link = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    link.upload.onprogress = event => { if (event.lengthComputable) progress(event.loaded / event.total); };
    link.onload = () => {
      if (link.status === 201) { resolve(); return; }
      let detail = null;
      try { detail = JSON.parse(link.responseText).detail; } catch { /* not from the site */ }
      reject(new Error(typeof detail === "string" ? detail : `${file.name}: refused (${link.status})`));
    };
    link.onerror = () => reject(new Error(`${file.name}: the site does not answer`));
    link.onabort = () => reject(null);
  });
  link.open("POST", `/api/jobs?name=${encodeURIComponent(file.name)}&backend=${encodeURIComponent(backend)}`);
  link.setRequestHeader("content-type", "application/octet-stream");
  link.send(file);
  return {done, abort: () => link.abort()};
}

export class Intake {
  constructor(site, {arrived, say}) {
    Object.assign(this, {site, arrived, say, waiting: [], sending: 0});
    this.files = h("input", {type: "file", multiple: true, id: "files", class: "skip", accept: "audio/*,video/*",
      onchange: () => { this.add(this.files.files); this.files.value = ""; }});
    this.choices = h("fieldset", {class: "backends", hidden: site.backends.length < 2}, h("legend", {}, "Separate with"),
      ...site.backends.map(({id, title, about}, at) => h("label", {class: "backend"},
        h("input", {type: "radio", name: "backend", value: id, checked: at === 0}),
        h("span", {}, h("strong", {}, title), h("span", {class: "about"}, about)))));
    this.rows = h("div", {class: "uploads", "aria-label": "Uploads"});
    this.box = h("div", {class: "intake"},
      h("label", {class: "drop", for: "files"}, icon("add"),
        h("span", {class: "ask"}, h("strong", {}, "Drop songs here"), " or choose files"),
        h("span", {class: "about"}, `Up to ${site.file_mib} MiB and ${duration(site.minutes * 60)} each`)),
      this.files, this.choices, this.rows);
    this.takeDrops();
  }

  get backend() {
    return this.choices.querySelector("input:checked").value;
  }

  /** Take files into the queue of uploads; what is surely refused is not even sent. */
  add(files) {
    for (const file of files) {
      const row = this.row(file);
      if (file.size === 0) this.refuse(row, `${file.name}: is empty`);
      else if (file.size > this.site.file_mib * 2 ** 20) {
        this.refuse(row, `${file.name}: is larger than ${this.site.file_mib} MiB, which is the most`);
      } else this.waiting.push({file, backend: this.backend, row});
    }
    this.next();
  }

  row(file) {
    const bar = h("progress", {max: 1, value: 0, "aria-label": `Upload of ${file.name}`});
    const text = h("span", {class: "state"}, "waits");
    const close = iconButton("close", `Cancel the upload of ${file.name}`, () => row.cancel());
    const box = h("div", {class: "upload"}, h("span", {class: "name"}, file.name), text, close, bar);
    const row = {box, bar, text, close, cancel: () => {
      this.waiting = this.waiting.filter(each => each.row !== row);
      box.remove();
    }};
    this.rows.append(box);
    return row;
  }

  refuse(row, text) {
    row.box.classList.add("fault");
    row.box.querySelector(".name").textContent = text;
    row.bar.remove();
    row.text.remove();
    row.close.setAttribute("aria-label", "Dismiss");
    row.close.title = "Dismiss";
    row.cancel = () => row.box.remove();
    this.say(text);
  }

  async next() {
    if (this.sending >= AT_ONCE || this.waiting.length === 0) return;
    const {file, backend, row} = this.waiting.shift();
    this.sending++;
    this.next();
    const {done, abort} = send(file, backend, share => {
      row.bar.value = share;
      row.text.textContent = share < 1 ? `${Math.floor(100 * share)} %` : "being checked";
      if (share === 1) row.bar.removeAttribute("value");
    });
    row.cancel = abort;
    try {
      await done;
      row.box.remove();
      this.say(`${file.name} is in the queue`);
      this.arrived();
    } catch (fault) {
      if (fault) this.refuse(row, fault.message);
      else row.box.remove();
    }
    this.sending--;
    this.next();
  }

  /** Files may be dropped anywhere on the page. */
  takeDrops() {
    const carriesFile = event => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
    let depth = 0;
    const mark = () => this.box.classList.toggle("over", depth > 0);
    addEventListener("dragenter", event => { if (carriesFile(event)) { depth++; mark(); } });
    addEventListener("dragleave", event => { if (carriesFile(event)) { depth = Math.max(0, depth - 1); mark(); } });
    addEventListener("dragover", event => { if (carriesFile(event)) event.preventDefault(); });
    addEventListener("drop", event => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      depth = 0;
      mark();
      this.add(event.dataTransfer.files);
    });
  }
}
