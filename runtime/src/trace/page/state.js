// The state of the loop, rebuilt from the events alone. `apply` is the whole of it: one event, one change.

const DIRECTIONS = ["read", "write"];
/// Ended gathers whose cards are kept.
const KEPT_GATHERS = 6;

function emptyState() {
  return {
    turn: 0, at: 0,
    queue: [],        // task numbers, the next one first
    slab: {},         // slot → task number
    tasks: {},        // alive tasks by number
    ended: [],        // the latest that have ended: { task, how }
    poll: null,       // the task at poll
    popped: null,     // the task between its pop and its poll
    children: [],     // the gathers' children at poll, one inside the other: { gather, place }
    timers: {}, sources: {}, remote: [], jobs: {}, semaphores: {}, gathers: {},
    park: null,       // while the loop sleeps: { timeout, deadline, limit }
    quiescent: false,
  };
}

// Who acts: the task at poll, and the child at poll in it.
function actor(s) {
  const child = s.children[s.children.length - 1];
  return { task: s.poll ?? s.popped, gather: child ? child.gather : null, place: child ? child.place : null };
}

function sameActor(a, b) {
  return a.task === b.task && a.gather === b.gather && a.place === b.place;
}

function remove(list, item) {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}

const CHANGES = {
  TurnBegin(s) { s.poll = null; s.popped = null; s.children = []; },
  Spawn(s, e) {
    s.tasks[e.task] = {
      slot: e.slot, generation: e.generation, queued: false, aborted: false, polls: 0, tickets: 0, wait: null,
    };
    s.slab[e.slot] = e.task;
  },
  Push(s, e) { s.queue.push(e.task); if (s.tasks[e.task]) s.tasks[e.task].queued = true; },
  Pop(s, e) {
    remove(s.queue, e.task);
    if (s.tasks[e.task]) s.tasks[e.task].queued = false;
    s.popped = e.task;
  },
  PollBegin(s, e) {
    s.poll = e.task; s.popped = null; s.children = [];
    const task = s.tasks[e.task];
    if (task) { task.polls += 1; task.wait = null; }
  },
  PollEnd(s) { s.poll = null; s.children = []; },
  Waits(s, e) { if (s.tasks[s.poll]) s.tasks[s.poll].wait = e.what; },
  Wake(s, e) { if (e.last) CHANGES.TicketDropped(s, e); },
  TicketCloned(s, e) { if (s.tasks[e.task]) s.tasks[e.task].tickets += 1; },
  TicketDropped(s, e) { const task = s.tasks[e.task]; if (task && task.tickets > 0) task.tickets -= 1; },
  Abort(s, e) { if (s.tasks[e.task]) s.tasks[e.task].aborted = true; },
  TaskEnd(s, e) {
    const task = s.tasks[e.task];
    if (task && s.slab[task.slot] === e.task) delete s.slab[task.slot];
    delete s.tasks[e.task];
    remove(s.queue, e.task);
    if (s.poll === e.task) { s.poll = null; s.children = []; }
    if (s.popped === e.task) s.popped = null;
    s.ended = [...s.ended.slice(-3), { task: e.task, how: e.how }];
    // Its future was dropped before, and with it whatever of it stood in a line.
    const others = (line) => line.filter((who) => who.task !== e.task);
    for (const it of Object.values(s.semaphores)) it.line = others(it.line);
    for (const it of Object.values(s.sources)) for (const way of DIRECTIONS) it[way].waits = others(it[way].waits);
  },
  // The slots are taken out all at once when a runtime is dropped; the queue with them.
  TaskCancelled(s, e) { remove(s.queue, e.task); },

  TimerArmed(s, e) { s.timers[e.timer] = { deadline: e.deadline, who: actor(s), fired: false }; },
  TimerFired(s, e) { if (s.timers[e.timer]) s.timers[e.timer].fired = true; },
  TimerDropped(s, e) { delete s.timers[e.timer]; },

  IoRegistered(s, e) {
    const side = () => ({ ready: e.ready, ended: false, waits: [] });
    s.sources[e.source] = { read: side(), write: side(), who: actor(s) };
  },
  IoReady(s, e) { change(s, e, (side) => { side.ready = true; side.ended = e.ended; side.waits = []; }); },
  IoWouldBlock(s, e) { change(s, e, (side) => { side.ready = false; side.ended = false; }); },
  IoShort(s, e) { change(s, e, (side) => { side.ready = side.ended; }); },
  IoWaits(s, e) {
    const who = actor(s);
    change(s, e, (side) => { if (!side.waits.some((it) => sameActor(it, who))) side.waits.push(who); });
  },
  IoLeft(s, e) {
    const who = actor(s);
    change(s, e, (side) => { side.waits = side.waits.filter((it) => !sameActor(it, who)); });
  },
  IoDeregistered(s, e) { delete s.sources[e.source]; },

  Park(s, e) { s.park = { timeout: e.timeout, deadline: e.deadline, limit: e.limit }; },
  Unpark(s) { s.park = null; },
  Quiescent(s) { s.quiescent = true; },

  RemoteSent(s, e) { s.remote.push({ message: e.message, number: e.number, thread: e.thread }); },
  RemoteTaken(s, e) {
    const at = s.remote.findIndex((it) => it.message === e.message && it.number === e.number);
    if (at >= 0) s.remote.splice(at, 1);
    if (e.message === "job end") delete s.jobs[e.number];
  },
  JobSubmitted(s, e) { s.jobs[e.job] = { thread: null, who: actor(s) }; },
  JobStarted(s, e) { if (s.jobs[e.job]) s.jobs[e.job].thread = e.thread; },

  PermitTaken(s, e) {
    semaphore(s, e).free = e.left;
    leaveLine(s, e);
  },
  PermitWaiting(s, e) {
    const { line } = semaphore(s, e);
    const who = actor(s);
    if (!line.some((it) => sameActor(it, who))) line.push(who);
  },
  PermitLeft(s, e) { leaveLine(s, e); },
  PermitReleased(s, e) { semaphore(s, e).free = e.left; },

  GatherStart(s, e) {
    s.gathers[e.gather] = {
      form: e.form, parent: actor(s), children: null, alive: null, started: 0, done: 0, polls: 0, places: {}, fate: null,
    };
  },
  GatherOpen(s, e) { if (s.gathers[e.gather]) s.gathers[e.gather].children = e.children; },
  GatherPoll(s, e) {
    const gather = s.gathers[e.gather];
    if (gather) { gather.polls += 1; gather.parent.task = s.poll; }
  },
  ChildPoll(s, e) {
    s.children.push({ gather: e.gather, place: e.place });
    const gather = s.gathers[e.gather];
    if (!gather) return;
    let place = gather.places[e.place];
    if (!place || place.state === "done") {
      place = gather.places[e.place] = { child: gather.started, polls: 0, state: "idle", again: false };
      gather.started += 1;
    }
    place.polls += 1;
    place.state = "polled";
    place.again = false;
  },
  ChildPollEnd(s, e) {
    s.children.pop();
    const gather = s.gathers[e.gather];
    const place = gather && gather.places[e.place];
    if (!place) return;
    place.state = e.ready ? "done" : place.again ? "woken" : "idle";
    gather.alive = e.alive;
    if (e.ready) gather.done += 1;
  },
  ChildWoken(s, e) {
    const place = s.gathers[e.gather] && s.gathers[e.gather].places[e.place];
    if (!place || place.state === "done") return;
    if (place.state === "polled") place.again = true; else place.state = "woken";
  },
  GatherDone(s, e) { endGather(s, e.gather, "done"); },
  GatherDropped(s, e) { endGather(s, e.gather, "dropped"); },
};

function change(s, e, f) {
  const source = s.sources[e.source];
  if (source) f(source[e.direction]);
}

function semaphore(s, e) {
  return (s.semaphores[e.semaphore] ||= { free: null, line: [] });
}

function leaveLine(s, e) {
  const who = actor(s);
  const it = semaphore(s, e);
  it.line = it.line.filter((other) => !sameActor(other, who));
}

function endGather(s, number, fate) {
  if (s.gathers[number]) s.gathers[number].fate = fate;
  const ended = Object.keys(s.gathers).filter((key) => s.gathers[key].fate);
  for (const key of ended.slice(0, -KEPT_GATHERS)) delete s.gathers[key];
}

// The state after `e`.
function apply(s, e) {
  s.turn = e.turn;
  s.at = e.at;
  const f = CHANGES[e.kind];
  if (f) f(s, e);
  return s;
}

// How many children there are: what the iterator said, or, as all are taken at once, those seen; null if neither.
function total(gather) {
  if (gather.children !== null) return gather.children;
  return gather.alive === null ? null : gather.done + gather.alive;
}

// How many have not ended.
function remaining(gather) {
  const all = total(gather);
  return all === null ? null : all - gather.done;
}

// What each alive task waits for, by task: { station, who, child, text } in the words of the leaves that the events name.
function waits(s, time, childName) {
  const found = {};
  const add = (who, station, text) => {
    if (who.task === null || !s.tasks[who.task]) return;
    const child = who.gather === null ? "" : childName(who);
    (found[who.task] ||= []).push({ station, who, child, text: child ? `${child}: ${text}` : text });
  };
  for (const [key, timer] of Object.entries(s.timers)) {
    if (!timer.fired) add(timer.who, "timers", `timer ${key}, ${time(timer.deadline)}`);
  }
  for (const [key, source] of Object.entries(s.sources)) {
    for (const way of DIRECTIONS) for (const who of source[way].waits) add(who, "reactor", `socket ${key} to ${way}`);
  }
  for (const [key, it] of Object.entries(s.semaphores)) {
    for (const who of it.line) add(who, "others", `a permit of semaphore ${key}`);
  }
  for (const [key, job] of Object.entries(s.jobs)) add(job.who, "others", `job ${key}`);
  for (const [number, task] of Object.entries(s.tasks)) {
    if (task.wait && !found[number]) add({ task: Number(number), gather: null }, "others", task.wait);
  }
  return found;
}
