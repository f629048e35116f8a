// Timers and the reactor: what the loop waits for when nothing is ready.

class Timers {
  constructor(app) {
    this.app = app;
    this.table = new Table("timers", ["timer", "at", "wakes"], "No timers: park would last until an event or a wake.");
  }

  show(state) {
    const armed = Object.entries(state.timers).filter(([, timer]) => !timer.fired);
    armed.sort(([, a], [, b]) => a.deadline - b.deadline);
    const fired = Object.entries(state.timers).filter(([, timer]) => timer.fired);
    const row = ([key, timer]) => [key, [key, timer.fired ? "fired" : time(timer.deadline), whoChip(this.app, timer.who)]];
    this.table.show([...armed, ...fired], row);
    const note = $("timers-note");
    if (state.park) note.textContent = `parked, ${state.park.timeout === null ? "no timeout" : `at most ${time(state.park.timeout)}`}`;
    else note.textContent = armed.length ? `park: ${time(Math.max(0, armed[0][1].deadline - state.at))}` : "";
  }
}

class ReactorPanel {
  constructor(app) {
    this.app = app;
    this.table = new Table("reactor", ["token", "interest", "ready", "who waits"], "No sockets: nothing but a ring could end a park early.");
  }

  show(state) {
    const sides = Object.entries(state.sources).flatMap(([key, source]) => DIRECTIONS.map((way) => [key, source, way]));
    this.table.show(sides, ([key, source, way]) => {
      const { ready, ended, waits: line } = source[way];
      const who = line.length ? el("span", {}, ...line.map((it) => whoChip(this.app, it))) : "–";
      return [`${key}${way}`, [key, way, ended ? "yes, ended" : ready ? "yes" : "no", who]];
    });
  }
}
