// The page itself: what is shown and which task is selected; everything else follows from these two.

// Heights in pixels: what two panels keep, the gap between panels, a line of the sentence, what a sentence of more lines takes
// besides, the rows that the list always has, and those that stay free at its end for what rides along with a step.
const LEAST_CODE = 330;
const LEAST_CIRCLE = 226;
const GAP = 8;
const SENTENCE = 25;
const SPARE = 8;
const LEAST_ROWS = 8;
const FREE_ROWS = 1;
// So many steps are a small program: the list hides none of them. Then the width from which on two columns are no loss.
const SMALL = 28;
const WIDE = 1600;
// Where the style puts the panels below each other.
const NARROW = matchMedia("(max-width: 1080px), (max-height: 620px)");

class App {
  constructor(data) {
    this.history = new History(data);
    this.words = new Words(data.words, this.history);
    this.index = -1;
    this.selected = null;
    document.title = `${data.title}: glassloop`;
    $("title").textContent = data.title;
    this.glossary = new Glossary(this, data.glossary);
    this.predict = new Predict(this);
    this.ask = new Ask(this);
    this.moves = new Moves(this);
    this.circle = new Circle(this);
    this.panels = [Queue, Tasks, Code, Timers, ReactorPanel, Remote, Pool, Semaphores, Channels, Gathers].map((Panel) => new Panel(this));
    this.list = new EventList(this);
    this.slider = new Slider(this);
    this.about = data.about ?? [];
    this.questions = data.questions ?? [];
    this.makeRoom();
    this.linking = 0; // the timer of `link`
    window.addEventListener("hashchange", () => this.fromLink());
    document.addEventListener("click", () => this.link(), true);
    if (matchMedia("(prefers-color-scheme: dark)").matches) this.theme();
    if (!this.fromLink()) this.show();
    this.roomForEvents();
    window.addEventListener("resize", () => requestAnimationFrame(() => this.roomForEvents()));
  }

  // A panel has room for the most that it ever shows in this run, so that none moves from step to step. One that never has
  // anything to show is its title, and what would stand there.
  makeRoom() {
    const { most } = this.history;
    const rows = { queue: Math.min(most.queue, 4), timers: most.timers, reactor: 2 * most.sources + 0.5 * (most.sources > 0), semaphores: most.semaphores && most.semaphores + (most.semaphores > 1 ? 2 : 0), channels: 1.7 * most.channels, gathers: 4.2 * most.gathers, remote: most.remote, pool: most.jobs, tasks: 1.3 * most.slab + (most.gathers ? 0.7 : 0) + (this.history.hangs ? 1.9 : 0) };
    // Where nobody waits but in the queue and at timers, these stand below the circle, and the tasks have the room beside it,
    // in a column that is less wide.
    const isPlain = Object.entries(rows).every(([id, count]) => count === 0 || ["tasks", "queue", "timers"].includes(id));
    if (isPlain) rows.tasks += 0.7 * most.slab;
    for (const [id, count] of Object.entries(rows)) {
      const section = $(id).closest("section");
      // The queue and the timers are side by side: what every run has.
      const isNever = count === 0 && !["tasks", "queue", "timers"].includes(id);
      section.classList.toggle("never", isNever);
      if (isNever) $("nevers").append(section, " ");
      section.style.setProperty("--room", `${({ queue: 34, gathers: 30, tasks: 68, remote: 64, pool: 60, semaphores: 52 }[id] ?? 58) + Math.min(count, 12) * 26}px`);
    }
    if (isPlain) {
      document.querySelector(".world").classList.add("plain");
      document.querySelector(".loop").append(document.querySelector(".pair"));
      document.querySelector(".waiting").prepend(document.querySelector(".slab"));
    }
    document.querySelector(".pair").style.setProperty("--room", `${(isPlain ? 56 : 46) + Math.min(12, Math.max(rows.timers, rows.queue, 1.4)) * 26}px`);
  }

  // The list of events has a row for each step, as far as the panels above it leave room, if need be in two columns. These keep what they need: the
  // circle its picture, a table all of its rows, the code as many lines as make sense. Measured when the window changes, and
  // never at a step.
  roomForEvents() {
    const { beats } = this.history;
    // On a narrow page the panels are below each other and each has its height: nothing is given up for the list.
    if (NARROW.matches) return this.list.shape(Math.min(beats.length, 28), 1);
    const room = (panel) => (panel.id === "nevers" ? panel.offsetHeight : parseFloat(panel.style.getPropertyValue("--room")));
    const sum = (heights) => heights.reduce((sum, height) => sum + height + GAP, 0);
    const [, ...below] = document.querySelector(".loop").children;
    const waiting = [...document.querySelector(".waiting").children];
    const needs = Math.max(LEAST_CODE, LEAST_CIRCLE + sum(below.map(room)), SENTENCE + SPARE + sum(waiting.map(room)));
    // A sentence of more lines takes its room from the code and the circle, so a longer one does not count here.
    const both = document.querySelector("main").offsetHeight + $("events").offsetHeight + $("say").offsetHeight - SENTENCE;
    const rows = Math.max(LEAST_ROWS, Math.min(beats.length + FREE_ROWS, Math.floor((both - needs) / ROW)));
    const half = Math.ceil(beats.length / 2);
    // What the panels have to spare is for the rows of a small program.
    const low = Math.floor((both - needs + (beats.length <= SMALL ? SENTENCE + SPARE : 0)) / LOW_ROW);
    // On a wide page the sentences fit in two columns, and the picture gets the height.
    const isLong = beats.length > (innerWidth >= WIDE ? 2 * LEAST_ROWS : rows);
    if (isLong && half <= low) this.list.shape(Math.min(low, half + FREE_ROWS), 2); else this.list.shape(rows, 1);
    this.list.show();
  }

  get event() {
    return this.history.events[this.index] ?? null;
  }

  get state() {
    return this.history.at(this.index);
  }

  // `#e=137` is the event with that number.
  fromLink() {
    const found = /^#e=(-?\d+)$/.exec(location.hash);
    if (found) this.go(Number(found[1]), true);
    return Boolean(found);
  }

  // The address becomes the link to this event when the steps rest: browsers take their time for it, and some refuse it
  // when it comes too often. Whoever follows a link comes back to here, so then it cannot wait.
  link() {
    if (this.linking) history.replaceState(null, "", `#e=${this.index}`);
    clearTimeout(this.linking);
    this.linking = 0;
  }

  // One step on or back, to the next beat, or by one event; on the way on the reader may be asked to predict it first.
  step(direction, isEvent = false) {
    const to = isEvent ? this.index + direction : this.moves.along(this.list.stations, direction);
    // There is no beat before the first.
    const back = direction < 0 && to === this.index ? -1 : to;
    if (direction < 0 || !this.predict.holds(Math.min(to, this.history.length - 1))) this.go(this.list.wanted && !isEvent ? to : back);
  }

  go(index, jump = false) {
    const to = Math.min(Math.max(index, -1), this.history.length - 1);
    if (to === this.index && !jump) return;
    this.index = to;
    clearTimeout(this.linking);
    this.linking = jump ? 0 : setTimeout(() => this.link(), 200);
    this.predict.leave();
    this.ask.close();
    this.show();
  }

  // To somewhere else: the browser's back leads to here again.
  jump(index) {
    const to = Math.min(Math.max(index, -1), this.history.length - 1);
    if (to === this.index) return;
    clearTimeout(this.linking);
    this.linking = 0;
    // Some browsers refuse it when it comes too often: then there is one place less to go back to.
    try {
      history.replaceState(null, "", `#e=${this.index}`);
      history.pushState(null, "", `#e=${to}`);
    } catch { /* The step is made all the same. */ }
    this.go(to, true);
  }

  // Something in the picture is picked: its task is selected, or no longer, and it is asked since when it is there.
  pick(task, { what, key, station }, node) {
    this.select(this.selected === task ? null : task);
    const there = what === "slot" ? (state) => state.slab[key] === task && taskState(state, task) :
      (state) => tickets(state, null, 1e6)[station].shown.some((it) => it.id === key);
    this.ask.open(node, node.getAttribute("aria-label"), there);
  }

  select(task) {
    this.selected = task;
    this.show();
  }

  show() {
    const { state, event } = this;
    this.say(event);
    this.circle.show(state, event);
    for (const panel of this.panels) panel.show(state, event);
    this.list.show();
    this.slider.show();
  }

  // The sentence; everything else on the page is evidence for it.
  say(e) {
    const bold = (text) => el("b", {}, text);
    this.ask.close();
    this.introduce();
    if (!e) {
      const start = this.history.length ? "Nothing has happened yet. Step on with →, or press ? for all keys." : "The trace is empty: nothing happened while it was recorded.";
      draw($("say"), ...this.about.map((sentence, at) => el("span", { key: `about ${at}` }, ...this.glossary.explained(sentence, new Set()), " ")), start);
      draw($("ride"));
      draw($("where"), "before the first of ", bold(this.history.length), " events");
      return;
    }
    const { before, because, after, reason } = this.words.say(e);
    const seen = new Set();
    const parts = this.glossary.explained(before, seen);
    if (because) parts.push(" ", el("a", { href: `#e=${reason}`, title: `event ${reason}` }, because));
    const long = this.history.polls.find(({ end }) => end === e.seq);
    if (long) parts.push(...this.glossary.explained(after, seen), el("b", { class: "long" }, ` It took ${time(long.nanos)}: nobody else could run meanwhile.`));
    else parts.push(...this.glossary.explained(after, seen));
    draw($("say"), ...parts);
    this.ride(e);
    draw($("where"), "event ", bold(e.seq), `/${this.history.length - 1} · turn `, bold(e.turn), " · ", bold(time(e.at)));
  }

  // What the program is about stands before the first event; its questions, each a link to the answer, are always there.
  introduce() {
    const current = this.index;
    const link = ([text, answer], at) => el("li", { key: String(at) }, answer === null ? el("span", {}, `${text} This time it did not happen.`) : el("a", { href: `#e=${answer}`, "aria-current": answer === current && "step" }, text));
    $("questions").hidden = this.questions.length === 0;
    draw($("questions"), ...this.questions.map(link));
  }

  // What rides along with a step is told when it is asked for, in the list.
  ride(e) {
    const { list } = this;
    const riders = list && list.isBeat(e.seq) ? list.riders(e.seq) : 0;
    const text = `${riders} more ${riders === 1 ? "event leads" : "events lead"} up to it`;
    const isOpen = riders > 0 && list.opened.has(e.seq);
    draw($("ride"), ...(riders ? [el("button", { type: "button", "aria-expanded": String(isOpen), onclick: () => list.toggle(e.seq) }, `${isOpen ? "▾" : "▸"} ${text}`)] : []));
  }

  theme() {
    const root = document.documentElement;
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    this.slider?.draw();
  }

  help() {
    const sheet = $("help");
    if (sheet.open) sheet.close(); else sheet.showModal();
  }

  escape() {
    if (this.ask.close()) return;
    $("stops").open = false;
    this.glossary.show(null);
    document.activeElement?.blur();
    this.select(null);
  }
}

const app = new App(JSON.parse($("data").textContent));
