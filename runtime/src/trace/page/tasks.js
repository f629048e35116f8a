// The slab of tasks, and the ready queue in order.

class Tasks {
  constructor(app) {
    this.app = app;
    this.table = new Table("tasks", ["slot", "gen.", "task", "state", "polls", "tickets held by", "waits for"], "");
  }

  show(state, e) {
    const { app } = this;
    const waiting = waits(state);
    const slots = Object.keys(state.slab).map(Number);
    const current = state.poll ?? state.popped ?? e?.task;
    const shown = pinned(slots, (slot) => [current, app.selected].includes(state.slab[slot]));
    this.table.empty = state.ended.length ? "No tasks: all have ended, their slots are free." : "No tasks: the slab is empty until the first spawn.";
    this.table.show(shown, (slot) => {
      const number = state.slab[slot];
      const task = state.tasks[number];
      const text = taskState(state, number);
      return [number, [slot, task.generation, chip(app, number), text + (task.aborted ? ", aborted" : ""), task.polls, inShort(task.held, holderText, ", ") || "nobody", waitingText(state, waiting, number, e)]];
    }, current, slots.length);
    this.note(slots.length, state);
  }

  note(alive, state) {
    const { app } = this;
    const ended = state.ended.map(({ task, how, by }) => `${app.history.name(task)} ${how}${by === null ? "" : ` by ${app.history.name(by)}`}`).join(", ");
    const note = `${alive} alive${ended ? `; ended: ${ended}` : ""}`;
    draw($("tasks-note"), el("span", { title: note }, note));
  }
}

// What a task waits for, and each child in it.
function waitingText(state, waiting, number, e) {
  const sentence = (it) => [childName(state, it.who), waitText(state, it)].filter(Boolean).join(": ");
  const known = inShort(waiting.get(number) ?? [], sentence);
  if (known || taskState(state, number) !== "waits") return known;
  if (e?.kind === "Wake" && e.task === number) return "its place in the queue";
  const { held } = state.tasks[number];
  return held.length ? inShort(held, holderText, ", ") : "a wake that cannot come: nobody holds a ticket of it";
}

class Queue {
  constructor(app) {
    this.app = app;
    this.parent = $("queue");
  }

  show(state, e) {
    const { app } = this;
    if (app.predict.secret === "queue") {
      draw(this.parent, none("Somebody is first. Who?"));
      return;
    }
    const { length } = state.queue;
    // Who has just come in is seen, however many stand before it.
    const has = (task) => task === e?.task;
    const shown = pinned(state.queue, has).slice(0, MOST_ROWS);
    const items = shown.map((task) => el("li", { key: String(task), "aria-current": has(task) && "step" }, chip(app, task)));
    const list = length ? el("ol", { class: "queue" }, ...items) : none(Object.keys(state.tasks).length ? "Empty: next, the loop would park." : "Empty: there is no task.");
    draw(this.parent, list, ...(length > MOST_ROWS ? [none(`and ${length - MOST_ROWS} more`)] : []));
    revealCurrent(this.parent);
  }
}
