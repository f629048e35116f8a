// The words of the glossary, explained where they stand: hold the pointer on one, or go to it by Tab.

class Glossary {
  constructor(app, text) {
    this.meanings = new Map((text ?? "").trim().split("\n").filter(Boolean).map((line) => {
      const [word, ...meaning] = line.split(": ");
      return [word, meaning.join(": ")];
    }));
    this.words = new Map(); // a word in one of its forms → the entry
    for (const entry of this.meanings.keys()) for (const word of entry.split(", ")) for (const form of forms(word)) if (!this.words.has(form)) this.words.set(form, entry);
    const all = [...this.words.keys()].sort((a, b) => b.length - a.length);
    this.pattern = all.length ? new RegExp(`\\b(${all.join("|")})\\b`, "gi") : null;
    this.tip = $("tip");
    const show = (event) => this.show(event.target.closest?.("dfn"));
    for (const kind of ["mouseover", "focusin"]) document.addEventListener(kind, show);
    for (const it of document.querySelectorAll("h2 > b")) {
      const parts = this.explained(it.textContent, new Set());
      it.textContent = "";
      draw(it, ...parts);
    }
  }

  // A text in which each word of the glossary is marked once; `seen` are those that were marked before.
  explained(text, seen) {
    const parts = [];
    let at = 0;
    for (const found of this.pattern ? text.matchAll(this.pattern) : []) {
      const entry = this.words.get(found[0].toLowerCase());
      if (seen.has(entry)) continue;
      seen.add(entry);
      parts.push(text.slice(at, found.index), el("dfn", { tabindex: "0", "aria-description": this.meanings.get(entry), "data-entry": entry }, found[0]));
      at = found.index + found[0].length;
    }
    parts.push(text.slice(at));
    return parts.filter((part) => part !== "");
  }

  show(word) {
    this.tip.hidden = !word;
    if (!word) return;
    const entry = word.dataset.entry;
    draw(this.tip, el("b", {}, entry), `: ${this.meanings.get(entry)}`);
    const { left, bottom } = word.getBoundingClientRect();
    this.tip.style.left = `${Math.max(8, Math.min(left, innerWidth - this.tip.offsetWidth - 8))}px`;
    this.tip.style.top = `${bottom + 4}px`;
  }
}

// The forms in which the page has a word: timer fires, is polled, was woken.
function forms(word) {
  const stem = word.endsWith("e") ? word.slice(0, -1) : word;
  const own = { wake: ["woken", "wakes"], child: ["children"], push: ["pushes"], batch: ["batches"], pop: ["pops", "popped"], main: [], call: [], check: [], edge: [] }[word];
  return own ? [word, ...own] : [word, `${word}s`, `${stem}ed`];
}
