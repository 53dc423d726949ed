// The site: songs go in, the list of jobs is read again while something happens, stems come out.

import {h, iconButton, toast} from "./look/dom.js";
import {request} from "./look/link.js";
import {Intake} from "./intake.js";
import {Song} from "./song.js";
import {duration} from "./words.js";

const BUSY_MS = 700, IDLE_MS = 15000;
const place = id => document.getElementById(id);
const songs = new Map();
let timer = 0;

/** Say something to those who do not see the page. */
function say(text) {
  place("said").textContent = text;
}

/** Show jobs; the newest comes first. */
function show(jobs) {
  const linked = location.hash.slice(1);
  const tokens = new Set(jobs.map(job => job.token));
  for (const [token, song] of songs) if (!tokens.has(token)) {
    song.remove();
    songs.delete(token);
  }
  [...jobs].reverse().forEach(job => {
    let song = songs.get(job.token);
    const before = song && song.job.state;
    if (!song) {
      song = new Song(job, remove);
      songs.set(job.token, song);
      place("songs").prepend(song.box);
      if (job.token === linked) song.open = true;
    }
    song.show(job);
    if (before && before !== job.state) {
      if (job.state === "ready") say(`${job.name} is ready`);
      if (job.state === "failed") say(`${job.name}: ${job.note}`);
      if (job.state === "ready" && jobs.length === 1) song.open = true;
    }
  });
  place("songs").classList.toggle("bare", jobs.length === 0);
}

async function remove(job) {
  try {
    await request("DELETE", `/jobs/${job.token}`);
    if (location.hash.slice(1) === job.token) history.replaceState(null, "", location.pathname);
  } catch (fault) {
    toast(fault.message, {fault: true});
  }
  refresh();
}

/** Read the jobs of this visitor, and that of the link. */
async function refresh() {
  clearTimeout(timer);
  let wait = IDLE_MS;
  try {
    const jobs = await request("GET", "/jobs");
    const linked = location.hash.slice(1);
    if (linked && !jobs.some(job => job.token === linked)) {
      await request("GET", `/jobs/${encodeURIComponent(linked)}`).then(job => jobs.unshift(job), gone);
    }
    show(jobs);
    document.body.classList.remove("lost");
    if (jobs.some(job => job.state === "queued" || job.state === "running")) wait = BUSY_MS;
  } catch (fault) {
    if (!document.body.classList.contains("lost")) toast(fault.message, {fault: true});
    document.body.classList.add("lost");
    wait = BUSY_MS * 4;
  }
  timer = setTimeout(refresh, wait);
}

function gone(fault) {
  toast(fault.message, {fault: true});
  history.replaceState(null, "", location.pathname);
}

function theme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  for (const song of songs.values()) song.redraw();
}

place("bar").append(iconButton("theme", "Dark or light", theme, {class: "plain theme"}));
addEventListener("hashchange", () => {
  refresh().then(() => {
    const song = songs.get(location.hash.slice(1));
    if (song) { song.open = true; song.box.scrollIntoView({block: "nearest"}); }
  });
});

request("GET", "/site").then(async site => {
  const intake = new Intake(site, {arrived: refresh, say});
  place("intake").append(intake.box);
  place("songs").append(h("p", {class: "none empty-list"},
    `No songs yet. What you bring is yours alone, and is removed ${duration(site.keep_hours * 3600)} after it is ready.`));
  await refresh();
  document.body.classList.add("ready");
}, fault => toast(fault.message, {fault: true}));
