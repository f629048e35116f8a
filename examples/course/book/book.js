"use strict";
// The book: answers stay folded until the reader opens them, what she writes is kept, and a stepper is drawn when it comes
// near.

const PREFIX = "glassloop-course/";

// In a private window there may be no store. Then nothing is kept.
const store = (act) => { try { return act(localStorage); } catch { return null; } };

const all = (selector) => [...document.querySelectorAll(selector)];

for (const question of all(".question")) {
  const key = PREFIX + question.dataset.key;
  const text = question.querySelector("textarea");
  const answer = question.querySelector("details");
  const summary = answer.querySelector("summary");
  const kept = JSON.parse(store((it) => it.getItem(key)) ?? "null") ?? { text: "", open: false };
  text.value = kept.text;
  answer.open = kept.open;
  const say = () => { summary.textContent = text.value.trim() ? "Compare with the answer" : "Show the answer without a guess"; };
  const keep = () => store((it) => it.setItem(key, JSON.stringify({ text: text.value, open: answer.open })));
  say();
  text.addEventListener("input", () => { say(); keep(); });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { answer.open = true; summary.focus(); }
  });
  answer.addEventListener("toggle", keep);
  question.forget = () => { text.value = ""; answer.open = false; say(); };
}

document.getElementById("forget").addEventListener("click", () => {
  for (const question of all(".question")) question.forget();
  // When the folds have said that they are closed, too.
  setTimeout(() => {
    store((it) => Object.keys(it).filter((key) => key.startsWith(PREFIX)).forEach((key) => it.removeItem(key)));
    document.getElementById("forgotten").textContent = "Forgotten.";
  });
});

// n and p: the next lesson, the one before.
document.addEventListener("keydown", (event) => {
  if (event.target.closest("textarea, input") || event.ctrlKey || event.metaKey || event.altKey) return;
  const way = { n: 1, p: -1 }[event.key];
  if (!way) return;
  const lessons = all("article");
  const here = lessons.filter((it) => it.getBoundingClientRect().top < 10).length - 1;
  // Inside of a lesson, p goes to its beginning.
  const inside = way < 0 && here >= 0 && lessons[here].getBoundingClientRect().top < -10;
  const to = lessons[inside ? here : here + way];
  if (!to) return;
  to.scrollIntoView();
  to.focus({ preventScroll: true });
});

// What all steppers share is there once: the page, its words, and each source.
const shared = JSON.parse(document.getElementById("shared")?.textContent ?? "null");

function draw(stepper) {
  const data = JSON.parse(stepper.querySelector("script").textContent);
  data.words = shared.words;
  data.glossary = shared.glossary;
  data.sources = data.sources.map((at) => shared.sources[at]);
  stepper.answers = (data.questions ?? []).map(([, event]) => event);
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  const [before, after] = shared.page.split("/*data*/");
  const frame = document.createElement("iframe");
  frame.title = `Steps of the program ${stepper.dataset.program}`;
  // In an address of its own: the page keeps its step there.
  frame.src = URL.createObjectURL(new Blob([before, json, after], { type: "text/html" }));
  stepper.address = frame.src;
  stepper.querySelector(".later").replaceWith(frame);
}

// An answer is shown by a step, or by a fault beside the loop as it is.
for (const button of all("button.show")) {
  button.addEventListener("click", () => {
    const { lesson, question, whatIf } = button.dataset;
    if (whatIf) {
      const fold = document.getElementById(whatIf);
      fold.open = true;
      for (const row of fold.querySelectorAll(".first")) row.closest("ol").scrollTop = row.offsetTop - 60;
      fold.scrollIntoView();
      fold.querySelector("summary").focus({ preventScroll: true });
      return;
    }
    const stepper = document.querySelector(`.stepper[data-asked="${lesson}"]`);
    if (!stepper.querySelector("iframe")) draw(stepper);
    const frame = stepper.querySelector("iframe");
    frame.src = `${stepper.address}#e=${stepper.answers[question]}`;
    stepper.scrollIntoView();
    frame.focus({ preventScroll: true });
  });
}

const observer = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    draw(target);
  }
}, { rootMargin: "600px" });
all(".stepper").forEach((stepper) => observer.observe(stepper));

document.documentElement.dataset.ready = "true";
