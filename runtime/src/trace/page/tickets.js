// Who holds the tickets of a task. A clone does not say what for, but what its task does next does: it arms a timer, goes
// into a line, says what it waits for. One that was cloned and dropped at once was never held.

// Of more tickets than that, nobody looks for the one that goes.
const MOST_HELD = 32;

function cloned(s, number) {
  const task = s.tasks[number];
  if (!task) return;
  const outermost = s.children[0];
  // A child has no ticket of its own, but a waker of its gather; the gather has one for all of them.
  const isGathers = outermost && s.poll === number;
  append(task.held, isGathers ? { what: "gather", key: outermost.gather } : { what: null, key: null });
}

// The task at poll does something for which it has just cloned its ticket, or else has not.
function holds(s, what, key = null) {
  const task = s.tasks[s.poll];
  const last = task && task.held.length - 1;
  if (!task || last < 0 || task.held[last].what !== null || s.children.length) return;
  take(task.held, last);
  append(task.held, { what, key });
}

// A ticket that nobody has named by the end of the poll is with none of the runtime's futures.
function keptByOthers(s, number) {
  const { held } = s.tasks[number] ?? { held: [] };
  for (let last = held.length - 1; last >= 0 && held[last].what === null; last -= 1) {
    take(held, last);
    insert(held, last, { what: "a future of the program", key: null });
  }
}

// One is used up or dropped: one that nobody has named yet, or of what is over, or any.
function released(s, number) {
  const { held } = s.tasks[number] ?? { held: [] };
  if (!held.length) return;
  const last = held.length - 1;
  let at = held[last].what === null ? last : -1;
  if (at < 0 && last < MOST_HELD) at = held.findIndex((it) => isOver(s, number, it));
  if (at < 0 && last < MOST_HELD) at = held.findIndex(({ what }) => !["timer", "read", "write", "gather"].includes(what));
  take(held, at < 0 ? last : at);
}

function isOver(s, number, { what, key }) {
  switch (what) {
    case "timer": return s.timers[key]?.fired ?? true;
    case "read": case "write": return !s.sources[key]?.[what].waits.some(({ task }) => task === number);
    case "gather": return s.gathers[key]?.fate !== null || s.gathers[key].due;
    default: return false;
  }
}

// A holder in words.
function holderText({ what, key }) {
  switch (what) {
    case null: return "somebody";
    case "read": case "write": return `socket ${key}`;
    case "another task to end": return "its handle";
    case "timer": case "gather": case "semaphore": return `${what} ${key}`;
    default: return what;
  }
}

// Who holds the tickets of a task, in words. What other threads hold is not counted.
function heldText({ held, shared }) {
  return [inShort(held, holderText, ", "), shared ? "another thread, perhaps" : ""].filter(Boolean).join(", ");
}

// Of so many tickets at one station, at the most, it is said whose they are.
const MOST_TICKETS = 10;

// Where what holds a ticket stands in the picture. A ticket that nobody has named yet is with the future at poll.
function stationOf(what) {
  switch (what) {
    case null: return "poll";
    case "timer": return "timers";
    case "read": case "write": return "reactor";
    default: return "others";
  }
}

// All tickets that are somewhere, and the wakers of gathers' children, by station: how many, and the first few. A ticket:
// its task, what holds it, and its name among all that are shown.
function tickets(s, e, most) {
  const by = {};
  for (const station of ["queue", "poll", "wake", "others", "reactor", "timers"]) by[station] = { all: 0, shown: [] };
  const times = new Map();
  const put = (station, ticket, id) => {
    by[station].all += 1;
    if (by[station].shown.length >= most) return;
    const time = times.get(id) ?? 0;
    times.set(id, time + 1);
    by[station].shown.push({ ...ticket, id: time ? `${id} ${time}` : id });
  };
  // The ticket by which a task is woken, queued and polled.
  const front = (station, task, from) => put(station, { task, what: "queue", key: null, from }, `q${task}`);
  const isPushed = e?.kind === "Push";
  for (const task of s.queue) front("queue", task, isPushed ? "wake" : "queue");
  const acting = s.poll ?? s.popped;
  if (acting !== null && s.tasks[acting]) front("poll", acting, "queue");
  if (e?.kind === "Wake" && s.tasks[e.task] && e.task !== acting && !s.tasks[e.task].queued) front("wake", e.task, "others");
  for (const key of Object.keys(s.tasks)) {
    const task = Number(key);
    for (const { what, key: of } of s.tasks[key].held) put(stationOf(what), { task, what, key: of, from: "poll" }, `${task} ${what} ${of}`);
  }
  const child = (station, who, from) => {
    const place = s.gathers[who.gather]?.places[who.place];
    put(station, { task: who.task, what: "gather", key: who.gather, child: `child ${place ? place.child : who.place}`, from }, `c${who.gather} ${who.place}`);
  };
  for (const { who, fired } of Object.values(s.timers)) if (who.gather !== null && !fired && s.tasks[who.task]) child("timers", who, "poll");
  for (const source of Object.values(s.sources)) for (const way of DIRECTIONS) {
    for (const who of source[way].waits) if (who.gather !== null && s.tasks[who.task]) child("reactor", who, "poll");
  }
  for (const { line } of Object.values(s.semaphores)) for (const who of line) if (who.gather !== null && s.tasks[who.task]) child("others", who, "poll");
  const parent = e?.kind === "ChildWoken" ? s.gathers[e.gather]?.parent.task : null;
  if (parent !== null && s.tasks[parent]) child("wake", { task: parent, gather: e.gather, place: e.place }, "timers");
  return by;
}
