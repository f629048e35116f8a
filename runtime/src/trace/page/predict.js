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

  // What the next step is asked for, "queue" or "park" among others: no panel may tell it meanwhile.
  get secret() {
    const { app } = this;
    const next = app.history.events[app.index + 1];
    return this.on && next ? this.ask(app.state, next)?.about : undefined;
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

  // The question that the next event would answer: { about, text, choices, answer }, or null.
  ask(state, e) {
    const { app } = this;
    const name = (task) => app.history.name(task);
    switch (e.kind) {
      case "Pop": {
        const others = Object.keys(state.tasks).map(Number).filter((task) => !state.tasks[task].queued);
        const choices = [...new Set([e.task, ...state.queue.slice(0, 4), ...others])].slice(0, 5).sort((a, b) => a - b);
        if (choices.length < 2) return null;
        return { about: "queue", text: "Which task is polled next?", choices: choices.map(name), answer: name(e.task) };
      }
      case "PollEnd":
        return { about: "poll", text: `What does the poll of ${name(e.task)} return?`, choices: ["Ready", "Pending"], answer: e.ready ? "Ready" : "Pending" };
      case "Park": case "Jump": {
        const length = e.kind === "Park" ? e.timeout : e.to - state.at;
        const text = e.kind === "Park" ? "How long will the loop park, at most?" : "How far does the virtual clock jump?";
        const answer = length === null ? "until an event or a wake" : time(length);
        const armed = Object.values(state.timers).filter((timer) => !timer.fired).map((timer) => timer.deadline);
        // The clock goes on between two events: as the loop saw it when it looked for the next deadline.
        const now = e.kind === "Park" && e.deadline !== null ? Math.min(...armed) - e.deadline : state.at;
        const timers = armed.sort((a, b) => a - b).slice(0, 2).map((deadline) => time(Math.max(0, deadline - now)));
        const choices = [...new Set([answer, ...timers, time(0), "until an event or a wake"])].sort();
        return { about: "park", text, choices, answer };
      }
      case "ChildPollEnd": {
        const gather = state.gathers[e.gather];
        const before = gather && remaining(gather);
        if (!e.ready || before === null || before === undefined) return null;
        const answer = String(before - 1);
        const choices = [...new Set([answer, String(before), String(Math.max(0, before - 2)), String(gather.done)])].sort((a, b) => a - b);
        return { about: "children", text: `Child ${app.history.children[e.seq]} of gather ${e.gather} ends. How many remain?`, choices, answer };
      }
      default: return null;
    }
  }

  // Before a step: true if a question keeps it.
  holds() {
    const { app } = this;
    const next = app.history.events[app.index + 1];
    if (!this.on || !next || this.question) return this.on && Boolean(this.question);
    this.question = this.ask(app.state, next);
    if (!this.question) return false;
    const { text, choices } = this.question;
    const buttons = choices.map((choice, index) => el("button", { type: "button", onclick: () => this.answer(index) }, el("kbd", {}, index + 1), ` ${choice}`));
    draw(this.parent, el("p", { role: "status" }, text), ...buttons, el("span", {}, this.score()));
    return true;
  }

  answer(index) {
    const { choices, answer } = this.question;
    if (choices[index] === undefined) return;
    const right = choices[index] === answer;
    this.asked += 1;
    this.right += right ? 1 : 0;
    this.question = null;
    this.app.go(this.app.index + 1);
    this.say(el("span", { class: right ? "right" : "wrong" }, right ? `✓ Right: ${answer}. ` : `✗ No: ${answer}. `), "Step on with →.");
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
