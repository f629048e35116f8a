// The map of the run: tall marks are turns, short ones events, the selected task's events in its colour.

class Slider {
  constructor(app) {
    this.app = app;
    this.input = $("slider");
    this.canvas = $("map");
    this.width = 0;
    this.drawn = ""; // for which size, theme, task and scale the marks stand there
    this.byTime = false;
    this.input.max = String(app.history.length - 1);
    this.input.addEventListener("input", () => app.go(this.index(Number(this.input.value))));
    $("scale").addEventListener("click", () => this.toggle());
    new ResizeObserver(() => requestAnimationFrame(() => this.resize())).observe(this.canvas);
  }

  // By events, or by time: then a long poll is long.
  toggle() {
    this.byTime = !this.byTime;
    $("scale").textContent = this.byTime ? "by time" : "by events";
    this.show();
  }

  // Which event a place of the slider stands for. It has as many places as there are events; by time the last event that
  // is not later counts.
  index(place) {
    const { events, length } = this.app.history;
    if (!this.byTime || place < 0) return place;
    const at = this.from + (place + 1) / length * this.span;
    let [low, high] = [0, length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (events[middle].at <= at) low = middle + 1; else high = middle;
    }
    return low - 1;
  }

  get from() { return this.app.history.events[0]?.at ?? 0; }

  get span() { return Math.max(1, (this.app.history.events[this.app.history.length - 1]?.at ?? 0) - this.from); }

  resize() {
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.show();
  }

  show() {
    const { app } = this;
    const e = app.event;
    if (!this.byTime) this.input.value = String(app.index);
    this.input.setAttribute("aria-valuetext", e ? `event ${e.seq}, ${app.words.word(e)}` : "before the first event");
    $("thumb").style.transform = `translateX(${this.x(app.index)}px)`;
    this.draw();
  }

  // The marks stay the same from step to step.
  draw() {
    const { app, width, height, canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const drawn = [width, height, scale, app.selected, this.byTime, document.documentElement.dataset.theme].join();
    if (!width || !height || drawn === this.drawn) return;
    this.drawn = drawn;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const style = getComputedStyle(document.documentElement);
    const paint = (name) => style.getPropertyValue(name).trim();
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const base = height - 5;
    const mark = (top, fill, isIt) => {
      pen.fillStyle = fill;
      let before = -1;
      for (const e of app.history.events) {
        if (!isIt(e)) continue;
        const at = Math.round(this.x(e.seq)); // A mark a pixel is enough.
        if (at !== before) pen.fillRect(at, base - top, 1.2, top);
        before = at;
      }
    };
    mark(6, paint("--line"), () => true);
    mark(20, paint("--soft"), (e) => e.kind === "TurnBegin");
    // A long poll is a bar from its beginning to its end.
    pen.fillStyle = paint("--c2");
    for (const { begin, end } of app.history.polls) pen.fillRect(this.x(begin), 1, Math.max(4, this.x(end) - this.x(begin)), 5);
    if (app.selected !== null) mark(12, paint(`--c${app.selected % 8}`), (e) => app.history.actors[e.seq] === app.selected);
    pen.fillStyle = paint("--line");
    pen.fillRect(0, base, width, 1);
  }

  x(seq) {
    const { events, length } = this.app.history;
    const share = !this.byTime ? (seq + 1) / Math.max(1, length) : seq < 0 ? 0 : (events[seq].at - this.from) / this.span;
    return 6 + share * Math.max(0, this.width - 12);
  }
}
