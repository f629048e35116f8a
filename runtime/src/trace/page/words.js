// Every event in a sentence: the templates of words.txt, filled in.

class Words {
  constructor(text, history) {
    this.history = history;
    this.blocks = new Map();
    for (const block of text.trim().split("\n\n").slice(1)) {
      const [head, sentence, reason] = block.split("\n");
      const [kind, group, ...word] = head.split(" ");
      this.blocks.set(kind, { group, word: word.join(" "), sentence, reason });
    }
  }

  group(e) { return this.blocks.get(e.kind)?.group ?? "other"; }

  word(e) { return this.fill(this.blocks.get(e.kind)?.word ?? e.kind, e, ""); }

  // The sentence in three pieces: before the reason, the reason, after it; and the reason's event.
  say(e) {
    const block = this.blocks.get(e.kind);
    if (!block) return { before: e.kind, because: "", after: "", reason: null };
    const [before, after] = block.sentence.split("{because}");
    const reason = after === undefined ? null : this.history.reason(e, this);
    const because = reason === null ? "" : this.why(this.history.events[reason]);
    return { before: this.fill(before, e), because, after: this.fill(after ?? "", e), reason };
  }

  why(e) { return this.fill(this.blocks.get(e.kind).reason, e); }

  text(e) {
    const { before, because, after } = this.say(e);
    return before + (because ? ` ${because}` : "") + after;
  }

  fill(template, e) {
    return template
      .replace(/\[(!?)(\w+): ([^\]]*)\]/g, (_, not, field, text) => {
        const value = this.field(e, field);
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
      case "atpoll": return history.actors[e.seq] === null ? "the program" : history.name(history.actors[e.seq]);
      case "child": return history.children[e.seq] ?? e.place;
      case "done": return history.counts[e.seq]?.[0];
      case "remaining": return history.counts[e.seq]?.[1] ?? "an unknown number";
      case "one": return history.counts[e.seq]?.[1] === 1;
      case "deadline": case "to": return e[field] === null ? null : time(e[field]);
      case "subject":
        if (e.number === null) return null;
        return e.message === "job end" ? `of job ${e.number}` : `for ${history.name(e.number)}`;
      case "parking": return this.parking(e);
      default: return e[field];
    }
  }

  parking(e) {
    if (e.timeout === null) return "until an event or a wake";
    if (e.timeout === 0 && e.deadline !== 0 && e.limit !== 0) return "for no time, because a message has come";
    const why = e.deadline === e.timeout ? "until the next deadline" : "the limit that the caller set";
    return `for at most ${time(e.timeout)}, ${why}`;
  }
}
