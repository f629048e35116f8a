// Two panes of source: the program's and the runtime's, each with the line of the step lit.

const KEYWORDS = new Set("as async await break const continue crate else enum false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while".split(" "));
const TOKENS = /(\/\/.*$)|("(?:[^"\\]|\\.)*"?)|('(?:[^'\\]|\\.)'|'\w+)|(\b[A-Za-z_]\w*\b)/g;

// A line in colours.
function coloured(line) {
  const parts = [];
  let at = 0;
  for (const token of line.matchAll(TOKENS)) {
    const kind = token[1] ? "c" : token[2] ? "s" : token[4] && KEYWORDS.has(token[4]) ? "k" : null;
    if (!kind) continue;
    parts.push(line.slice(at, token.index), el("span", { class: kind }, token[0]));
    at = token.index + token[0].length;
  }
  parts.push(line.slice(at), "\n");
  return parts.filter((part) => part !== "");
}

// The height of a row, as the style says it. A line that is long has several: no part of it is hidden.
const LINE = 18;

class Pane {
  // `place` says of an event which line it lights: [file, line]. `isTold`: some may light one.
  constructor(id, files, place, isTold) {
    this.place = place;
    this.view = new View($(id), LINE);
    this.label = $(`${id}-file`);
    this.files = files;
    this.made = new Map(); // file → its element, made when it is first shown
    this.file = null;      // the element that is shown
    this.line = null;      // the line that is lit
    draw(this.view.parent, none(isTold ? "  no line yet" : `  ${NOT_TOLD}`));
    this.view.parent.addEventListener("click", (event) => { if (getSelection().isCollapsed) this.ask(event.target.closest("pre > div > div")); });
    this.view.parent.addEventListener("keydown", (event) => { if (event.key === "Enter") this.ask(this.line); });
  }

  // Since when is this line lit, or when was it last, and why?
  ask(line) {
    if (!line || line.parentNode !== this.file) return;
    const number = [...this.file.childNodes].indexOf(line) + 1;
    const [name] = [...this.made].find(([, file]) => file === this.file);
    app.ask.line(line, `${name}, line ${number}`, (at) => { const place = this.place(at); return place?.[0] === name && place[1] === number; });
  }

  // A file once made stays in the page: to show it again costs no more than to uncover it.
  open(name) {
    let file = this.made.get(name);
    if (!file) {
      if (this.made.size === 0) draw(this.view.parent);
      file = document.createElement("div");
      const text = this.files.get(name);
      const source = text ? text.replace(/\n$/, "").split("\n") : [`// the source of ${name} was not found when the page was made`];
      draw(file, ...source.map((line, index) => el("div", { style: `--deep: ${Math.min(/^ */.exec(line)[0].length, 40)}ch` }, el("span", { class: "n" }, index + 1), ...coloured(line))));
      this.made.set(name, file);
      this.view.parent.append(file);
    }
    if (file === this.file) return;
    this.file?.classList.add("away");
    file.classList.remove("away");
    this.file = file;
  }

  // `isRunning` says that the code of this file is at work now; else this line is where it was last. `isTold` says that it is
  // at this very line; else it may have gone on since.
  show(place, isRunning, isTold = true) {
    this.line?.classList.remove("lit");
    this.line = null;
    const label = place ? `${place[0]}, line ${place[1]}${!isRunning ? " · at rest" : isTold ? "" : " · last seen"}` : "";
    draw(this.label, el("span", { title: label }, label));
    attribute(this.view.parent, "class", !isRunning ? "idle" : !isTold && "known");
    if (!place) return;
    this.open(place[0]);
    this.line = this.file.childNodes[place[1] - 1] ?? null;
    this.line?.classList.add("lit");
    // Asked right before a frame, when the page is laid out anyway.
    const { line } = this;
    requestAnimationFrame(() => { if (line !== null && line === this.line) this.view.reveal(line.offsetTop, 30, 30 + line.offsetHeight); });
  }
}

class Code {
  constructor(app) {
    this.app = app;
    this.program = new Pane("program", app.history.files, (at) => app.history.lines[at], !app.history.events[0]?.silent?.includes("program"));
    this.runtime = new Pane("runtime", app.history.files, (at) => app.history.events[at].runtime, true);
  }

  show(state, e) {
    const { lines, running, told } = this.app.history;
    this.program.show(e ? lines[e.seq] : lines[0], Boolean(e) && running[e.seq], Boolean(e) && told[e.seq]);
    this.runtime.show(e ? e.runtime : null, true);
  }
}
