// The list of events with their reasons. However long it is, only the rows that are seen exist.

const ROW = 22;

class EventList {
  constructor(app) {
    this.app = app;
    this.parent = $("events");
    this.space = el("div", { style: "position:relative" });
    this.parent.append(this.space);
    this.rows = app.history.events.map((e) => e.seq);
    this.text = null; // what the filter searches, made when it is first used
    this.parent.addEventListener("scroll", () => this.draw());
    $("filter").addEventListener("input", () => this.filter($("filter").value));
    new ResizeObserver(() => requestAnimationFrame(() => this.draw())).observe(this.parent);
    this.stops();
  }

  filter(words) {
    const { app } = this;
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    this.text ??= app.history.events.map((e) => `${e.kind} ${app.words.word(e)} ${app.words.group(e)} ${app.words.text(e)}`.toLowerCase());
    this.rows = app.history.events.map((e) => e.seq).filter((seq) => wanted.every((word) => this.text[seq].includes(word)));
    this.show(true);
  }

  show(moved = true) {
    const { app } = this;
    const filtered = this.rows.length < app.history.length ? `${this.rows.length} of ${app.history.length}` : `${app.history.length}`;
    $("events-note").textContent = filtered;
    this.space.style.height = `${this.rows.length * ROW}px`;
    if (moved) {
      // The row before the first one that comes later.
      const at = Math.max(0, this.after(app.index) - 1) * ROW;
      const { scrollTop, clientHeight } = this.parent;
      if (at < scrollTop + ROW || at > scrollTop + clientHeight - 3 * ROW) this.parent.scrollTop = at - clientHeight / 2;
    }
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
    const first = Math.max(0, Math.floor(this.parent.scrollTop / ROW) - 3);
    const last = Math.min(this.rows.length, first + Math.ceil(this.parent.clientHeight / ROW) + 6);
    const shown = this.rows.slice(first, last).filter((seq) => !app.predict.hides(seq));
    this.space.replaceChildren(...shown.map((seq, index) => this.row(app.history.events[seq], first + index)));
  }

  row(e, position) {
    const { app } = this;
    const said = app.words.say(e);
    const task = app.history.actors[e.seq];
    const classes = ["row", e.seq === app.index ? "at" : "", e.seq > app.index ? "later" : ""];
    if (task !== null && task === app.selected) classes.push("mine", colour(task));
    const link = said.reason === null ? el("span") : el("a", { href: `#e=${said.reason}`, title: app.words.text(app.history.events[said.reason]) }, `because ${said.reason}`);
    const row = el("div", { class: classes.join(" "), role: "option", "aria-selected": String(e.seq === app.index), style: `top:${position * ROW}px` },
      el("span", {}, e.seq), el("span", {}, `turn ${e.turn}`), el("span", {}, time(e.at)), el("b", {}, app.words.word(e)), el("span", {}, app.words.text(e)), link);
    row.addEventListener("click", (event) => { if (event.target.tagName !== "A") app.go(e.seq); });
    return row;
  }

  // The breakpoints: kinds and tasks.
  stops() {
    const { app } = this;
    const box = (name, label) => {
      const input = el("input", { type: "checkbox" });
      input.addEventListener("change", () => { app.moves.toggleStop(name, input.checked); this.countStops(); });
      return el("label", {}, input, ` ${label}`);
    };
    const kinds = [...new Set(app.history.events.map((e) => e.kind))];
    const tasks = Object.keys(app.history.names).slice(0, 60);
    $("stops-list").append(
      el("p", { class: "none" }, "Space runs to the next event of a marked kind or task."),
      ...kinds.map((kind) => box(`kind ${kind}`, kind)), ...tasks.map((task) => box(`task ${task}`, app.history.name(task))),
    );
    this.countStops();
  }

  countStops() {
    const { size } = this.app.moves.stops;
    $("stops-count").textContent = size ? `(${size})` : "";
  }
}
