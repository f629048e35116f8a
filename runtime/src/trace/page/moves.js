// How one moves through the trace: by a beat, an event, a turn, a task's polls, a gather's events, a reason, a breakpoint.

const KEYS = [
  ["ArrowRight", "→", "on by a step: the next event that shows something new, or that the filter finds", (app) => app.step(1)],
  ["ArrowLeft", "←", "back by a step", (app) => app.step(-1)],
  ["Shift+ArrowRight", "Shift →", "on by one event", (app) => app.step(1, true)],
  ["Shift+ArrowLeft", "Shift ←", "back by one event", (app) => app.step(-1, true)],
  ["]", "]", "on by a turn", (app) => app.jump(app.moves.turn(1))],
  ["[", "[", "back by a turn", (app) => app.jump(app.moves.turn(-1))],
  ["j", "j", "next poll of the selected task, or of any", (app) => app.jump(app.moves.poll(1))],
  ["k", "k", "the poll before", (app) => app.jump(app.moves.poll(-1))],
  ["g", "g", "next event of a gather", (app) => app.jump(app.moves.gather(1))],
  ["G", "G", "the gather event before", (app) => app.jump(app.moves.gather(-1))],
  ["c", "c", "go to the reason of this event", (app) => app.jump(app.moves.reason())],
  ["r", "r", "go to the root of its reasons", (app) => app.jump(app.moves.root())],
  ["Backspace", "Backspace", "back to where you jumped from, as the browser's back", () => history.back()],
  [" ", "Space", "on to the next breakpoint, or to the end", (app) => app.jump(app.moves.stop())],
  ["Home", "Home", "before the first event", (app) => app.jump(-1)],
  ["End", "End", "the last event", (app) => app.jump(app.history.length - 1)],
  ["n", "n", "the next event that the filter finds", (app) => app.moves.match(1)],
  ["N", "N", "the one before", (app) => app.moves.match(-1)],
  ["e", "e", "to the list of events: ↑ ↓ PageUp PageDown go through it, Enter goes to the reason", () => $("events").focus()],
  ["i", "i", "to the panels: Tab goes from one to the next, ↑ ↓ through what one says, Enter asks since when and why", () => $("tasks").focus()],
  ["a", "a", "list all events, or the steps only", () => $("all").click()],
  ["t", "t", "select the next task", (app) => app.select(app.moves.nextTask())],
  ["Escape", "Esc", "select no task, close what is open", (app) => app.escape()],
  ["f", "f", "filter the events", () => $("filter").focus()],
  ["b", "b", "breakpoints", () => { $("stops").open = !$("stops").open; }],
  ["s", "s", "the slider by events, or by time", (app) => app.slider.toggle()],
  ["p", "p", "predict before you look; answer with 1 to 9", (app) => app.predict.toggle()],
  ["d", "d", "light or dark", (app) => app.theme()],
  ["?", "?", "this sheet", (app) => app.help()],
];

class Moves {
  constructor(app) {
    this.app = app;
    this.stops = new Set();
    document.addEventListener("keydown", (event) => this.key(event));
    for (const button of document.querySelectorAll("[data-key]")) button.addEventListener("click", () => this.press(button.dataset.key));
    const lines = KEYS.map(([, key, text]) => [el("dt", {}, ...key.split(" ").map((part) => el("kbd", {}, part))), el("dd", {}, text)]);
    draw($("help-list"), el("dl", {}, ...lines.flat()), el("p", {}, "A link such as #e=137 opens this page at that event."));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    const typing = target.matches?.("input[type=search], textarea");
    if (typing && event.key !== "Escape") return;
    if (target.matches?.("button, summary, a, input[type=checkbox]") && [" ", "Enter"].includes(event.key)) return;
    if ($("help").open && event.key !== "?") return;
    if (target.closest?.("#events") && this.inList(event.key)) return event.preventDefault();
    if (target.closest?.(".scroll") && this.inPanel(event.key, target)) return event.preventDefault();
    const name = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
    if (this.app.predict.key(name) || this.press(name)) event.preventDefault();
  }

  // The keys of the list of events; true if this is one.
  inList(key) {
    const { app } = this;
    const page = Math.max(1, Math.floor($("events").clientHeight / app.list.rowHeight) - 1);
    const rows = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page }[key];
    if (rows !== undefined) app.go(app.list.away(rows));
    else if (key === "Enter") app.jump(this.reason());
    else return false;
    return true;
  }

  // The keys of a panel: through all that it says, and to ask about one.
  inPanel(key, target) {
    const all = [...target.closest(".scroll").querySelectorAll("[tabindex='-1'], .chip")];
    const at = all.indexOf(target);
    if (key === "ArrowDown" || key === "ArrowUp") all[Math.max(0, Math.min(at + (key === "ArrowDown" ? 1 : -1), all.length - 1))]?.focus();
    else if (key === "Enter" && at >= 0 && !target.matches("button")) target.click();
    else return false;
    return true;
  }

  // To the next event that the filter finds, in a direction.
  match(direction) {
    const { app } = this;
    app.jump(this.along(app.list.wanted ?? [], direction));
  }

  // The next of these events in a direction; where we are if there is none.
  along(list, direction) {
    const { index } = this.app;
    return list[direction > 0 ? upTo(list, index) : upTo(list, index - 1) - 1] ?? index;
  }

  press(name) {
    const found = KEYS.find(([key]) => key === name);
    if (found) found[3](this.app);
    return Boolean(found);
  }

  // The next event in a direction that is one of these; where we are if there is none.
  find(direction, isIt) {
    const { app } = this;
    for (let index = app.index + direction; index >= 0 && index < app.history.length; index += direction) {
      if (isIt(app.history.events[index])) return index;
    }
    return app.index;
  }

  turn(direction) {
    const { app } = this;
    const next = this.find(direction, (e) => e.kind === "TurnBegin");
    if (next !== app.index) return next;
    return direction > 0 ? app.history.length - 1 : -1;
  }

  poll(direction) {
    const { selected } = this.app;
    return this.find(direction, (e) => e.kind === "PollBegin" && (selected === null || e.task === selected));
  }

  gather(direction) {
    return this.find(direction, (e) => e.gather !== undefined);
  }

  reason() {
    const { app } = this;
    if (!app.event) return app.index;
    return app.words.say(app.event).reason ?? app.event.cause ?? app.index;
  }

  root() {
    const { app } = this;
    let index = app.index;
    while (index >= 0 && app.history.events[index].cause !== null) index = app.history.events[index].cause;
    return index;
  }

  stop() {
    const { app, stops } = this;
    const next = this.find(1, (e) => stops.has(`kind ${e.kind}`) || stops.has(`task ${app.history.actors[e.seq]}`));
    return next === app.index ? app.history.length - 1 : next;
  }

  toggleStop(name, on) {
    if (on) this.stops.add(name); else this.stops.delete(name);
  }

  nextTask() {
    const alive = Object.keys(this.app.state.tasks).map(Number);
    const after = alive.find((task) => this.app.selected === null || task > this.app.selected);
    return after ?? alive[0] ?? null;
  }
}
