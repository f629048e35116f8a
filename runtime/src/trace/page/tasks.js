// The slab of tasks, and the ready queue in order.

class Tasks {
  constructor(app) {
    this.app = app;
    this.table = new Table("tasks", ["slot", "gen.", "task", "state", "polls", "tickets held by", "waits for"], "");
  }

  show(state, e, places) {
    const { app } = this;
    const slots = Object.keys(state.slab).map(Number);
    this.pin(slots, state);
    this.table.empty = state.ended.length ? "No tasks: all have ended, their slots are free." : "No tasks: the slab is empty until the first spawn.";
    this.table.show(slots, (slot) => {
      const number = state.slab[slot];
      const task = state.tasks[number];
      const place = places.of.get(number);
      const text = place === "poll" ? (state.poll === number ? "at poll" : "next at poll") : place === "queue" ? "ready" : "waits";
      const wait = places.text(number) || (place === "others" ? "something that the trace does not know" : "");
      return [number, [slot, task.generation, chip(app, number), text + (task.aborted ? ", aborted" : ""), task.polls, inShort(task.held, holderText, ", ") || "nobody", wait]];
    });
    this.note(slots.length, state);
  }

  note(alive, state) {
    const { app } = this;
    const ended = state.ended.map(({ task, how }) => `${app.history.name(task)} ${how}`).join(", ");
    const note = `${alive} alive${ended ? `; ended: ${ended}` : ""}`;
    draw($("tasks-note"), el("span", { title: note }, note));
  }

  // Of more tasks than the table shows, the selected one and the one at poll come first.
  pin(slots, state) {
    if (slots.length <= MOST_ROWS) return;
    for (const task of [state.poll, this.app.selected]) {
      const at = slots.findIndex((slot) => state.slab[slot] === task);
      if (at >= 0) slots.unshift(...slots.splice(at, 1));
    }
  }
}

class Queue {
  constructor(app) {
    this.app = app;
    this.parent = $("queue");
  }

  show(state) {
    const { app } = this;
    if (app.predict.secret === "queue") {
      draw(this.parent, none("Somebody is first. Who?"));
      return;
    }
    const { length } = state.queue;
    const items = state.queue.slice(0, MOST_ROWS).map((task) => el("li", { key: String(task) }, chip(app, task)));
    const list = length ? el("ol", { class: "queue" }, ...items) : none(Object.keys(state.tasks).length ? "Empty: next, the loop would park." : "Empty: there is no task.");
    draw(this.parent, list, ...(length > MOST_ROWS ? [none(`and ${length - MOST_ROWS} more`)] : []));
  }
}
