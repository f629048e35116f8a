// Every gather as a card: how many children are done, how many remain, and what each is doing.

const MOST_CHILDREN = 40;
const MOST_CARDS = 12;
const CHILD_SIGNS = { idle: "◌", woken: "◔", polled: "▶", ended: "●", done: "✓" };
const CHILD_WORDS = { idle: "waits", woken: "woken", polled: "at poll", ended: "has ended", done: "done" };

// What a child does. One that has not ended when the gather has its result is dropped, unless it is a task: that runs on.
function outcome({ fate, form }, { state }) {
  const isOver = state === "done" || state === "ended" || fate === null;
  if (isOver || (fate === "done" && form.endsWith("_tasks"))) return CHILD_WORDS[state];
  return fate === "done" ? "is dropped" : "dropped";
}

class Gathers {
  constructor(app) {
    this.app = app;
    this.parent = $("gathers");
    this.before = new Map();
  }

  show(state, e) {
    const now = new Map();
    const at = state.children.length ? state.children[state.children.length - 1].gather : e?.gather;
    const keys = Object.keys(state.gathers).map(Number).reverse();
    const isOver = (key) => state.gathers[key].fate !== null;
    const shown = [...keys.filter((key) => !isOver(key)), ...keys.filter(isOver)];
    // Of more gathers than are shown, the one that acts comes first.
    if (shown.indexOf(at) >= MOST_CARDS) shown.unshift(...shown.splice(shown.indexOf(at), 1));
    const cards = shown.slice(0, MOST_CARDS).map((key) => this.card(key, state.gathers[key], state, at, now, e));
    if (shown.length > MOST_CARDS) cards.push(none(`and ${shown.length - MOST_CARDS} more gathers`));
    draw(this.parent, ...(cards.length ? cards : [none(state.silent.includes("gathers") ? NOT_TOLD : "No gather: no children to count.")]));
    revealCurrent(this.parent);
    this.before = now;
  }

  card(key, gather, state, at, now, e) {
    const all = total(gather);
    const left = all === null ? null : all - ended(gather);
    const of = all === null ? "" : ` of ${all}`;
    const remain = left === null ? "done; how many remain is not known" : left === 1 ? "done, 1 remains" : `done, ${left} remain`;
    const rest = gather.fate === null ? remain : gather.fate === "dropped" ? `${remain.replace(/remains?/, "dropped")}` : "done · has returned";
    const polls = `, who has polled it ${gather.polls} ${gather.polls === 1 ? "time" : "times"}`;
    const title = el("p", {}, `gather ${key}: ${gather.form}, awaited by `, whoChip(this.app, state, gather.parent), polls);
    const places = Object.keys(gather.places);
    const acts = e?.gather === key ? e.place : state.children.findLast((it) => it.gather === key)?.place;
    const isCurrent = (place) => place === String(acts);
    const ask = (label, of) => (event) => this.app.ask.cell(event, `gather ${key}: ${label}`, (state) => state.gathers[key] && of(state.gathers[key]));
    const kids = pinned(places, isCurrent, MOST_CHILDREN).map((place) => {
      const child = gather.places[place];
      const word = outcome(gather, child);
      const text = [el("b", {}, `${CHILD_SIGNS[child.state]} ${child.child}`), ` ${word}`, el("br"), `polled ${child.polls}×`];
      const id = `${key}/${place}`;
      now.set(id, text.map(textOf).join(""));
      const isNew = this.before.has(id) && this.before.get(id) !== now.get(id);
      return el("li", { key: place, class: `kid ${child.state}${isNew ? " new" : ""}`, "aria-current": isCurrent(place) && "step", tabindex: "-1", onclick: ask(`child ${child.child} ${word}`, (it) => it.places[place]?.child === child.child && it.places[place].state) }, ...text);
    });
    const list = el("ul", { class: `kids${places.length <= 4 ? " few" : ""}`, "aria-label": `children of gather ${key}` }, ...kids);
    const classes = `card${at === key && !gather.fate ? " now" : ""}${gather.fate ? " over" : ""}`;
    const more = places.length > MOST_CHILDREN ? [none(`and ${places.length - MOST_CHILDREN} more children`)] : [];
    return el("article", { key: String(key), class: classes, "aria-label": `gather ${key}` }, title,
      el("div", { class: "count", tabindex: "-1", onclick: ask(`${ended(gather)} done`, ended) }, `${ended(gather)}${of} `, el("small", {}, rest)), list, ...more);
  }
}
