// Semaphores and channels: what tasks wait for at each other. Who holds a permit, who stands in line, and whether they wait
// for each other in a circle.

const NO_SEMAPHORE = "No semaphore: no permits.";

class Semaphores {
  constructor(app) {
    this.app = app;
    const cells = (state, key) => {
      const it = state.semaphores[key];
      if (!it) return null;
      const holders = Object.values(it.holders);
      const held = holders.length ? el("span", {}, ...lineChips(app, state, holders)) : "nobody";
      const line = it.line.length ? el("span", {}, ...lineChips(app, state, it.line)) : "nobody";
      return [`semaphore ${key}`, it.free ?? "?", held, line];
    };
    this.table = new Table(app, "semaphores", ["", "free", "held by", "in line"], NO_SEMAPHORE, cells);
  }

  show(state, e) {
    const keys = Object.keys(state.semaphores);
    const shown = pinned(keys, (key) => key === String(e?.semaphore));
    this.table.empty = state.silent.includes("semaphores") ? NOT_TOLD : NO_SEMAPHORE;
    this.table.show(state, shown, e?.semaphore, keys.length, this.cycle(state));
  }

  // Tasks that wait for each other, in a sentence.
  cycle(state) {
    const { app } = this;
    const links = cycle(state);
    if (!links.length) return [];
    const said = links.map(({ task, semaphore, by }) => `${app.history.name(task)} waits for ${semaphore === null ? `${app.history.name(by)} to end` : `semaphore ${semaphore}, which ${app.history.name(by)} holds`}`);
    const text = (state) => cycle(state).map(({ task, by }) => `${task} ${by}`).join();
    const onclick = (event) => app.ask.cell(event, "a cycle of waiters", text);
    return [el("p", { class: "cycle", key: "cycle", tabindex: "-1", onclick }, el("b", {}, "A cycle: "), `${inShort(said, (it) => it)}.`)];
  }
}

class Channels {
  constructor(app) {
    const cells = (state, key) => {
      const it = state.channels[key];
      if (!it) return null;
      const holds = it.len === null ? "?" : it.capacity === null ? `${it.len}` : `${it.len} of ${it.capacity}`;
      const closed = it.closed === null ? "open" : `closed by the ${it.closed}`;
      const sides = [["send", "to send"], ["receive", "to receive"], ["close", "for its end"]].filter(([side]) => it[side].length);
      const who = sides.flatMap(([side, text]) => [`${text}: `, ...lineChips(app, state, it[side]), " "]);
      return [`channel ${key}`, holds, closed, who.length ? el("span", {}, ...who) : "nobody"];
    };
    this.table = new Table(app, "channels", ["", "values", "", "who waits"], "No channel: nobody sends or receives.", cells);
  }

  show(state, e) {
    const keys = Object.keys(state.channels);
    this.table.show(state, pinned(keys, (key) => key === String(e?.channel)), e?.channel ?? undefined, keys.length);
  }
}
