// The page itself: what is shown and which task is selected; everything else follows from these two.

class App {
  constructor(data) {
    this.history = new History(data);
    this.words = new Words(data.words, this.history);
    this.index = -1;
    this.selected = null;
    document.title = `${data.title}: glassloop`;
    $("title").textContent = data.title;
    this.predict = new Predict(this);
    this.moves = new Moves(this);
    this.circle = new Circle(this);
    this.queue = new Queue(this);
    this.tasks = new Tasks(this);
    this.panels = [Code, Timers, ReactorPanel, Remote, Pool, Gathers].map((Panel) => new Panel(this));
    this.list = new EventList(this);
    this.slider = new Slider(this);
    this.linking = 0; // the timer of `link`
    window.addEventListener("hashchange", () => this.fromLink());
    document.addEventListener("click", () => this.link(), true);
    if (matchMedia("(prefers-color-scheme: dark)").matches) this.theme();
    if (!this.fromLink()) this.show();
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

  // One event on, unless the reader is to predict it first.
  step() {
    if (!this.predict.holds()) this.go(this.index + 1);
  }

  go(index, jump = false) {
    const to = Math.min(Math.max(index, -1), this.history.length - 1);
    if (to === this.index && !jump) return;
    this.index = to;
    clearTimeout(this.linking);
    this.linking = jump ? 0 : setTimeout(() => this.link(), 200);
    this.predict.leave();
    this.show();
  }

  // Something in the picture is picked: its task is selected, or no longer.
  pick(task) {
    this.select(this.selected === task ? null : task);
  }

  select(task) {
    this.selected = task;
    this.show();
  }

  show() {
    const { state, event } = this;
    this.say(event);
    this.circle.show(state, event);
    this.queue.show(state, event);
    this.tasks.show(state, event);
    for (const panel of this.panels) panel.show(state, event);
    this.list.show();
    this.slider.show();
  }

  // The sentence; everything else on the page is evidence for it.
  say(e) {
    const bold = (text) => el("b", {}, text);
    if (!e) {
      draw($("say"), this.history.length ? "Nothing has happened yet. Step on with →, or press ? for all keys." : "The trace is empty: nothing happened while it was recorded.");
      draw($("where"), "before the first of ", bold(this.history.length), " events");
      return;
    }
    const { before, because, after, reason } = this.words.say(e);
    const parts = [before];
    if (because) parts.push(" ", el("a", { href: `#e=${reason}`, title: `event ${reason}` }, because));
    draw($("say"), ...parts, after);
    draw($("where"), "event ", bold(e.seq), `/${this.history.length - 1} · turn `, bold(e.turn), " · ", bold(time(e.at)));
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
    $("stops").open = false;
    document.activeElement?.blur();
    this.select(null);
  }
}

const app = new App(JSON.parse($("data").textContent));
