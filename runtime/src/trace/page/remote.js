// What other threads have to do with the loop: the remote queue and the blocking pool; and the semaphores' lines.

class Remote {
  constructor(app) {
    this.app = app;
    this.table = new Table("remote", ["message", "for", "from thread"], "The remote queue is empty: no other thread has sent a message.");
  }

  show(state) {
    this.table.show(state.remote, ({ message, number, thread }, index) => {
      const subject = number === null ? "" : message === "job end" ? `job ${number}` : chip(this.app, number);
      return [index, [message, subject, thread]];
    });
  }
}

class Pool {
  constructor(app) {
    this.app = app;
    this.table = new Table("pool", ["pool, semaphores", "state", "who"], "The pool has no job; there is no semaphore.");
  }

  show(state) {
    const { app } = this;
    const jobs = Object.keys(state.jobs);
    const semaphores = Object.keys(state.semaphores);
    const job = (key) => {
      const { thread, who } = state.jobs[key];
      return [`j${key}`, [`job ${key}`, thread ? `runs on ${thread}` : "in line", whoChip(app, who)]];
    };
    const semaphore = (key) => {
      const { free, line } = state.semaphores[key];
      const waiting = line.length ? el("span", {}, "in line: ", ...lineChips(app, line)) : "nobody in line";
      return [`s${key}`, [`semaphore ${key}`, free === null ? "" : `${free} free`, waiting]];
    };
    const rows = [...jobs.slice(0, MOST_ROWS).map(job), ...semaphores.slice(0, MOST_ROWS).map(semaphore)];
    this.table.show(rows, (row) => row, jobs.length + semaphores.length);
  }
}
