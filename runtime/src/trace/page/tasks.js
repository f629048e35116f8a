// The slab of tasks, and the ready queue in order.

// What is proved of a task that has no ticket any more.
const NOBODY = "nobody holds a ticket of it";

class Tasks {
  constructor(app) {
    this.app = app;
    this.waiting = null; // what each task waits for, in the state that is shown
    const cells = (state, slot) => this.cells(state, Number(slot));
    this.table = new Table(app, "tasks", ["slot", "gen.", "task", "state", "polls", "tickets with", "waits for"], "", cells);
  }

  show(state, e) {
    const { app } = this;
    this.waiting = waits(state);
    const slots = Object.keys(state.slab).map(Number);
    const current = state.poll ?? state.popped ?? e?.task;
    const shown = pinned(slots, (slot) => [current, app.selected].includes(state.slab[slot]));
    this.table.empty = state.silent.includes("tasks") ? NOT_TOLD : state.ended.length ? "No tasks: all have ended, their slots are free." : "No tasks: the slab is empty until the first spawn.";
    this.table.show(state, shown, state.tasks[current]?.slot, slots.length, this.suspected(state));
    this.waiting = null;
    this.note(slots.length, state);
  }

  cells(state, slot) {
    const number = state.slab[slot];
    if (number === undefined) return null;
    const task = state.tasks[number];
    // A loop of somebody's own may not tell its tickets.
    const held = heldText(task) || (state.untold ? "not told" : "nobody");
    const life = taskState(state, number) + (task.aborted ? ", aborted" : "");
    return [slot, task.generation, chip(this.app, number), life, task.polls, held, waitingText(state, this.waiting ?? waits(state), number)];
  }

  // Of these it is not proved that nobody wakes them.
  suspected(state) {
    const { app } = this;
    const tasks = suspects(state);
    if (!tasks.length) return [];
    const onclick = (event) => app.ask.cell(event, "only sleeping tasks hold tickets of these", (state) => suspects(state).join());
    const text = `only sleeping tasks hold tickets of ${inShort(tasks, (task) => app.history.name(task), ", ")}, as far as the trace knows.`;
    return [el("p", { class: "cycle", key: "suspected", tabindex: "-1", onclick }, el("b", {}, "Suspected: "), text)];
  }

  note(alive, state) {
    const { app } = this;
    const ended = state.ended.map(({ task, how, by }) => `${app.history.name(task)} ${how}${by === null ? "" : ` by ${app.history.name(by)}`}`).join(", ");
    if (state.silent.includes("tasks")) {
      draw($("tasks-note"), alive ? "not all are told" : "");
      return;
    }
    const note = `${alive} alive${ended ? `; ended: ${ended}` : ""}`;
    draw($("tasks-note"), el("span", { title: note }, note));
  }
}

// When nothing can happen any more: the tasks that somebody could still wake, if all those did not sleep themselves.
function suspects(state) {
  if (!state.asleep) return [];
  return Object.keys(state.tasks).map(Number).filter((task) => taskState(state, task) === "waits" && heldText(state.tasks[task]));
}

// What a task waits for, and each child in it; and, if nothing can happen any more, that nobody can wake it.
function waitingText(state, waiting, number) {
  const sentence = (it) => [childName(state, it.who), waitText(state, it)].filter(Boolean).join(": ");
  const known = inShort(waiting.get(number) ?? [], sentence);
  if (taskState(state, number) !== "waits") return known;
  const held = heldText(state.tasks[number]);
  if (known || held) return [known || held, state.asleep && !held && NOBODY].filter(Boolean).join("; ");
  if (state.untold) return state.tasks[number].called ? "its poll: it was woken" : "";
  return state.woken === number ? "its place in the queue" : `a wake that cannot come: ${NOBODY}`;
}

class Queue {
  constructor(app) {
    this.app = app;
    this.parent = $("queue");
  }

  show(state, e) {
    const { app } = this;
    if (app.predict.hidesQueue(state)) {
      draw(this.parent, none("Somebody is first. Who?"));
      return;
    }
    const { length } = state.queue;
    // Who has just come in is seen, however many stand before it.
    const has = (task) => task === e?.task;
    const shown = pinned(state.queue, has).slice(0, MOST_ROWS);
    const onclick = (task) => (event) => app.ask.cell(event, `${app.history.name(task)} is in the ready queue`, (state) => state.queue.includes(task));
    const items = shown.map((task) => el("li", { key: String(task), "aria-current": has(task) && "step", tabindex: "-1", onclick: onclick(task) }, chip(app, task)));
    const list = length ? el("ol", { class: "queue" }, ...items) : none(state.silent.includes("queue") ? NOT_TOLD : Object.keys(state.tasks).length ? "Empty: the loop would park." : "Empty: there is no task.");
    draw(this.parent, list, ...(length > MOST_ROWS ? [none(`and ${length - MOST_ROWS} more`)] : []));
    revealCurrent(this.parent);
  }
}
