// "Since when?" and "why?", asked of whatever the page says: one click asks, the next one goes to the event.

class Ask {
  constructor(app) {
    this.app = app;
    this.parent = $("ask");
    this.from = null; // what was asked about
    document.addEventListener("click", (event) => { if (!this.parent.hidden && !this.parent.contains(event.target) && event.target.closest("[data-asked]") === null) this.close(); });
  }

  // A click on something of a panel: `text` says of any state what is asked about.
  cell(event, label, text) {
    if (event.target.closest("a, button, input")) return;
    this.open(event.currentTarget, label, text);
  }

  open(node, label, text) {
    this.close();
    if (!this.app.event) return;
    const since = this.since(text);
    this.answer(node, label, since < 0 ? [el("p", {}, "It is so since before the first event.")] : this.answers("Since when?", since));
  }

  // A line of code: since when it is the one that is lit, or when it was last. `isIt` says of an event whether it lights it.
  line(node, label, isIt) {
    const { history, index } = this.app;
    this.close();
    const last = this.before(index, isIt);
    if (last < 0) {
      const first = history.events.findIndex((_, at) => isIt(at));
      const never = first < 0 ? "No event of this run is about this line." : "No event so far was about this line.";
      this.answer(node, label, [el("p", {}, never), ...(first < 0 ? [] : this.answers("The first one?", first))]);
      return;
    }
    const since = last < index ? last : this.before(index, (at) => !isIt(at)) + 1;
    this.answer(node, label, this.answers(last < index ? "When last?" : "Since when?", since));
  }

  // The last event up to this one of which that is so; -1 if there is none.
  before(index, isIt) {
    let at = index;
    while (at >= 0 && !isIt(at)) at -= 1;
    return at;
  }

  answer(node, label, parts) {
    this.from = node;
    node.setAttribute("data-asked", "");
    draw(this.parent, el("p", {}, el("b", {}, label)), ...parts);
    this.parent.hidden = false;
    const { left, bottom, top } = node.getBoundingClientRect();
    const { width, height } = this.parent.getBoundingClientRect();
    this.parent.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    this.parent.style.top = `${bottom + height + 8 < innerHeight ? bottom + 4 : Math.max(8, top - height - 4)}px`;
    this.parent.querySelector("a")?.focus();
  }

  // The event that made it so, and the reason of that; what only handed the reason on is skipped.
  answers(asked, since) {
    const { app } = this;
    const e = app.history.events[since];
    const reason = app.words.say(e).reason ?? e.cause;
    const link = (seq) => el("a", { href: `#e=${seq}`, onclick: () => this.close() }, `event ${seq}`);
    const told = (question, seq) => el("p", { key: question }, `${question} `, link(seq), `: ${app.words.text(app.history.events[seq])}`);
    const why = reason === null ? el("p", { key: "Why?" }, "Why? No event led to it: the program or the system did it.") : told("Why?", reason);
    return [told(asked, since), why];
  }

  // The event after which it is as it is now.
  since(text) {
    const { history, index } = this.app;
    const now = text(history.at(index));
    let at = index;
    while (at >= 0 && text(history.at(at - 1)) === now) at -= 1;
    history.at(index);
    return at;
  }

  close() {
    if (this.parent.hidden) return false;
    const hadFocus = this.parent.contains(document.activeElement);
    this.parent.hidden = true;
    this.from?.removeAttribute("data-asked");
    if (hadFocus && this.from?.isConnected) this.from.focus();
    this.from = null;
    return true;
  }
}
