// What other threads have to do with the loop: the remote queue and the blocking pool; and the semaphores' lines.

class Remote {
  constructor(app) {
    this.app = app;
    this.table = new Table("remote", ["message", "for", "from"], "The remote queue is empty.");
  }

  show(state, e) {
    const { length } = state.remote;
    const last = e?.kind === "RemoteSent" ? length - 1 : undefined;
    const places = Array.from({ length: Math.min(length, MOST_ROWS) }, (_, place) => place);
    this.table.show(last >= MOST_ROWS ? [last, ...places] : places, (place) => {
      const { message, number, thread } = state.remote[place];
      const subject = number === null ? "" : message === "job end" ? `job ${number}` : chip(this.app, number);
      return [place, [message, subject, thread]];
    }, last, length);
  }
}

class Pool {
  constructor(app) {
    this.app = app;
    this.table = new Table("pool", ["job, semaphore", "who"], "The pool has no job, and there is no semaphore.");
  }

  show(state, e) {
    const { app } = this;
    const jobs = pinned(Object.keys(state.jobs), (key) => key === String(e?.job));
    const semaphores = pinned(Object.keys(state.semaphores), (key) => key === String(e?.semaphore));
    const current = e?.job !== undefined ? `j${e.job}` : e?.semaphore !== undefined ? `s${e.semaphore}` : undefined;
    const job = (key) => {
      const { thread, who } = state.jobs[key];
      return [`j${key}`, [`job ${key}: ${thread ? `runs on ${thread}` : "in line"}`, whoChip(app, who)]];
    };
    const semaphore = (key) => {
      const { free, line } = state.semaphores[key];
      const waiting = line.length ? el("span", {}, "in line: ", ...lineChips(app, line)) : "nobody in line";
      return [`s${key}`, [`semaphore ${key}${free === null ? "" : `: ${free} free`}`, waiting]];
    };
    const rows = [...jobs.map(job), ...semaphores.map(semaphore)];
    const all = Object.keys(state.jobs).length + Object.keys(state.semaphores).length;
    this.table.show(pinned(rows, ([key]) => key === current), (row) => row, current, all);
  }
}
