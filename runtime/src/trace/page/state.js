// The state of the loop, rebuilt from the events alone. `apply` is the whole of it: what one event changes.

const DIRECTIONS = ["read", "write"];
/// Ended gathers whose cards are kept.
const KEPT_GATHERS = 6;
/// So many channels that are closed are kept.
const KEPT_CHANNELS = 6;
/// Who waits at a channel.
const SIDES = ["send", "receive", "close"];

function emptyState() {
  return {
    turn: 0, at: 0,
    queue: [],        // task numbers, the next one first
    slab: {},         // slot → task number
    tasks: {},        // alive tasks by number
    ended: [],        // the latest that have ended: { task, how }
    poll: null,       // the task at poll
    dropped: null,    // the task that is dropped with its runtime
    popped: null,     // the task between its pop and its poll
    woken: null,      // the task between its wake and its place in the queue
    children: [],     // the gathers' children at poll, one inside the other: { gather, place }
    timers: {}, sources: {}, remote: [], jobs: {}, semaphores: {}, channels: {}, gathers: {},
    closed: [],       // the channels that are closed and still shown, the oldest first
    over: [],         // the gathers that have ended and whose cards are kept, the oldest first
    park: null,       // while the loop sleeps: { timeout, deadline, limit }
    quiescent: false,
    untold: false,    // the loop does not tell its tickets
    silent: [],       // the panels of which this trace tells nothing, or not all
    asleep: false,    // nothing can happen any more, and the recorder has seen the whole run: who has a ticket, sleeps
  };
}

// What an empty panel of which the trace tells nothing says.
const NOT_TOLD = "Not told: this trace says nothing of it.";

// Who acts: the task at poll, and the child at poll in it.
function actor(s) {
  const child = s.children[s.children.length - 1];
  return { task: s.poll ?? s.popped, gather: child ? child.gather : null, place: child ? child.place : null };
}

function sameActor(a, b) {
  return a.task === b.task && a.gather === b.gather && a.place === b.place;
}

const CHANGES = {
  TurnBegin(s) { atPoll(s, null, null); },
  Spawn(s, e) {
    set(s.tasks, e.task, {
      slot: e.slot, generation: e.generation, queued: false, aborted: false, polls: 0, held: [], shared: false, wait: null, on: null,
      panicked: false, over: false, abortedBy: null,
    });
    set(s.slab, e.slot, e.task);
  },
  Push(s, e) { set(s, "woken", null); append(s.queue, e.task); ofTask(s, e.task, "queued", true); },
  Pop(s, e) {
    takeFirst(s.queue, (task) => task === e.task);
    ofTask(s, e.task, "queued", false);
    set(s, "popped", e.task);
  },
  PollBegin(s, e) {
    set(s, "asleep", false);
    atPoll(s, e.task, null);
    ofTask(s, e.task, "polls", (s.tasks[e.task]?.polls ?? 0) + 1);
    ofTask(s, e.task, "wait", null);
    if (s.untold) ofTask(s, e.task, "called", false);
    ofTask(s, e.task, "on", null);
    leaveReceivers(s);
  },
  PollEnd(s, e) {
    keptByOthers(s, e.task);
    if (e.ready) ofTask(s, e.task, "over", true);
    atPoll(s, null, s.popped);
  },
  Waits(s, e) {
    ofTask(s, s.poll, "wait", e.what);
    if (!e.what.startsWith("its next turn")) holds(s, e.what);
    ofTask(s, s.poll, "on", { whom: e.whom, job: e.job, channel: e.channel, side: e.side });
    const child = s.children[s.children.length - 1];
    const place = child && s.gathers[child.gather]?.places[child.place];
    if (place) set(place, "on", { wait: e.what, on: { whom: e.whom, job: e.job, channel: e.channel, side: e.side }, held: [] });
    if (e.channel !== null) enterLine(s, channel(s, e)[e.side]);
  },
  PushRefused(s) { set(s, "woken", null); },
  Wake(s, e) {
    set(s, "woken", e.task);
    if (s.untold) ofTask(s, e.task, "called", true);
    if (e.last) released(s, e.task);
  },
  TicketCloned(s, e) { cloned(s, e.task); },
  TicketDropped(s, e) { released(s, e.task); },
  TicketShared(s, e) { ofTask(s, e.task, "shared", true); },
  Abort(s, e) {
    ofTask(s, e.task, "aborted", true);
    ofTask(s, e.task, "abortedBy", actor(s));
  },
  TaskPanicked(s, e) { ofTask(s, e.task, "panicked", true); },
  TaskEnd(s, e) {
    const task = s.tasks[e.task];
    if (task && s.slab[task.slot] === e.task) set(s.slab, task.slot, undefined);
    if (task) set(s.tasks, e.task, undefined);
    takeFirst(s.queue, (task) => task === e.task);
    if (s.poll === e.task) atPoll(s, null, s.popped);
    if (s.popped === e.task) set(s, "popped", null);
    if (s.dropped === e.task) set(s, "dropped", null);
    const by = task && e.how === "aborted" && task.abortedBy ? task.abortedBy.task : null;
    const how = task && task.panicked ? "panicked" : e.how;
    set(s, "ended", [...s.ended.slice(-3), { task: e.task, how, by }]);
    // Its future was dropped before, and with it whatever of it stood in a line.
    const isIt = (who) => who.task === e.task;
    for (const it of Object.values(s.semaphores)) takeAll(it.line, isIt);
    for (const it of Object.values(s.channels)) for (const side of SIDES) takeAll(it[side], isIt);
    for (const it of Object.values(s.sources)) for (const way of DIRECTIONS) takeAll(it[way].waits, isIt);
  },
  // The slots are taken out all at once when a runtime is dropped; the queue with them.
  TaskCancelled(s, e) {
    set(s, "asleep", false);
    set(s, "dropped", e.task);
    takeFirst(s.queue, (task) => task === e.task);
  },

  TimerArmed(s, e) {
    set(s.timers, e.timer, { deadline: e.deadline, who: actor(s), fired: false });
    holds(s, "timer", e.timer);
  },
  TimerFired(s, e) { if (s.timers[e.timer]) set(s.timers[e.timer], "fired", true); },
  TimerDropped(s, e) { set(s.timers, e.timer, undefined); },

  IoRegistered(s, e) {
    const side = () => ({ ready: e.ready, ended: false, waits: [] });
    set(s.sources, e.source, { read: side(), write: side(), who: actor(s) });
  },
  IoReady(s, e) { side(s, e, (it) => { ready(it, true, e.ended); takeAll(it.waits, () => true); }); },
  IoWouldBlock(s, e) { side(s, e, (it) => ready(it, false, false)); },
  IoShort(s, e) { side(s, e, (it) => ready(it, it.ended, it.ended)); },
  IoWaits(s, e) {
    side(s, e, (it) => enterLine(s, it.waits));
    holds(s, e.direction, e.source);
  },
  IoLeft(s, e) { side(s, e, (it) => leftLine(s, it.waits, e)); },
  IoDeregistered(s, e) { set(s.sources, e.source, undefined); },

  Park(s, e) { set(s, "park", { timeout: e.timeout, deadline: e.deadline, limit: e.limit }); },
  Unpark(s) { set(s, "park", null); },
  Quiescent(s, e) {
    set(s, "quiescent", true);
    set(s, "asleep", e.nobody !== null || e.sleeping !== null);
  },

  RemoteSent(s, e) { append(s.remote, { message: e.message, number: e.number, thread: e.thread }); },
  RemoteTaken(s, e) {
    takeFirst(s.remote, (it) => it.message === e.message && it.number === e.number);
    if (e.message === "job end") set(s.jobs, e.number, undefined);
  },
  JobSubmitted(s, e) { set(s.jobs, e.job, { thread: null, who: actor(s) }); },
  JobStarted(s, e) { if (s.jobs[e.job]) set(s.jobs[e.job], "thread", e.thread); },

  PermitTaken(s, e) {
    leaveLine(s, semaphore(s, e).line, e.left === semaphore(s, e).free);
    set(semaphore(s, e), "free", e.left);
    set(semaphore(s, e).holders, e.permit, actor(s));
  },
  PermitWaiting(s, e) {
    enterLine(s, semaphore(s, e).line);
    holds(s, "semaphore", e.semaphore);
  },
  PermitLeft(s, e) { leftLine(s, semaphore(s, e).line, e); },
  PermitReleased(s, e) {
    set(semaphore(s, e), "free", e.left);
    if (e.next) grant(semaphore(s, e).line);
    if (e.permit !== null) set(semaphore(s, e).holders, e.permit, undefined);
  },
  PermitForgotten(s, e) { set(semaphore(s, e).holders, e.permit, undefined); },

  ChannelSent(s, e) {
    leaveLine(s, channel(s, e).send, e.room === channel(s, e).room);
    // It takes the receiver's waker out, to wake it.
    takeAll(channel(s, e).receive, () => true);
    filled(s, e);
  },
  ChannelTaken(s, e) {
    leaveLine(s, channel(s, e).receive);
    if (e.room !== null) grant(channel(s, e).send);
    filled(s, e);
  },
  ChannelClosed(s, e) {
    for (const side of SIDES) takeAll(channel(s, e)[side], () => true);
    if (channel(s, e).closed === null) append(s.closed, e.channel);
    set(channel(s, e), "closed", e.side);
    if (s.closed.length <= KEPT_CHANNELS) return;
    set(s.channels, s.closed[0], undefined);
    take(s.closed, 0);
  },
  ChannelLeft(s, e) {
    const { send } = channel(s, e);
    const left = leftLine(s, send, e);
    if (left?.granted) grant(send);
  },

  GatherStart(s, e) {
    set(s.gathers, e.gather, {
      form: e.form, parent: actor(s), children: null, cannotTell: false, alive: null, started: 0, done: 0, polls: 0, due: false, tally: null, places: {}, fate: null,
    });
  },
  GatherOpen(s, e) {
    const gather = s.gathers[e.gather];
    if (!gather) return;
    set(gather, "children", e.children);
    set(gather, "cannotTell", e.children === null);
  },
  GatherPoll(s, e) {
    const gather = s.gathers[e.gather];
    if (!gather) return;
    set(gather, "polls", gather.polls + 1);
    set(gather, "due", false);
    set(gather.parent, "task", s.poll);
  },
  ChildPoll(s, e) {
    holds(s, "gather", e.gather);
    append(s.children, { gather: e.gather, place: e.place });
    leaveReceivers(s);
    const gather = s.gathers[e.gather];
    if (!gather) return;
    const before = gather.places[e.place];
    if (!before || before.state === "done") {
      set(gather.places, e.place, { child: gather.started, polls: 1, state: "polled", again: false, on: null });
      set(gather, "started", gather.started + 1);
      return;
    }
    set(before, "polls", before.polls + 1);
    set(before, "state", "polled");
    set(before, "again", false);
    set(before, "on", null);
  },
  ChildPollEnd(s, e) {
    if (s.children.length) take(s.children, s.children.length - 1);
    const gather = s.gathers[e.gather];
    const place = gather && gather.places[e.place];
    if (!place) return;
    set(place, "state", e.ready ? "done" : place.again ? "woken" : "idle");
    set(gather, "alive", e.alive);
    if (e.ready) set(gather, "done", gather.done + 1);
    // Some wait for their start: without a limit all are taken from the iterator at once, so now they are counted.
    if (gather.cannotTell && gather.done + e.alive > gather.started) {
      set(gather, "children", gather.done + e.alive);
      set(gather, "cannotTell", false);
    }
  },
  ChildWoken(s, e) {
    const gather = s.gathers[e.gather];
    if (gather && e.due) set(gather, "due", true);
    if (gather && e.left !== null) set(gather, "tally", e.left);
    const place = gather && gather.places[e.place];
    if (!place || place.state === "done") return;
    if (e.left !== null) {
      set(place, "state", "ended");
      return;
    }
    if (place.state === "polled") set(place, "again", true); else set(place, "state", "woken");
  },
  GatherDone(s, e) { endGather(s, e.gather, "done"); },
  GatherDropped(s, e) { endGather(s, e.gather, "dropped"); },
};

// Who is at poll, and who is next; no child of a gather is at poll yet.
function atPoll(s, poll, popped) {
  set(s, "poll", poll);
  set(s, "popped", popped);
  if (s.children.length) set(s, "children", []);
}

function ofTask(s, task, field, value) {
  if (s.tasks[task]) set(s.tasks[task], field, value);
}

function side(s, e, f) {
  if (s.sources[e.source]) f(s.sources[e.source][e.direction]);
}

function ready(it, isReady, isEnded) {
  set(it, "ready", isReady);
  set(it, "ended", isEnded);
}

function semaphore(s, e) {
  if (!s.semaphores[e.semaphore]) set(s.semaphores, e.semaphore, { free: null, line: [], holders: {} });
  return s.semaphores[e.semaphore];
}

// A channel, by what is known of it: it may have been made before the recording.
function channel(s, e) {
  if (!s.channels[e.channel]) set(s.channels, e.channel, { len: null, room: null, capacity: null, send: [], receive: [], close: [], closed: null });
  return s.channels[e.channel];
}

function filled(s, e) {
  set(channel(s, e), "len", e.len);
  set(channel(s, e), "room", e.room);
  // Places that are promised to senders in line are no room; before the first of those, all places are there to see.
  if (e.room !== null) set(channel(s, e), "capacity", Math.max(channel(s, e).capacity ?? 0, e.len + e.room));
}

// Who is polled waits for a value only if it says so anew: a receiver leaves no line when its future is dropped.
function leaveReceivers(s) {
  for (const it of Object.values(s.channels)) for (const side of ["receive", "close"]) leaveLine(s, it[side]);
}

function enterLine(s, line) {
  const who = actor(s);
  if (!line.some((it) => sameActor(it, who))) append(line, who);
}

// The first in line that was granted nothing yet is granted what it waits for. It takes it when it is polled.
function grant(line) {
  const first = line.find((it) => !it.granted);
  if (first) set(first, "granted", true);
}

// Who acts stands in a line no more. `wasGranted`: nothing else was taken but what had been granted to somebody there.
function leaveLine(s, line, wasGranted = false) {
  const who = actor(s);
  const isIt = (it) => sameActor(it, who);
  if (line.some(isIt) || !wasGranted) return takeAll(line, isIt);
  const unnamed = line.findIndex((it) => it.unnamed && (it.task === who.task || it.task === null));
  if (unnamed >= 0) take(line, unnamed);
}

// Somebody who waited is dropped, perhaps by another task or with its runtime. The event says how many stood before it. One
// that was granted something stood there no longer: it is of whoever acts, or of the task that is dropped. Gives who left.
function leftLine(s, line, { ahead }) {
  const who = actor(s);
  const task = s.dropped ?? who.task;
  const waiting = line.filter((it) => !it.granted);
  const granted = line.filter((it) => it.granted);
  // In a trace that does not say so, it is of the task that acts.
  const own = () => line.find((it) => sameActor(it, who)) ?? line.find((it) => it.task === task);
  const called = () => {
    const exact = granted.find((it) => sameActor(it, who));
    if (exact) return exact;
    const own = granted.filter((it) => it.task === task);
    const may = own.length ? own : granted;
    // Which of several it is, nobody has recorded. Those that stay are shown without the name of a child.
    if (may.length > 1) may.forEach((it) => unname(it, own.length ? task : null));
    return may[0];
  };
  const left = ahead === null ? own() : ahead === false ? called() : waiting[ahead];
  if (left) take(line, line.indexOf(left));
  return left;
}

function unname(it, task) {
  set(it, "task", task);
  set(it, "gather", null);
  set(it, "place", null);
  set(it, "unnamed", true);
}

function endGather(s, number, fate) {
  const gather = s.gathers[number];
  if (!gather) return;
  if (gather.fate === null) append(s.over, number);
  set(gather, "fate", fate);
  if (s.over.length <= KEPT_GATHERS) return;
  set(s.gathers, s.over[0], undefined);
  take(s.over, 0);
}

// Makes the state the one after `e`. Gives the changes, in order.
function apply(s, e) {
  s.turn = e.turn;
  s.at = e.at;
  if (e.tickets === false) s.untold = true;
  if (e.silent) s.silent = e.silent;
  const f = CHANGES[e.kind];
  if (f) f(s, e);
  return written();
}

// How many children there are: what the iterator said, or, where all are there at once, those seen; null if neither.
function total(gather) {
  if (gather.children !== null) return gather.children;
  const isOpen = gather.cannotTell && gather.fate !== "done";
  return gather.alive === null || isOpen ? null : gather.done + gather.alive;
}

// How many have ended: tasks as the tally counts them, the others as their parent polls them.
function ended(gather) {
  const all = total(gather);
  return gather.tally === null || all === null ? gather.done : Math.max(gather.done, all - gather.tally);
}

// Where a task is in its life, in a word.
function taskState(s, number) {
  const task = s.tasks[number];
  if (s.poll === number) return task.panicked ? "panicked" : "at poll";
  if (s.popped === number && !task.over) return task.aborted ? "is dropped" : "next at poll";
  if (s.dropped === number) return "is dropped";
  if (task.over || task.panicked) return task.panicked ? "panicked" : "done";
  if (task.queued) return "ready";
  return task.polls ? "waits" : "new";
}

// How many have not ended.
function remaining(gather) {
  const all = total(gather);
  return all === null ? null : all - gather.done;
}

// Where those stand whose tickets these hold.
const TOLD_AT = { timer: "timers", read: "reactor", write: "reactor" };

// What each alive task waits for, by task: { station, who, what, key }. There may be thousands; `waitText` is for the few
// that are shown.
function waits(s) {
  const found = new Map();
  const add = (who, station, what, key) => {
    if (who.task === null || !s.tasks[who.task]) return;
    const before = found.get(who.task);
    if (before) before.push({ station, who, what, key }); else found.set(who.task, [{ station, who, what, key }]);
  };
  for (const key of Object.keys(s.timers)) if (!s.timers[key].fired) add(s.timers[key].who, "timers", "timer", key);
  for (const key of Object.keys(s.sources)) {
    for (const way of DIRECTIONS) for (const who of s.sources[key][way].waits) add(who, "reactor", way, key);
  }
  for (const key of Object.keys(s.semaphores)) for (const who of s.semaphores[key].line) add(who, "others", "semaphore", key);
  // Children that have said what they wait for, and did not just go into a line.
  for (const [gather, { parent, places, fate, form }] of Object.entries(s.gathers)) {
    if (fate !== null || form.endsWith("_tasks") || found.has(parent.task)) continue;
    for (const [place, { on, state }] of Object.entries(places)) {
      if (on && state === "idle") add({ task: parent.task, gather: Number(gather), place: Number(place) }, "others", "child", on);
    }
  }
  for (const key of Object.keys(s.tasks)) {
    const task = Number(key);
    if (found.has(task)) continue;
    // Until its wake, who was told of something stands where it was told.
    const told = s.tasks[key].held.find(({ what }) => what in TOLD_AT);
    if (told) add({ task, gather: null, place: null }, TOLD_AT[told.what], "told", holderText(told));
    // Whoever was woken by that end waits for it no longer.
    else if (s.tasks[key].wait && taskState(s, task) === "waits" && !(s.woken === task && typeof s.tasks[key].on?.whom === "number")) add({ task, gather: null, place: null }, "others", "task", key);
  }
  return found;
}

// What is waited for at a channel.
function channelText({ side, channel }) {
  if (side === "close") return `the receiver of channel ${channel} to go`;
  return side === "send" ? `room in channel ${channel}` : `a value from channel ${channel}`;
}

// What a task has said that it waits for.
function onText(s, { wait, on, held }, who) {
  // A handle of a task that a gather has spawned wakes the gather's tally: it counts for all of them.
  const counted = held.find(({ what, key }) => what === "gather" && s.gathers[key]?.fate === null && s.gathers[key].form.endsWith("_tasks"));
  if (counted) return `the tasks of gather ${counted.key} to end`;
  if (on.whom !== null) return `task ${on.whom} to end`;
  if (on.job !== null) return `job ${on.job} to end`;
  if (on.channel !== null) {
    const isGranted = on.side === "send" && s.channels[on.channel]?.send.some((it) => it.granted && sameActor(it, who));
    return isGranted ? `granted: ${channelText(on)}` : channelText(on);
  }
  return wait;
}

// A wait in the words of the leaves that the events name.
function waitText(s, { who, what, key }) {
  switch (what) {
    case "timer": return `timer ${key}, ${time(s.timers[key].deadline)}`;
    case "semaphore": return who.granted ? `granted: a permit of semaphore ${key}` : `a permit of semaphore ${key}`;
    case "task": return onText(s, s.tasks[key], who);
    case "child": return onText(s, key, who);
    case "told": return `${key}, which wakes it next`;
    default: return `socket ${key} to ${what}`;
  }
}
