// What every panel is made of. Texts of the program go into the page as text only, never as HTML.

// Of how many things a sentence speaks by name.
const FEW = 8;

const SIGNS = ["●", "■", "▲", "◆", "▼", "★", "✚", "◗"];

function $(id) {
  return document.getElementById(id);
}

// An element as it is to be: strings become text, `on…` is what a click or a change does, and by its `key` it is found
// again when it moves among its neighbours.
function el(tag, attributes = {}, ...children) {
  return { tag, attributes, children };
}

function svg(tag, attributes = {}, ...children) {
  return { tag, attributes, children, space: "http://www.w3.org/2000/svg" };
}

// Makes the children of `parent` what they are to be. Only what differs from the last time is touched, for whatever is
// left alone costs the browser nothing.
function draw(parent, ...wanted) {
  const old = parent.drawn ?? [];
  const key = (it, at) => it.attributes?.key ?? at;
  const isSame = (it, at) => at < old.length && old[at].key === key(it, at) && old[at].it.tag === it.tag;
  if (wanted.length === old.length && wanted.every(isSame)) {
    wanted.forEach((it, at) => { update(old[at].node, old[at].it, it); old[at].it = it; });
    return;
  }
  const before = new Map(old.map((child) => [child.key, child]));
  parent.drawn = wanted.map((it, at) => {
    const child = before.get(key(it, at));
    const node = child && child.it.tag === it.tag ? update(child.node, child.it, it) : update(created(it), null, it);
    return { key: key(it, at), it, node };
  });
  const kept = new Set(parent.drawn.map(({ node }) => node));
  for (const { node } of old) if (!kept.has(node)) node.remove();
  arrange(parent);
}

// Brings the children into their order, with few moves when one has moved among many.
function arrange(parent) {
  let next = parent.firstChild;
  for (const { node } of parent.drawn) {
    // What stands before its neighbour to be comes later: it is put back at its turn.
    if (next && next !== node && next.nextSibling === node) {
      next.remove();
      next = node;
    }
    if (next === node) next = next.nextSibling; else parent.insertBefore(node, next);
  }
}

function created(it) {
  if (it.tag === undefined) return document.createTextNode("");
  return it.space ? document.createElementNS(it.space, it.tag) : document.createElement(it.tag);
}

function update(node, old, it) {
  if (old === it) return node;
  if (it.tag === undefined) {
    node.data = it;
    return node;
  }
  for (const [name, value] of Object.entries(it.attributes)) {
    if (name.startsWith("on")) node[name] = value;
    else if (name !== "key" && value !== old?.attributes[name]) attribute(node, name, value);
  }
  for (const name of Object.keys(old?.attributes ?? {})) if (!(name in it.attributes)) attribute(node, name, null);
  draw(node, ...it.children);
  return node;
}

function attribute(node, name, value) {
  if (value === null || value === false) node.removeAttribute(name); else node.setAttribute(name, value);
}

// The text in an element, or in a string.
function textOf(it) {
  return it?.tag === undefined ? String(it) : it.children.map(textOf).join("");
}

function none(text) {
  return el("p", { class: "none" }, text);
}

// A task keeps its colour and its sign everywhere.
function colour(task) {
  return `t${task % 8}`;
}

function sign(task) {
  return SIGNS[Math.floor(task / 8 + task) % SIGNS.length];
}

// Its name, or in place of that a child of a gather in it.
function chip(app, task, text = app.history.name(task)) {
  return el(
    "button",
    {
      type: "button", class: `chip ${colour(task)}`, "aria-pressed": String(app.selected === task),
      title: `Select ${app.history.name(task)}`, onclick: () => app.select(app.selected === task ? null : task),
    },
    el("span", { "aria-hidden": "true" }, sign(task)), el("bdi", {}, text),
  );
}

// A part of the page that scrolls. Where it stands is kept here, for whoever asks the browser in the middle of a step makes
// it lay out everything that has changed so far.
class View {
  constructor(parent, row, moved = () => {}) {
    this.parent = parent;
    this.row = row; // the height of a row: none is shown by half at the top
    this.top = 0;
    this.height = parent.clientHeight;
    this.target = null; // where to scroll before the next frame
    // The answers are asked for right before a frame, when the page is laid out anyway.
    parent.addEventListener("scroll", () => requestAnimationFrame(() => { this.top = parent.scrollTop; moved(); }));
    new ResizeObserver(() => requestAnimationFrame(() => { this.height = parent.clientHeight; moved(); })).observe(parent);
  }

  // Scrolls so that a line is seen, with some room above and below it; `end` is where the last line ends, if that is known.
  reveal(line, above, below, end = null) {
    if (line >= this.top + above && line <= this.top + this.height - below) return;
    const top = Math.max(0, line - Math.round(this.height * 0.4 / this.row) * this.row);
    // The browser stops at the end.
    this.top = Math.min(top, end === null ? top : Math.max(0, end - this.height));
    if (this.target === null) requestAnimationFrame(() => { this.parent.scrollTop = this.target; this.target = null; });
    this.target = this.top;
  }
}

// Scrolls a panel so that what the step is about is seen. Asked right before a frame, when the page is laid out anyway.
function revealCurrent(parent) {
  requestAnimationFrame(() => {
    const current = parent.querySelector("[aria-current]");
    if (!current) return;
    const panel = parent.closest(".scroll");
    const [it, all] = [current.getBoundingClientRect(), panel.getBoundingClientRect()];
    // The head of a table stays on top.
    if (it.top >= all.top + 24 && it.bottom <= all.bottom) return;
    panel.scrollTop += it.top - all.top - Math.max(24, Math.min(all.height * 0.4, all.height - it.height - 2));
  });
}

// Of more items than are shown, those that the step is about come first.
function pinned(items, isCurrent, most = MOST_ROWS) {
  if (items.length <= most) return items;
  const late = items.slice(most).filter(isCurrent);
  return [...late, ...items.slice(0, most)].slice(0, most);
}

// The first few of many, and how many more there are.
function inShort(items, say, join = "; ", all = items.length) {
  const few = items.slice(0, FEW).map(say).join(join);
  return all > FEW ? `${few} and ${all - FEW} more` : few;
}

// Who waits: the chip of a task, and which child of which gather in it.
function whoChip(app, state, who) {
  const child = childName(state, who);
  return el("span", {}, who.task === null ? who.unnamed ? "somebody" : "outside of a task" : child ? chip(app, who.task, child) : chip(app, who.task), who.granted ? " granted" : "");
}

// Those who wait in a line.
function lineChips(app, state, line) {
  const chips = line.slice(0, MOST_ROWS).map((who) => whoChip(app, state, who));
  if (line.length > MOST_ROWS) chips.push(` and ${line.length - MOST_ROWS} more`);
  return chips;
}

function childName(state, who) {
  if (who.gather === null || who.gather === undefined) return "";
  const place = state.gathers[who.gather]?.places[who.place];
  return `child ${place ? place.child : who.place}`;
}

// Rows that are more than a table can show are counted.
const MOST_ROWS = 40;

// A table that marks the cells that changed since the last step. `cells` makes the cells of a row from the state and its
// key, and nothing where there is no such row: so any cell can be asked since when it is so. `facts` gives the texts that
// such a question is about, where a cell says more (how long it is still to go).
class Table {
  constructor(app, id, heads, empty, cells, facts = cells) {
    this.app = app;
    this.parent = $(id);
    this.heads = el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text))));
    this.names = heads;
    this.empty = empty;
    this.cells = cells;
    this.facts = facts;
    this.before = null;
  }

  // `current` is the key of the row that the step is about; `all` is how many there are, if not all of them have their keys
  // here; what stands above the table is `above`.
  show(state, keys, current, all = keys.length, above = []) {
    const now = new Map(); // key → the texts of a row
    const lines = keys.slice(0, MOST_ROWS).map((key) => {
      const cells = this.cells(state, key);
      const texts = cells.map(textOf);
      const before = this.before && (this.before.get(String(key)) ?? []);
      now.set(String(key), texts);
      const isCurrent = String(key) === String(current);
      return el("tr", { key: String(key), "aria-current": isCurrent && "step" }, ...cells.map((cell, at) => this.cell(key, at, cell, texts[at], before && before[at] !== texts[at])));
    });
    this.before = now;
    if (keys.length === 0) {
      draw(this.parent, ...above, none(this.empty));
      return;
    }
    const more = all > MOST_ROWS ? [none(`and ${all - MOST_ROWS} more`)] : [];
    draw(this.parent, ...above, el("table", {}, this.heads, el("tbody", {}, ...lines)), ...more);
    revealCurrent(this.parent);
  }

  cell(key, at, cell, text, isNew) {
    const onclick = (event) => this.app.ask.cell(event, `${this.names[at]}: ${text}`, (state) => {
      const facts = this.facts(state, key);
      return facts && textOf(facts[at]);
    });
    return el("td", { class: `${text.length <= 12 ? "short" : ""}${isNew ? " new" : ""}`, tabindex: "-1", onclick }, cell);
  }
}

// The items that come first, in order: as many as a table shows, found in one pass, for there may be very many.
function earliest(items, by) {
  const first = [];
  for (const item of items) {
    const value = by(item);
    let at = first.length;
    while (at > 0 && first[at - 1].value > value) at -= 1;
    if (at < MOST_ROWS) first.splice(at, 0, { item, value });
    if (first.length > MOST_ROWS) first.pop();
  }
  return first.map(({ item }) => item);
}
