// Timers and the reactor: what the loop waits for when nothing is ready.

class Timers {
  constructor(app) {
    this.app = app;
    this.table = new Table("timers", ["timer", "at", "wakes"], "No timers: park would last until an event or a wake.");
  }

  show(state, e) {
    const keys = Object.keys(state.timers);
    const fired = keys.filter((key) => state.timers[key].fired);
    const armed = keys.filter((key) => !state.timers[key].fired);
    const row = (key) => {
      const timer = state.timers[key];
      return [key, [key, timer.fired ? "fired" : time(timer.deadline), whoChip(this.app, timer.who)]];
    };
    const next = earliest(armed, (key) => state.timers[key].deadline);
    const current = e?.timer;
    const rest = keys.length > MOST_ROWS && current !== undefined && state.timers[current] ? [String(current)] : [];
    const shown = [...new Set([...next, ...fired, ...rest])];
    this.table.show(pinned(shown, (key) => key === String(current)), row, current, keys.length);
    const { park } = state;
    const parked = park && `parked, ${park.timeout === null ? "no timeout" : `at most ${time(park.timeout)}`}`;
    const isAsked = this.app.predict.secret === "park";
    draw($("timers-note"), isAsked ? "park: ?" : parked ?? (armed.length ? `park: ${time(Math.max(0, state.timers[next[0]].deadline - state.at))}` : ""));
  }
}

class ReactorPanel {
  constructor(app) {
    this.app = app;
    this.table = new Table("reactor", ["token", "interest", "ready", "who waits"], "No sockets: nothing but a ring could end a park early.");
  }

  show(state, e) {
    const keys = Object.keys(state.sources);
    const shown = pinned(keys, (key) => key === String(e?.source), MOST_ROWS / DIRECTIONS.length);
    const sides = shown.flatMap((key) => DIRECTIONS.map((way) => [key, way]));
    this.table.show(sides, ([key, way]) => {
      const { ready, ended, waits: line } = state.sources[key][way];
      const who = line.length ? el("span", {}, ...lineChips(this.app, line)) : "–";
      return [`${key}${way}`, [key, way, ended ? "ended" : ready ? "yes" : "no", who]];
    }, e?.source === undefined ? undefined : `${e.source}${e.direction ?? "read"}`, keys.length * DIRECTIONS.length);
  }
}
