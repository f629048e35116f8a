// Timers and the reactor: what the loop waits for when nothing is ready.

const NO_TIMERS = "No timers: park would last until an event or a wake.";

class Timers {
  constructor(app) {
    this.app = app;
    const row = (says) => (state, key) => {
      const timer = state.timers[key];
      return timer ? [key, timer.fired ? "fired" : time(timer.deadline), says(state, timer), whoChip(app, state, timer.who)] : null;
    };
    const left = (state, { fired, deadline }) => fired ? "" : deadline < state.at ? "late" : time(deadline - state.at);
    this.table = new Table(app, "timers", ["timer", "at", "in", "wakes"], NO_TIMERS, row(left), row(() => ""));
  }

  show(state, e) {
    const keys = Object.keys(state.timers);
    const fired = keys.filter((key) => state.timers[key].fired);
    const armed = keys.filter((key) => !state.timers[key].fired);
    const next = earliest(armed, (key) => state.timers[key].deadline);
    const current = e?.timer;
    const rest = keys.length > MOST_ROWS && current !== undefined && state.timers[current] ? [String(current)] : [];
    const shown = [...new Set([...next, ...fired, ...rest])];
    this.table.empty = state.silent.includes("timers") ? NOT_TOLD : NO_TIMERS;
    this.table.show(state, pinned(shown, (key) => key === String(current)), current, keys.length);
    const { park } = state;
    const parked = park && `parked, ${park.timeout === null ? "no timeout" : `at most ${time(park.timeout)}`}`;
    const limit = armed.length ? `park: ${time(Math.max(0, state.timers[next[0]].deadline - state.at))}` : "";
    draw($("timers-note"), this.app.predict.on ? "park: ?" : parked ?? limit);
  }
}

class ReactorPanel {
  constructor(app) {
    this.app = app;
    const cells = (state, key) => {
      const [source, way] = key.split(" ");
      const it = state.sources[source]?.[way];
      if (!it) return null;
      const who = it.waits.length ? el("span", {}, ...lineChips(app, state, it.waits)) : "–";
      // Who does not tell that an attempt has blocked, does not tell whether the flag is up.
      if (state.silent.includes("sources")) return [source, way, "not told", "not told"];
      return [source, way, it.ended ? "ended" : it.ready ? "yes" : "no", who];
    };
    this.table = new Table(app, "reactor", ["socket", "to", "ready", "who waits"], "No sockets are watched.", cells);
  }

  show(state, e) {
    const keys = Object.keys(state.sources);
    const shown = pinned(keys, (key) => key === String(e?.source), MOST_ROWS / DIRECTIONS.length);
    const sides = shown.flatMap((key) => DIRECTIONS.map((way) => `${key} ${way}`));
    this.table.show(state, sides, e?.source === undefined ? undefined : `${e.source} ${e.direction ?? "read"}`, keys.length * DIRECTIONS.length);
  }
}
