// The map of the run: tall marks are turns, short ones events, the selected task's events in its colour.

class Slider {
  constructor(app) {
    this.app = app;
    this.input = $("slider");
    this.canvas = $("map");
    this.width = 0;
    this.drawn = ""; // for which size, theme and task the marks stand there
    this.input.max = String(app.history.length - 1);
    this.input.addEventListener("input", () => app.go(Number(this.input.value)));
    new ResizeObserver(() => requestAnimationFrame(() => this.resize())).observe(this.canvas);
  }

  resize() {
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.show();
  }

  show() {
    const { app } = this;
    const e = app.event;
    this.input.value = String(app.index);
    this.input.setAttribute("aria-valuetext", e ? `event ${e.seq}, ${app.words.word(e)}` : "before the first event");
    $("thumb").style.transform = `translateX(${this.x(app.index)}px)`;
    this.draw();
  }

  // The marks stay the same from step to step.
  draw() {
    const { app, width, height, canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const drawn = [width, height, scale, app.selected, document.documentElement.dataset.theme].join();
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
    if (app.selected !== null) mark(12, paint(`--c${app.selected % 8}`), (e) => app.history.actors[e.seq] === app.selected);
    pen.fillStyle = paint("--line");
    pen.fillRect(0, base, width, 1);
  }

  x(seq) {
    return 6 + ((seq + 1) / Math.max(1, this.app.history.length)) * Math.max(0, this.width - 12);
  }
}
