// The list of events with their reasons. However long it is, only the rows that are seen exist.

// Heights of a row in pixels: in one column, and in two.
const ROW = 19;
const LOW_ROW = 17;
// Breakpoints that are offered at once; of more tasks those that are searched for.
const MOST_STOPS = 60;

class EventList {
  constructor(app) {
    this.app = app;
    this.space = document.createElement("div");
    $("events").append(this.space);
    this.view = new View($("events"), ROW, () => this.draw());
    this.wanted = null; // the events that the filter finds, or null: there is no filter
    this.isFolded = true; // whether only beats are listed, and what rides along where it was opened
    this.opened = new Set(); // the beats whose riders are listed
    this.said = new Map(); // the cells of the rows that are shown
    this.text = null; // what the filter searches, made when it is first used
    this.rows = [];
    this.shape(1, 1);
    this.list();
    $("filter").addEventListener("input", () => this.filter($("filter").value));
    $("all").addEventListener("change", () => { this.isFolded = !$("all").checked; this.opened.clear(); this.list(); app.show(); });
    this.stops();
  }

  filter(words) {
    const { app } = this;
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    this.text ??= app.history.events.map((e) => `${e.kind} ${app.words.word(e)} ${app.words.group(e)} ${app.words.text(e)}`.toLowerCase());
    const found = app.history.events.map((e) => e.seq).filter((seq) => wanted.every((word) => this.text[seq].includes(word)));
    this.wanted = wanted.length ? found : null;
    this.list();
    app.show();
  }

  // What the arrow goes through: what the filter finds, or the beats.
  get stations() {
    return this.wanted ?? this.app.history.beats;
  }

  // The events that are listed.
  list() {
    const { beats, length } = this.app.history;
    const all = () => Array.from({ length }, (_, seq) => seq);
    const withRiders = (beat, at) => this.opened.has(beat) ? Array.from({ length: beat - (beats[at - 1] ?? -1) }, (_, n) => (beats[at - 1] ?? -1) + 1 + n) : beat;
    this.rows = this.wanted ?? (!this.isFolded ? all() : this.opened.size ? beats.flatMap(withRiders) : beats);
    this.arrange();
  }

  // How many rows there are from top to bottom, and in how many columns they are to stand.
  shape(rows, columns) {
    this.high = rows;
    this.columns = columns;
    document.documentElement.style.setProperty("--rows", rows);
    document.documentElement.style.setProperty("--row", `${this.rowHeight}px`);
    this.view.row = this.rowHeight;
    this.arrange();
  }

  get rowHeight() {
    return this.columns === 2 ? LOW_ROW : ROW;
  }

  // A short list stands in two columns, so that no row of it is hidden. A longer one, as when all events are listed, is
  // scrolled in one.
  arrange() {
    const isSplit = this.columns === 2 && this.rows.length <= 2 * this.high;
    if (isSplit !== this.isSplit) this.said.clear();
    this.isSplit = isSplit;
    $("events").classList.toggle("split", this.isSplit);
    this.space.style.height = `${(this.isSplit ? this.high : this.rows.length) * this.rowHeight}px`;
  }

  // The beat that an event is, or rides along with.
  beatOf(seq) {
    const { beats } = this.app.history;
    return beats[upTo(beats, seq - 1)];
  }

  // How many events ride along with a beat.
  riders(beat) {
    const { beats } = this.app.history;
    return beat - (beats[upTo(beats, beat) - 2] ?? -1) - 1;
  }

  toggle(beat) {
    if (!this.opened.delete(beat)) this.opened.add(beat);
    this.list();
    this.app.show();
  }

  show() {
    const { app } = this;
    const { index } = app;
    // Where one stands is listed, too.
    const beat = this.wanted === null && this.isFolded && index >= 0 ? this.beatOf(index) : index;
    if (beat !== index && !this.opened.has(beat)) { this.opened.add(beat); this.list(); }
    const { length } = this.rows;
    const note = this.wanted ? `match ${upTo(this.wanted, index)} of ${this.wanted.length}` : length < app.history.length ? `${length} of ${app.history.length}: the others ride along` : app.history.length;
    draw($("events-note"), note);
    // The row before the first one that comes later.
    const row = this.rowHeight;
    if (!this.isSplit) this.view.reveal(Math.max(0, this.after(index) - 1) * row, row, 3 * row, length * row);
    this.draw();
  }

  // How many rows are not after this event.
  after(index) {
    return upTo(this.rows, index);
  }

  // The row so many rows away: keys go through the list.
  away(rows) {
    const at = upTo(this.rows, this.app.index) - 1;
    return this.rows[Math.max(0, Math.min(at + rows, this.rows.length - 1))] ?? this.app.index;
  }

  draw() {
    const { app } = this;
    const { top, height } = this.isSplit ? { top: 0, height: this.rows.length * this.rowHeight } : this.view;
    const row = this.rowHeight;
    const last = Math.min(this.rows.length, Math.ceil((top + height) / row) + 3);
    const first = Math.max(0, Math.min(Math.floor(top / row), last - Math.ceil(height / row)) - 3);
    const shown = this.rows.slice(first, last).filter((seq) => !app.predict.hides(seq));
    const { events } = app.history;
    this.outside(top, height);
    this.said = new Map(shown.map((seq) => [seq, this.said.get(seq) ?? this.cells(events[seq])]));
    // Which of the rows is the one, for whoever hears the list.
    const isShown = shown.includes(app.index);
    attribute($("events"), "aria-activedescendant", isShown && `event-${app.index}`);
    draw(this.space, ...shown.map((seq, index) => this.row(events[seq], first + index, this.said.get(seq))));
  }

  // No row is hidden in silence: how many are above the first one that is seen, and below the last one.
  outside(top, height) {
    const above = Math.min(Math.ceil(top / this.rowHeight), this.rows.length);
    const below = Math.max(0, this.rows.length - above - Math.floor(height / this.rowHeight));
    const parts = [above && `${above} above`, below && `${below} below`].filter(Boolean);
    draw($("events-hidden"), parts.length ? parts.join(", ") : "all are shown");
  }

  row(e, position, cells) {
    const { app } = this;
    const task = app.history.actors[e.seq];
    const isRight = this.isSplit && position >= this.high;
    const classes = ["row", isRight ? "right" : "", e.seq === app.index ? "at" : "", e.seq > app.index ? "later" : "", this.isBeat(e.seq) ? "" : "rider"];
    if (task !== null) classes.push(colour(task));
    if (task !== null && task === app.selected) classes.push("mine");
    const attributes = {
      key: String(e.seq), id: `event-${e.seq}`, class: classes.join(" "), role: "option", "aria-selected": String(e.seq === app.index), style: `top:${(isRight ? position - this.high : position) * this.rowHeight}px`,
      onclick: (event) => { if (!event.target.closest("a, button")) app.jump(e.seq); },
    };
    return el("div", attributes, this.fold(e), ...cells);
  }

  isBeat(seq) {
    return this.beatOf(seq) === seq;
  }

  // The button that lists what rides along with a beat.
  fold(e) {
    const riders = this.wanted === null && this.isFolded && this.isBeat(e.seq) ? this.riders(e.seq) : 0;
    if (!riders) return el("span");
    const isOpen = this.opened.has(e.seq);
    const title = isOpen ? "Fold what rides along" : `List the ${riders} events that ride along`;
    return el("button", { type: "button", tabindex: "-1", class: "fold", title, "aria-expanded": String(isOpen), onclick: () => this.toggle(e.seq) }, `${isOpen ? "−" : "+"}${riders}`);
  }

  // What is said of an event is always the same.
  cells(e) {
    const { words, history } = this.app;
    const { before, because, after, reason } = words.say(e);
    const task = history.actors[e.seq];
    const whose = task === null ? el("span") : el("span", { class: "whose", title: history.name(task) }, sign(task));
    const to = (text) => el("a", { href: `#e=${reason}`, title: words.text(history.events[reason]) }, text);
    // In two columns the reason in the sentence is the link.
    const sentence = this.isSplit && because ? [before, " ", to(because), after] : [words.text(e)];
    const link = reason === null || this.isSplit ? el("span") : to(`because ${reason}`);
    return [
      el("span", {}, e.seq), el("span", {}, `turn ${e.turn}`), el("span", {}, time(e.at)), whose, el("b", {}, words.word(e)), el("span", { title: words.text(e) }, ...sentence), link,
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
