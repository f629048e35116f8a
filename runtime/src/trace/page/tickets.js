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
