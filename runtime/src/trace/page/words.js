// Every event in a sentence: the templates of words.txt, filled in.

class Words {
  constructor(text, history) {
    this.history = history;
    this.blocks = new Map();
    for (const block of text.trim().split("\n\n").slice(1)) {
      const [head, sentence, reason, woken] = block.split("\n");
      const [kind, group, ...word] = head.split(" ");
      this.blocks.set(kind, { group, word: word.join(" "), sentence, reason, woken: woken ?? reason });
    }
  }

  group(e) { return this.blocks.get(e.kind)?.group ?? "other"; }

  word(e) { return this.fill(this.blocks.get(e.kind)?.word ?? e.kind, e, ""); }

  // The sentence in three pieces: before the reason, the reason, after it; and the reason's event.
  say(e) {
    const block = this.blocks.get(e.kind);
    if (!block) return { before: e.kind, because: "", after: "", reason: null };
    const [before, after] = block.sentence.split(/\{because\}|\{woken\}/);
    const reason = after === undefined || this.field(e, "counts") ? null : this.history.reason(e, this);
    const because = reason === null ? "" : this.why(this.history.events[reason], e);
    return { before: this.fill(before, e), because, after: this.fill(after ?? "", e), reason };
  }

  // The event `e` as the reason of the event `of`.
  why(e, of) {
    const { reason, woken } = this.blocks.get(e.kind);
    const itself = e.task === of.task && e.gather === of.gather && e.place === of.place;
    return this.fill(this.blocks.get(of.kind).sentence.includes("{woken}") ? woken : reason, e, { itself, starts: of.kind.startsWith("ChildPoll") });
  }

  text(e) {
    const { before, because, after } = this.say(e);
    return before + (because ? ` ${because}` : "") + after;
  }

  fill(template, e, facts = {}) {
    return template
      .replace(/\[(!?)(\w+): ([^\]]*)\]/g, (_, not, field, text) => {
        const value = facts[field] ?? this.field(e, field);
        const there = value !== null && value !== undefined && value !== false;
        return there === (not === "") ? text : "";
      })
      .replace(/\{(\w+)\}/g, (_, field) => String(this.field(e, field) ?? "?"));
  }

  // What a field of an event is called.
  field(e, field) {
    const { history } = this;
    switch (field) {
      case "task": return history.name(e.task);
      case "before": return history.name(e.before);
      case "atpoll": return history.actors[e.seq] === null ? "the program" : history.name(history.actors[e.seq]);
      case "child": return history.children[e.seq] ?? e.place;
      case "done": return history.counts[e.seq]?.[0];
      case "remaining": return history.counts[e.seq]?.[1] ?? "an unknown number";
      case "one": return history.counts[e.seq]?.[1] === 1;
      case "ready": return e.kind === "TurnBegin" ? this.ready(history.ready[e.seq]) : e.ready;
      case "returned": return history.panics[e.seq] ? "panicked" : e.ready ? "returned Ready" : "returned Pending";
      case "for": return this.waitsFor(e);
      case "fate": return this.fate(e);
      case "in": return time(e.deadline - e.at);
      case "free": return e.room > 0;
      case "full": return e.room === 0;
      case "bysender": return e.side === "sender";
      case "jobs": return e.message === "job end";
      case "did": return { wake: "woke it", abort: "aborted it", spawn: "spawned it", "nobody outside": "has nothing more to say" }[e.message] ?? `has ended job ${e.number}`;
      case "counts": return e.kind === "ChildWoken" && e.left !== null;
      case "whose": return e.cause === null ? "a task" : history.name(history.events[e.cause].task);
      case "idle": return e.left !== null && !e.due && !history.due[e.seq];
      case "awake": return !e.due && (e.left === null || history.due[e.seq]);
      case "deadline": case "to": return e[field] === null ? null : time(e[field]);
      case "subject":
        if (e.number === null) return null;
        return e.message === "job end" ? `of job ${e.number}` : `for ${history.name(e.number)}`;
      case "parking": return this.parking(e);
      default: return e[field];
    }
  }

  // How many tasks are ready, in words.
  ready(number) {
    if (number === 0) return "nothing is ready";
    return number === 1 ? "1 task is ready" : `${number} tasks are ready`;
  }

  // What is waited for, as far as the event names it.
  waitsFor(e) {
    if (e.whom !== null) return `${this.history.name(e.whom)} to end`;
    if (e.job !== null) return `job ${e.job} to end`;
    if (e.channel !== null) return channelText(e);
    return e.what;
  }

  // How a task has ended, and who has asked for it.
  fate(e) {
    const cause = e.cause === null ? null : this.history.events[e.cause];
    if (e.how === "dropped" && cause?.kind === "TaskPanicked") return "panicked";
    if (e.how !== "aborted" || cause?.kind !== "Abort") return e.how;
    const reason = this.history.reason(cause, this);
    return reason === null ? e.how : `${e.how} ${this.fill(this.blocks.get(this.history.events[reason].kind).reason, this.history.events[reason])}`;
  }

  parking(e) {
    if (e.timeout === null) return "until an event or a wake";
    if (e.timeout === 0 && e.deadline !== 0 && e.limit !== 0) return "for no time, because a message has come";
    const why = e.deadline === e.timeout ? "until the next deadline" : "the limit that the caller set";
    return `for at most ${time(e.timeout)}, ${why}`;
  }
}
