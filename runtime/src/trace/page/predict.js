// Predict before you look: before a step whose outcome the loop's rules decide, the page asks for it. The answers are in
// the trace, so every program is a quiz.

class Predict {
  constructor(app) {
    this.app = app;
    this.on = false;
    this.right = 0;
    this.asked = 0;
    this.question = null;
    this.parent = $("quiz");
  }

  // Later events would give the answers away.
  hides(seq) {
    return this.on && seq > this.app.index;
  }

  // Whether the order of the ready queue is to be found out.
  hidesQueue(state) {
    return this.on && state.queue.length > 0;
  }

  toggle() {
    this.on = !this.on;
    this.question = null;
    this.right = this.asked = 0;
    $("predict-button").setAttribute("aria-pressed", String(this.on));
    this.parent.hidden = !this.on;
    this.say("Step on with →. Before the next poll, result or park you are asked what it will be.");
    this.app.show();
  }

  // The question that stands before the event `e`: { about, text, choices, answer, rule, seen }, or null. `seen` is the event
  // at which the answer is seen, and `rule` the one of the loop that decides it.
  ask(state, e) {
    const { app } = this;
    const name = (task) => app.history.name(task);
    // Before anything of a poll is told.
    const begun = app.history.events[e.seq - 1];
    if (begun?.kind === "PollBegin") return this.askPoll(begun);
    switch (e.kind) {
      case "Pop": {
        const others = Object.keys(state.tasks).map(Number).filter((task) => !state.tasks[task].queued);
        const choices = [...new Set([e.task, ...state.queue.slice(0, 4), ...others])].slice(0, 5).sort((a, b) => a - b);
        if (choices.length < 2) return null;
        const rule = `The ready queue is first in, first out: ${name(e.task)} has been in it for the longest time${e.cause === null ? "" : `, since event ${e.cause}`}.`;
        return { about: "queue", text: "Which task is polled next?", choices: choices.map(name), answer: name(e.task), rule, seen: e.seq };
      }
      case "Park": case "Jump": {
        const length = e.kind === "Park" ? e.timeout : e.to - state.at;
        const text = e.kind === "Park" ? "How long will the loop park, at most?" : "How far does the virtual clock jump?";
        const answer = length === null ? "until an event or a wake" : time(length);
        const armed = Object.values(state.timers).filter((timer) => !timer.fired).map((timer) => timer.deadline);
        // The clock goes on between two events: as the loop saw it when it looked for the next deadline.
        const now = e.kind === "Park" && e.deadline !== null ? Math.min(...armed) - e.deadline : state.at;
        const timers = armed.sort((a, b) => a - b).slice(0, 2).map((deadline) => time(Math.max(0, deadline - now)));
        const choices = [...new Set([answer, ...timers, time(0), "until an event or a wake"])].sort();
        const rule = length === null ? "No timer is armed, so only an event or a wake ends the park." :
          length === 0 ? "The loop does not sleep: somebody waits for it, or a deadline has come." : "Nothing is ready, so the loop waits for the earliest deadline, and no longer.";
        return { about: "park", text, choices, answer, rule, seen: e.seq };
      }
      case "ChildPollEnd": {
        const gather = state.gathers[e.gather];
        const before = gather && remaining(gather);
        if (!e.ready || before === null || before === undefined) return null;
        const answer = String(before - 1);
        const choices = [...new Set([answer, String(before), String(Math.max(0, before - 2)), String(gather.done)])].sort((a, b) => a - b);
        const rule = `Each child that ends counts once: ${before} remained, and one has ended.`;
        return { about: "children", text: `Child ${app.history.children[e.seq]} of gather ${e.gather} ends. How many remain?`, choices, answer, rule, seen: e.seq };
      }
      default: return null;
    }
  }

  askPoll(begun) {
    const { events } = this.app.history;
    const end = events.slice(begun.seq).find((e) => e.kind === "PollEnd" && e.task === begun.task);
    if (!end || this.app.history.panics[end.seq]) return null;
    const rule = end.ready ? "The future has come to its end in this poll, so it has its value: that is Ready." :
      "The future has not come to its end: something that it awaits is not there yet. It has given its waker away, and returns Pending.";
    return { about: "poll", text: `What does this poll of ${this.app.history.name(begun.task)} return?`, choices: ["Ready", "Pending"], answer: end.ready ? "Ready" : "Pending", rule, seen: end.seq };
  }

  // Before a step to the event `to`: true if a question on the way keeps it. The question is asked before the event that
  // answers it.
  holds(to) {
    const { app } = this;
    if (!this.on) return false;
    if (this.question) return true;
    const { history } = app;
    const first = app.index + 1;
    for (let seq = first; seq <= to; seq += 1) {
      const question = this.ask(history.at(seq - 1), history.events[seq]);
      if (!question) continue;
      history.at(app.index);
      if (seq > first) app.go(seq - 1);
      this.question = question;
      const buttons = question.choices.map((choice, index) => el("button", { type: "button", onclick: () => this.answer(index) }, el("kbd", {}, index + 1), ` ${choice}`));
      draw(this.parent, el("p", { role: "status" }, question.text), ...buttons, el("span", {}, this.score()));
      return true;
    }
    history.at(app.index);
    return false;
  }

  answer(index) {
    const { choices, answer, rule, seen } = this.question;
    if (choices[index] === undefined) return;
    const { app } = this;
    const right = choices[index] === answer;
    this.asked += 1;
    this.right += right ? 1 : 0;
    this.question = null;
    app.go(app.index + 1);
    const [file, line] = app.history.events[seen].runtime;
    const why = right ? [] : [`${rule} It is done in `, el("a", { href: `#e=${seen}`, title: `event ${seen}` }, `${file}, line ${line}`), ". "];
    this.say(el("span", { class: right ? "right" : "wrong" }, right ? `✓ Right: ${answer}. ` : `✗ No: ${answer}. `), ...why, "Step on with →.");
  }

  say(...parts) {
    draw(this.parent, el("p", { role: "status" }, ...parts), el("span", {}, this.score()));
  }

  score() {
    return `${this.right} of ${this.asked} right`;
  }

  key(name) {
    if (!this.question || !/^[1-9]$/.test(name)) return false;
    this.answer(Number(name) - 1);
    return true;
  }

  // Whoever moves otherwise is asked no more about where they were.
  leave() {
    if (!this.question) return;
    this.question = null;
    this.say("Step on with →.");
  }
}
