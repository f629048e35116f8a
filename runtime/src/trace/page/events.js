// The list of events with their reasons. However long it is, only the rows that are seen exist.

const ROW = 22;
// Breakpoints that are offered at once; of more tasks those that are searched for.
const MOST_STOPS = 60;

class EventList {
  constructor(app) {
    this.app = app;
    this.space = document.createElement("div");
    $("events").append(this.space);
    this.view = new View($("events"), ROW, () => this.draw());
    this.list(app.history.events.map((e) => e.seq));
    this.said = new Map(); // the cells of the rows that are shown
    this.text = null; // what the filter searches, made when it is first used
    $("filter").addEventListener("input", () => this.filter($("filter").value));
    this.stops();
  }

  filter(words) {
    const { app } = this;
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    this.text ??= app.history.events.map((e) => `${e.kind} ${app.words.word(e)} ${app.words.group(e)} ${app.words.text(e)}`.toLowerCase());
    this.list(app.history.events.map((e) => e.seq).filter((seq) => wanted.every((word) => this.text[seq].includes(word))));
    this.show();
  }

  // The events that are listed.
  list(rows) {
    this.rows = rows;
    this.space.style.height = `${rows.length * ROW}px`;
  }

  show() {
    const { length } = this.rows;
    const all = this.app.history.length;
    draw($("events-note"), length < all ? `${length} of ${all}` : all);
    // The row before the first one that comes later.
    this.view.reveal(Math.max(0, this.after(this.app.index) - 1) * ROW, ROW, 3 * ROW);
    this.draw();
  }

  // How many rows are not after this event.
  after(index) {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle] <= index) low = middle + 1; else high = middle;
    }
    return low;
  }

  draw() {
    const { app } = this;
    const { top, height } = this.view;
    const last = Math.min(this.rows.length, Math.ceil((top + height) / ROW) + 3);
    const first = Math.max(0, Math.min(Math.floor(top / ROW), last - Math.ceil(height / ROW)) - 3);
    const shown = this.rows.slice(first, last).filter((seq) => !app.predict.hides(seq));
    const { events } = app.history;
    this.said = new Map(shown.map((seq) => [seq, this.said.get(seq) ?? this.cells(events[seq])]));
    // Which of the rows is the one, for whoever hears the list.
    const isShown = shown.includes(app.index);
    attribute($("events"), "aria-activedescendant", isShown && `event-${app.index}`);
    draw(this.space, ...shown.map((seq, index) => this.row(events[seq], first + index, this.said.get(seq))));
  }

  row(e, position, cells) {
    const { app } = this;
    const task = app.history.actors[e.seq];
    const classes = ["row", e.seq === app.index ? "at" : "", e.seq > app.index ? "later" : ""];
    if (task !== null) classes.push(colour(task));
    if (task !== null && task === app.selected) classes.push("mine");
    const attributes = {
      key: String(e.seq), id: `event-${e.seq}`, class: classes.join(" "), role: "option", "aria-selected": String(e.seq === app.index), style: `top:${position * ROW}px`,
      onclick: (event) => { if (event.target.tagName !== "A") app.go(e.seq); },
    };
    return el("div", attributes, ...cells);
  }

  // What is said of an event is always the same.
  cells(e) {
    const { words, history } = this.app;
    const { reason } = words.say(e);
    const task = history.actors[e.seq];
    const whose = task === null ? el("span") : el("span", { class: "whose", title: history.name(task) }, sign(task));
    const link = reason === null ? el("span") : el("a", { href: `#e=${reason}`, title: words.text(history.events[reason]) }, `because ${reason}`);
    return [
      el("span", {}, e.seq), el("span", {}, `turn ${e.turn}`), el("span", {}, time(e.at)), whose, el("b", {}, words.word(e)), el("span", {}, words.text(e)), link,
    ];
  }

  // The breakpoints: the kinds and tasks whose names contain this.
  stops(part = "") {
    const { app } = this;
    const box = ([name, label]) => {
      const onchange = (event) => { app.moves.toggleStop(name, event.target.checked); this.countStops(); };
      return el("label", { key: name }, el("input", { type: "checkbox", checked: app.moves.stops.has(name) && "", onchange }), ` ${label}`);
    };
    const kinds = [...new Set(app.history.events.map((e) => e.kind))].map((kind) => [`kind ${kind}`, kind]);
    const tasks = Object.keys(app.history.names).map((task) => [`task ${task}`, app.history.name(task)]);
    const isWanted = ([, label]) => label.toLowerCase().includes(part.toLowerCase());
    const wanted = tasks.filter(isWanted);
    const more = wanted.length > MOST_STOPS ? [none(`and ${wanted.length - MOST_STOPS} more tasks: search for them`)] : [];
    draw($("stops-list"), el("p", { class: "none", key: "head" }, "Space runs to the next event of a marked kind or task. ",
      el("input", { type: "search", placeholder: "kind or task", "aria-label": "Offer only kinds and tasks that contain this", oninput: (event) => this.stops(event.target.value) })),
      ...kinds.filter(isWanted).map(box), ...wanted.slice(0, MOST_STOPS).map(box), ...more);
    this.countStops();
  }

  countStops() {
    const { size } = this.app.moves.stops;
    $("stops-count").textContent = size ? `(${size})` : "";
  }
}
