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
    const jobs = Object.entries(state.jobs).map(([key, job]) => {
      return [`j${key}`, [`job ${key}`, job.thread ? `runs on ${job.thread}` : "in line", whoChip(app, job.who)]];
    });
    const semaphores = Object.entries(state.semaphores).map(([key, it]) => {
      const line = it.line.length ? el("span", {}, "in line: ", ...it.line.map((who) => whoChip(app, who))) : "nobody in line";
      return [`s${key}`, [`semaphore ${key}`, it.free === null ? "" : `${it.free} free`, line]];
    });
    this.table.show([...jobs, ...semaphores], (row) => row);
  }
}
