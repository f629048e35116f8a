// What other threads have to do with the loop: the remote queue and the blocking pool.

class Remote {
  constructor(app) {
    const cells = (state, place) => {
      const it = state.remote[place];
      if (!it) return null;
      const subject = it.number === null ? "" : it.message === "job end" ? `job ${it.number}` : chip(app, it.number);
      return [it.message, subject, it.thread];
    };
    this.table = new Table(app, "remote", ["message", "for", "from"], "It is empty: no messages.", cells);
  }

  show(state, e) {
    const { length } = state.remote;
    const last = e?.kind === "RemoteSent" ? length - 1 : undefined;
    const places = Array.from({ length: Math.min(length, MOST_ROWS) }, (_, place) => place);
    this.table.show(state, last >= MOST_ROWS ? [last, ...places] : places, last, length);
  }
}

class Pool {
  constructor(app) {
    const cells = (state, key) => {
      const it = state.jobs[key];
      return it ? [`job ${key}: ${it.thread ? `runs on ${it.thread}` : "in line"}`, whoChip(app, state, it.who)] : null;
    };
    this.table = new Table(app, "pool", ["job", "for"], "No job for another thread.", cells);
  }

  show(state, e) {
    const keys = Object.keys(state.jobs);
    this.table.show(state, pinned(keys, (key) => key === String(e?.job)), e?.job, keys.length);
  }
}
