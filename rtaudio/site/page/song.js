// A song: its place in the queue, its progress, why it failed, or its stems.

import {h, icon, iconButton, toast} from "./look/dom.js";
import {Stems} from "./stems.js";
import {duration, ordinal} from "./words.js";

const left = job => job.left_s === null ? "" : `, ready in about ${duration(job.left_s)}`;

function stateText(job) {
  if (job.state === "queued") return `${ordinal(job.position)} in the queue${left(job)}`;
  if (job.state === "running") {
    return job.share === null ? `is being separated${left(job)}` : `${Math.floor(100 * job.share)} %${left(job)}`;
  }
  if (job.state === "failed") return job.note;
  return `${duration(job.audio_s)} · ${job.stems.length} stems · removed in ${duration(job.expires_s - Date.now() / 1000)}`;
}

export class Song {
  constructor(job, remove) {
    this.job = job;
    this.stems = null;
    this.state = h("p", {class: "state"});
    this.note = h("p", {class: "note", hidden: true});
    this.bar = h("progress", {max: 1, "aria-label": `Progress of ${job.name}`, hidden: true});
    this.toggle = h("button", {type: "button", class: "plain", "aria-expanded": "false", hidden: true,
      "aria-label": `Stems of ${job.name}`, title: "Show the stems", onclick: () => { this.open = !this.open; }}, icon("down"));
    this.copy = h("button", {type: "button", class: "wide link", onclick: () => this.copyLink(), "aria-label": `Copy the link to ${job.name}`}, "Copy link");
    this.end = iconButton("close", `Cancel ${job.name}`, () => remove(this.job), {hidden: !job.mine});
    this.body = h("div", {class: "body", hidden: true});
    this.box = h("article", {class: "song", "aria-label": job.name},
      h("header", {}, this.toggle, h("div", {class: "what", onclick: () => { this.open = !this.open; }}, h("h2", {}, job.name), this.state, this.note), h("span", {class: "backend-name"}, job.backend), this.copy, this.end),
      this.bar, this.body);
  }

  get link() {
    return `${location.origin}/#${this.job.token}`;
  }

  async copyLink() {
    try {
      await navigator.clipboard.writeText(this.link);
      toast("The link is copied; it shows this song to whoever has it");
    } catch {  // only pages over https or on this machine may
      toast(this.link);
    }
  }

  /** Show what the site tells about the job. */
  show(job) {
    const ended = job.state === "ready" || job.state === "failed";
    this.job = job;
    this.box.dataset.state = job.state;
    this.state.textContent = stateText(job);
    this.note.textContent = job.state === "failed" ? "" : job.note;
    this.note.hidden = !this.note.textContent;
    this.bar.hidden = job.state !== "running";
    if (job.share === null) this.bar.removeAttribute("value");
    else this.bar.value = job.share;
    this.toggle.hidden = job.state !== "ready";
    this.end.setAttribute("aria-label", `${ended ? "Remove" : "Cancel"} ${job.name}`);
    this.end.title = ended ? "Remove" : "Cancel";
    if (this.wanted && job.state === "ready") this.open = true;
  }

  get open() {
    return !this.body.hidden;
  }

  /** Show the stems, as soon as there are some. */
  set open(wanted) {
    this.wanted = wanted;
    if (this.job.state !== "ready") return;
    this.body.hidden = !wanted;
    this.toggle.setAttribute("aria-expanded", String(wanted));
    this.toggle.title = wanted ? "Hide the stems" : "Show the stems";
    if (wanted && !this.stems) {
      this.stems = new Stems(this.job);
      this.body.append(this.stems.box);
    }
    if (!wanted && this.stems) this.stems.stop();
  }

  redraw() {
    if (this.stems) this.stems.redraw();
  }

  remove() {
    if (this.stems) this.stems.stop();
    this.box.remove();
  }
}
