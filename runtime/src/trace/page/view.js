// What every panel is made of. Texts of the program go into the page as text only, never as HTML.

const SIGNS = ["●", "■", "▲", "◆", "▼", "★", "✚", "◗"];

function $(id) {
  return document.getElementById(id);
}

// An element with attributes and children; strings become text.
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
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

function chip(app, task) {
  return el(
    "button",
    {
      type: "button", class: `chip ${colour(task)}`, "aria-pressed": String(app.selected === task),
      title: "Select this task", onclick: () => app.select(app.selected === task ? null : task),
    },
    el("span", { "aria-hidden": "true" }, sign(task)), app.history.name(task),
  );
}

// Who waits: the chip of a task, and which child of which gather in it.
function whoChip(app, who) {
  const span = el("span", {}, who.task === null ? "outside of a task" : chip(app, who.task));
  const child = childName(app.state, who);
  if (child) span.append(` ${child}`);
  return span;
}

function childName(state, who) {
  if (who.gather === null || who.gather === undefined) return "";
  const place = state.gathers[who.gather]?.places[who.place];
  return `child ${place ? place.child : who.place}`;
}

// Rows that are more than a table can show are counted.
const MOST_ROWS = 40;

// A table that marks the cells that changed since the last step. `row` makes [key, cells] of an item.
class Table {
  constructor(id, heads, empty) {
    this.parent = $(id);
    this.heads = heads;
    this.empty = empty;
    this.before = null;
  }

  show(items, row) {
    const now = new Map();
    if (items.length === 0) {
      this.parent.replaceChildren(none(this.empty));
      this.before = now;
      return;
    }
    const body = el("tbody");
    for (const [key, cells] of items.slice(0, MOST_ROWS).map(row)) {
      const line = el("tr");
      cells.forEach((cell, column) => {
        const td = el("td", {}, cell);
        const id = `${key}/${column}`;
        now.set(id, td.textContent);
        if (td.textContent.length <= 12) td.classList.add("short");
        if (this.before && this.before.get(id) !== td.textContent) td.classList.add("new");
        line.append(td);
      });
      body.append(line);
    }
    const head = el("tr", {}, ...this.heads.map((text) => el("th", { scope: "col" }, text)));
    this.parent.replaceChildren(el("table", {}, el("thead", {}, head), body));
    if (items.length > MOST_ROWS) this.parent.append(none(`and ${items.length - MOST_ROWS} more`));
    this.before = now;
  }
}
