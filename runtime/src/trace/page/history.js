// The whole trace: any state by its number, and what is found out about the events once, when the page opens.

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
    this.survey();
  }

  // One pass over all events.
  survey() {
    const { state } = this;
    const where = {};
    const folder = (place) => place[0].slice(0, place[0].lastIndexOf("/"));
    // What gather spawns, it spawns for a line of the program: the one that its task was seen at.
    const ours = new Set(this.events.map((e) => folder(e.runtime)));
    for (const e of this.events) {
      if (e.kind === "Spawn") this.names[e.task] = e.name ?? `task ${e.task}`;
      if (e.kind === "TurnBegin") this.turns.push(e.seq);
      const atPoll = state.poll;
      if (e.kind === "TurnBegin") this.ready[e.seq] = state.queue.length;
      if (e.kind === "PollEnd" && state.tasks[e.task]?.panicked) this.panics[e.seq] = true;
      if (e.kind === "ChildWoken" && state.gathers[e.gather]?.due) this.due[e.seq] = true;
      this.changes.push(apply(state, e));
      const task = e.task ?? state.poll ?? atPoll;
      this.actors.push(task ?? null);
      const owner = e.kind === "Spawn" ? e.task : state.poll ?? task;
      const told = e.program && !ours.has(folder(e.program)) ? e.program : null;
      const line = told ?? where[e.kind === "Spawn" ? state.poll : task] ?? this.lines[this.lines.length - 1] ?? null;
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

function time(nanos) {
  const ms = nanos / 1e6;
  if (ms >= 1000) return `${Number((ms / 1000).toFixed(3))} s`;
  return `${Number(ms.toFixed(3))} ms`;
}
