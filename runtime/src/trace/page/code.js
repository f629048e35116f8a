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
  parts.push(line.slice(at));
  return parts;
}

class Pane {
  constructor(id, files) {
    this.parent = $(id);
    this.label = $(`${id}-file`);
    this.files = files;
    this.made = new Map();
    this.line = null;
    this.file = null;
    this.frame = 0;
  }

  lines(file) {
    let lines = this.made.get(file);
    if (!lines) {
      const text = this.files.get(file);
      const source = text ? text.replace(/\n$/, "").split("\n") : [`// the source of ${file} was not found when the page was made`];
      lines = source.map((line, index) => el("div", /^\s*trace!\(/.test(line) ? { class: "hook" } : {}, el("span", { class: "n" }, index + 1), ...coloured(line), "\n"));
      this.made.set(file, lines);
    }
    return lines;
  }

  show(place) {
    this.line?.classList.remove("lit");
    this.line = null;
    if (!place) {
      this.label.textContent = "";
      if (this.file === null) this.parent.replaceChildren(none("  no line yet"));
      return;
    }
    const [file, number] = place;
    const lines = this.lines(file);
    if (this.file !== file) {
      this.parent.replaceChildren(...lines);
      this.file = file;
    }
    this.label.textContent = `${file}, line ${number}`;
    this.label.title = this.label.textContent;
    this.line = lines[number - 1] ?? null;
    if (!this.line) return;
    this.line.classList.add("lit");
    // Once a frame, after all panels have changed: to ask for a position makes the browser lay out the page.
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.reveal());
  }

  reveal() {
    const top = this.line.offsetTop;
    const { scrollTop, clientHeight } = this.parent;
    if (top < scrollTop + 30 || top > scrollTop + clientHeight - 50) this.parent.scrollTop = top - clientHeight / 2.5;
  }
}

class Code {
  constructor(app) {
    this.app = app;
    this.program = new Pane("program", app.history.files);
    this.runtime = new Pane("runtime", app.history.files);
  }

  show(state, e) {
    this.program.show(e ? this.app.history.lines[e.seq] : this.app.history.lines[0]);
    this.runtime.show(e ? e.runtime : null);
  }
}
