// The whole trace: any state by its number, and what is found out about the events once, when the page opens.

// A poll of so many nanoseconds is long: nobody else runs meanwhile. Half a picture of a film that shows sixty in a second.
const LONG_POLL = 8e6;
// The parts of the state of which the most is counted: a panel that has nothing to show in the whole run takes no room.
const COUNTED = ["queue", "slab", "timers", "sources", "remote", "jobs", "semaphores", "channels", "gathers"];

class History {
  constructor(data) {
    this.title = data.title;
    this.events = data.events;
    this.files = new Map(data.sources.map(([file, text]) => [file, text]));
    this.length = data.events.length;
    this.changes = [];    // event → what it changes in the state
    this.state = emptyState();
    this.index = -1;      // the event that `state` comes after
    this.replayed = 0;    // events made again or taken back so far: what moving has cost
    this.names = {};      // task number → name
    this.lines = [];      // event → [file, line] of the program
    this.actors = [];     // event → the task that it is about, or that acts
    this.children = {};   // event → the child that a gather's event is about: which of the input
    this.counts = {};     // event → [done, remaining] after a child's poll
    this.turns = [];      // events that begin a turn
    this.ready = {};      // the beginning of a turn → how many tasks are ready
    this.panics = {};     // the end of a poll → whether it has panicked
    this.due = {};        // a child's wake → whether its parent was woken before
    this.running = [];    // event → whether the program runs: its line is the one that is shown
    this.told = [];       // event → whether it says at which line; else the line is the last one that is known of the task
    this.polls = [];      // the polls that took long: { begin, end, nanos }
    this.most = {};       // part of the state → the most that it ever held
    this.hangs = this.events.some((e) => e.kind === "Quiescent");
    this.survey();
    this.beats = beats(this.events);
  }

  // One pass over all events.
  survey() {
    const { state } = this;
    const where = {};
    const counts = new Map();
    for (const part of COUNTED) { counts.set(state[part], { part, now: 0 }); this.most[part] = 0; }
    let begun = null; // the poll that is under way
    const folder = (place) => place[0].slice(0, place[0].lastIndexOf("/"));
    // What gather spawns, it spawns for a line of the program: the one that its task was seen at.
    const ours = new Set(this.events.map((e) => folder(e.runtime)));
    for (const e of this.events) {
      if (e.kind === "Spawn") this.names[e.task] = named(e.name, e.task);
      if (e.kind === "TurnBegin") this.turns.push(e.seq);
      const atPoll = state.poll;
      if (e.kind === "TurnBegin") this.ready[e.seq] = state.queue.length;
      if (e.kind === "PollEnd" && state.tasks[e.task]?.panicked) this.panics[e.seq] = true;
      if (e.kind === "ChildWoken" && state.gathers[e.gather]?.due) this.due[e.seq] = true;
      const changes = apply(state, e);
      this.changes.push(changes);
      for (const { of, before, after } of changes) {
        const count = counts.get(of);
        if (!count) continue;
        count.now += (before === undefined ? 1 : 0) - (after === undefined ? 1 : 0);
        if (count.now > this.most[count.part]) this.most[count.part] = count.now;
      }
      if (e.kind === "PollBegin") begun = e;
      if (e.kind === "PollEnd" && begun !== null) {
        if (e.at - begun.at >= LONG_POLL) this.polls.push({ begin: begun.seq, end: e.seq, nanos: e.at - begun.at });
        begun = null;
      }
      const task = e.task ?? state.poll ?? atPoll;
      this.actors.push(task ?? null);
      const owner = e.kind === "Spawn" ? e.task : state.poll ?? task;
      const told = e.program && !ours.has(folder(e.program)) ? e.program : null;
      const known = told ?? where[e.kind === "Spawn" ? state.poll : task] ?? null;
      this.told.push(told !== null);
      this.running.push(known !== null && (told !== null || state.poll !== null || atPoll !== null));
      const line = known ?? this.lines[this.lines.length - 1] ?? null;
      if ((told || e.kind === "Spawn") && owner !== null) where[owner] = line;
      this.lines.push(line);
      if (e.gather !== undefined && state.gathers[e.gather]) {
        const gather = state.gathers[e.gather];
        if (e.place !== undefined && gather.places[e.place]) this.children[e.seq] = gather.places[e.place].child;
        if (e.kind === "ChildPollEnd") this.counts[e.seq] = [gather.done, remaining(gather)];
      }
    }
    this.index = this.length - 1;
  }

  // The state after the event with this number; -1 is before the first.
  at(index) {
    this.replayed += Math.abs(index - this.index);
    while (this.index < index) {
      this.index += 1;
      for (const change of this.changes[this.index]) redo(change);
    }
    while (this.index > index) {
      const last = this.changes[this.index];
      for (let at = last.length - 1; at >= 0; at -= 1) undo(last[at]);
      this.index -= 1;
    }
    const { turn, at } = this.events[index] ?? emptyState();
    return Object.assign(this.state, { turn, at });
  }

  name(task) {
    return this.names[task] ?? `task ${task}`;
  }

  // The event behind an event that can be told as a reason.
  reason(e, words) {
    let cause = e.cause;
    const kind = (seq) => (seq === null ? null : this.events[seq].kind);
    // The end of a poll has the reason of the poll, a poll that of its push, and a child that of its wake.
    if (["PollEnd", "ChildPollEnd"].includes(e.kind) && cause !== null) cause = this.events[cause].cause;
    while (["PollBegin", "PollEnd"].includes(e.kind) && ["Pop", "Push"].includes(kind(cause))) cause = this.events[cause].cause;
    if (["ChildPoll", "ChildPollEnd"].includes(e.kind) && kind(cause) === "ChildWoken") cause = this.events[cause].cause;
    while (cause !== null && !words.blocks.get(this.events[cause].kind)?.reason) cause = this.events[cause].cause;
    return cause;
  }
}

// What a task is called. One without a letter in its name is called by its number; letters that would turn the text around
// them go, and a name that is written from right to left stays by itself.
function named(name, task) {
  const text = (name ?? "").replace(/[\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
  if (text.trim() === "") return `task ${task}`;
  return /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/.test(text) ? `\u2068${text}\u2069` : text;
}

function time(nanos) {
  const ms = nanos / 1e6;
  if (ms >= 1000) return `${Number((ms / 1000).toFixed(3))} s`;
  return `${Number(ms.toFixed(3))} ms`;
}
