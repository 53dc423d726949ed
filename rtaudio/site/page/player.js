// Player: all stems by one clock. Pieces of all stems are fetched together, and start at the same time.

const PIECE_S = 4, AHEAD_S = 9, START_S = 0.08, RAMP_S = 0.015;

export class Player extends EventTarget {
  constructor(job) {
    super();
    this.job = job;
    this.seconds = job.frames / job.rate_hz;
    this.gains = new Map();
    this.playing = false;
    this.at = 0;  // where it stands while it does not play
    this.run = 0;  // counts starts, so that pieces of a former one are not played
    this.sources = new Set();
  }

  /** Make the clock: browsers want a gesture first. */
  wake() {
    if (this.context) return;
    this.context = new AudioContext({sampleRate: this.job.rate_hz, latencyHint: "playback"});
    for (const stem of this.job.stems) {
      const node = this.context.createGain();
      node.gain.value = this.gains.get(stem)?.value ?? 1;
      node.connect(this.context.destination);
      this.gains.set(stem, {value: node.gain.value, node});
    }
  }

  setGain(stem, value) {
    const gain = this.gains.get(stem) || {};
    gain.value = value;
    this.gains.set(stem, gain);
    if (gain.node) gain.node.gain.setTargetAtTime(value, this.context.currentTime, RAMP_S);
  }

  /** Position in seconds. */
  get position() {
    if (!this.playing) return this.at;
    return Math.min(this.seconds, Math.max(this.at, this.context.currentTime - this.anchor));
  }

  async play() {
    if (this.playing) return;
    this.wake();
    await this.context.resume();
    if (this.at >= this.seconds) this.at = 0;
    this.playing = true;
    this.start();
    this.dispatchEvent(new Event("change"));
  }

  pause() {
    if (!this.playing) return;
    this.at = this.position;
    this.playing = false;
    this.silence();
    this.context.suspend();
    this.dispatchEvent(new Event("change"));
  }

  seek(seconds) {
    this.at = Math.min(this.seconds, Math.max(0, seconds));
    if (this.playing) { this.silence(); this.start(); }
    this.dispatchEvent(new Event("change"));
  }

  silence() {
    this.run++;
    for (const source of this.sources) source.stop();
    this.sources.clear();
  }

  /** Play from `at` on. A frame of the song starts at `anchor` + its time, for every stem. */
  start() {
    const run = this.run, rate = this.job.rate_hz;
    this.next = Math.round(this.at * rate);
    this.anchor = Math.ceil((this.context.currentTime + START_S) * rate) / rate - this.next / rate;
    this.fill(run);
  }

  async fill(run) {
    const rate = this.job.rate_hz;
    while (run === this.run && this.next < this.job.frames) {
      const ahead = this.next / rate - (this.context.currentTime - this.anchor);
      if (ahead > AHEAD_S) { await new Promise(done => setTimeout(done, 200)); continue; }
      const first = this.next, frames = Math.min(PIECE_S * rate, this.job.frames - first);
      let pieces;
      try {
        pieces = await Promise.all(this.job.stems.map(stem => this.fetch(stem, first, frames)));
      } catch (fault) {
        if (run === this.run) { this.pause(); this.dispatchEvent(new CustomEvent("fault", {detail: fault})); }
        return;
      }
      if (run !== this.run) return;
      this.schedule(pieces, first);
      this.next = first + frames;
    }
    while (run === this.run && this.playing && this.position < this.seconds) await new Promise(done => setTimeout(done, 50));
    if (run === this.run && this.playing) { this.pause(); this.seek(0); }
  }

  async fetch(stem, first, frames) {
    const answer = await fetch(`/api/jobs/${this.job.token}/stems/${encodeURIComponent(stem)}/samples?first=${first}&frames=${frames}`);
    if (!answer.ok) throw new Error("the stems cannot be read any more");
    const steps = new Int16Array(await answer.arrayBuffer()), count = this.job.channels;
    const buffer = this.context.createBuffer(count, steps.length / count, this.job.rate_hz);
    for (let channel = 0; channel < count; channel++) {
      const samples = buffer.getChannelData(channel);
      for (let i = 0; i < samples.length; i++) samples[i] = steps[i * count + channel] / 32767;
    }
    return buffer;
  }

  /** Start a piece of every stem at one time; if it is late, all wait together. */
  schedule(pieces, first) {
    const rate = this.job.rate_hz, late = this.context.currentTime + 0.01 - (this.anchor + first / rate);
    if (late > 0) this.anchor += Math.ceil(late * rate) / rate;
    pieces.forEach((buffer, at) => {
      const source = new AudioBufferSourceNode(this.context, {buffer});
      source.connect(this.gains.get(this.job.stems[at]).node);
      source.onended = () => this.sources.delete(source);
      source.start(this.anchor + first / rate);
      this.sources.add(source);
    });
  }
}
