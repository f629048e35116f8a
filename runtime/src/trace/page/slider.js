// The map of the run: tall marks are turns, short ones events, the selected task's events in its colour.

class Slider {
  constructor(app) {
    this.app = app;
    this.input = $("slider");
    this.canvas = $("map");
    this.input.max = String(app.history.length - 1);
    this.input.addEventListener("input", () => app.go(Number(this.input.value)));
    new ResizeObserver(() => requestAnimationFrame(() => this.draw())).observe(this.canvas);
  }

  show() {
    const { app } = this;
    this.input.value = String(app.index);
    const e = app.event;
    this.input.setAttribute("aria-valuetext", e ? `event ${e.seq}, ${app.words.word(e)}` : "before the first event");
    this.draw();
  }

  // The marks stay the same from step to step: they are drawn once for a size, a theme and a task.
  marks(width, height, scale, paint) {
    const { app } = this;
    const key = [width, height, scale, app.selected, document.documentElement.dataset.theme].join();
    if (this.key === key) return this.drawn;
    this.key = key;
    this.drawn = Object.assign(document.createElement("canvas"), { width: width * scale, height: height * scale });
    const pen = this.drawn.getContext("2d");
    pen.scale(scale, scale);
    const base = height - 5;
    const mark = (top, fill, isIt) => {
      pen.fillStyle = fill;
      let before = -1;
      for (const e of app.history.events) {
        if (!isIt(e)) continue;
        const at = Math.round(this.x(e.seq, width)); // A mark a pixel is enough.
        if (at !== before) pen.fillRect(at, base - top, 1.2, top);
        before = at;
      }
    };
    mark(6, paint("--line"), () => true);
    mark(20, paint("--soft"), (e) => e.kind === "TurnBegin");
    if (app.selected !== null) mark(12, paint(`--c${app.selected % 8}`), (e) => app.history.actors[e.seq] === app.selected);
    pen.fillStyle = paint("--line");
    pen.fillRect(0, base, width, 1);
    return this.drawn;
  }

  x(seq, width) {
    return 6 + ((seq + 1) / Math.max(1, this.app.history.length)) * (width - 12);
  }

  draw() {
    const { app, canvas } = this;
    const [width, height, scale] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
    if (!width || !height) return;
    const style = getComputedStyle(document.documentElement);
    const paint = (name) => style.getPropertyValue(name).trim();
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.drawImage(this.marks(width, height, scale, paint), 0, 0);
    pen.scale(scale, scale);
    const [at, base] = [this.x(app.index, width), height - 5];
    pen.fillStyle = paint("--accent");
    pen.fillRect(at - 1, base - 22, 2, 22);
    pen.beginPath();
    pen.arc(at, base, 5, 0, 7);
    pen.fill();
  }
}
