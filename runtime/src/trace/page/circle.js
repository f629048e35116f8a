// The circle: the stations of the loop, the way that the step took, the tasks in their slots, and their tickets, which
// are what moves.

const STATIONS = {
  spawn:   { x: 6, y: 10, w: 78, h: 44, label: "spawn", number: 1 },
  queue:   { x: 112, y: 10, w: 190, h: 80, label: "ready queue", number: 2, across: 2, room: 4 },
  poll:    { x: 336, y: 10, w: 146, h: 80, label: "poll", number: 3, room: 2 },
  join:    { x: 514, y: 10, w: 100, h: 44, label: "join" },
  slots:   { x: 6, y: 102, w: 608, h: 40, label: "slots" },
  remote:  { x: 6, y: 154, w: 124, h: 42, label: "remote queue" },
  park:    { x: 6, y: 214, w: 124, h: 71, label: "park" },
  wake:    { x: 148, y: 154, w: 88, h: 131, label: "wake", number: 6, room: 2 },
  others:  { x: 252, y: 154, w: 138, h: 131, label: "kept elsewhere", room: 4 },
  reactor: { x: 402, y: 154, w: 102, h: 131, label: "reactor", number: 4, room: 4 },
  timers:  { x: 516, y: 154, w: 98, h: 131, label: "timers", number: 5, room: 4 },
};

// How a ticket goes from one station to another.
const WAYS = {
  spawn: "M84 32 H110", pop: "M302 50 H334", ready: "M482 32 H512", remote: "M122 154 V92", wake: "M192 154 V92",
  fromPoll: "M350 90 C330 120 226 112 214 152", toOthers: "M376 90 C366 120 321 120 321 152", toReactor: "M420 90 C426 120 453 120 453 152",
  toTimers: "M460 90 C470 120 565 112 565 152", fromOthers: "M321 285 V297 H192 V287", fromReactor: "M453 285 V297 H192 V287",
  fromTimers: "M565 285 V297 H192 V287", park: "M130 240 H146",
};

// The slots that are drawn at once.
const MOST_SLOTS = 6;
const SLOT = 93;

// Which ways and stations an event lights. Poll is lit while somebody is polled, and only then.
function lit(history, state, e) {
  const [ways, stations] = steps(history, e);
  return [ways, polled(state, e) === null ? stations : [...stations, "poll"]];
}

// The task that is polled, or just was.
function polled(state, e) {
  return state.poll ?? (e?.kind === "PollEnd" ? e.task : null);
}

function steps(history, e) {
  switch (e.kind) {
    case "Spawn": return [[], ["spawn", "slots"]];
    case "Push": return [[history.events[e.cause]?.kind === "Spawn" ? "spawn" : "wake"], ["queue"]];
    case "PushRefused": return [[], ["wake"]];
    case "Pop": return [["pop"], ["queue"]];
    case "PollEnd": return [e.ready ? ["ready"] : [], []];
    case "TaskEnd": return [["ready"], ["join"]];
    case "Wake": case "ChildWoken": return [[origin(history, e)], ["wake"]];
    case "TimerArmed": return [["toTimers"], ["timers"]];
    case "TimerFired": case "TimerDropped": return [[], ["timers"]];
    case "IoWaits": return [["toReactor"], ["reactor"]];
    case "IoRegistered": case "IoReady": case "IoWouldBlock": case "IoShort": case "IoLeft": case "IoDeregistered": return [[], ["reactor"]];
    case "RemoteSent": case "RemoteTaken": return [[], ["remote"]];
    case "Park": case "Jump": case "Unpark": case "Quiescent": return [[], ["park"]];
    case "PermitWaiting": case "Waits": return [["toOthers"], ["others"]];
    case "TurnBegin": return [[], ["queue"]];
    default: return [[], []];
  }
}

// The way on which a ticket, or a child's waker, comes to its wake: by what caused the wake.
function origin(history, e) {
  let cause = history.events[e.cause];
  if (cause?.kind === "ChildWoken") cause = history.events[cause.cause];
  switch (cause?.kind) {
    case "TimerFired": return "fromTimers";
    case "IoReady": return "fromReactor";
    case "Unpark": return "park";
    case "PollBegin": case "ChildPoll": return "fromPoll";
    case "RemoteTaken": return "none";
    default: return "fromOthers";
  }
}

class Circle {
  constructor(app) {
    this.app = app;
    this.root = $("circle");
    const arrow = (id, fill) => svg("marker", { id, viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 5, markerHeight: 5, orient: "auto" },
      svg("path", { d: "M0 0 L8 4 L0 8 Z", style: `fill:${fill}` }));
    this.arrows = svg("defs", {}, arrow("arrow", "var(--line)"), arrow("arrow-on", "var(--accent)"));
  }

  show(state, e) {
    const { history, predict } = this.app;
    const [ways, stations] = e ? lit(history, state, e) : [[], []];
    // Who is first in the queue, if that is to be predicted, is not told here either.
    const by = tickets(state, e, MOST_TICKETS);
    if (predict.hidesQueue(state)) by.queue = { all: by.queue.all, shown: [] };
    const paths = Object.entries(WAYS).map(([name, d]) => svg("path", { d, class: ways.includes(name) ? "way on" : "way" }));
    const boxes = Object.keys(STATIONS).map((name) => this.station(name, stations.includes(name), this.note(name, state, e), by[name]?.all ?? 0));
    draw(this.root, this.arrows, ...paths, ...boxes.flat(), ...this.slots(state, polled(state, e)), ...this.tokens(by, state));
    this.root.setAttribute("aria-label", this.inWords(by, state));
  }

  station(name, isOn, note, count) {
    const it = STATIONS[name];
    const on = isOn ? " on" : "";
    const left = it.room ? count - it.room : 0;
    const more = left > 999 ? ` +${Math.round(left / 1000)}k` : left > 0 ? ` +${left}` : "";
    const label = name === "slots" ? { x: it.x + 8, y: it.y + 24 } : { x: it.x + 9, y: it.y + 17 };
    const parts = [
      svg("rect", { x: it.x, y: it.y, width: it.w, height: it.h, rx: 8, class: `st${on}`, "data-station": name }),
      svg("text", { ...label, class: "lab" }, it.label + more),
      svg("text", { x: it.x + 9, y: it.y + it.h - 8, class: "note", ...(note ? this.asked(name, note) : {}) }, note),
    ];
    if (!it.number) return parts;
    const [x, y] = [it.x + it.w - 12, it.y + 4];
    return [...parts, svg("circle", { cx: x, cy: y, r: 9, class: `dot${on}` }), svg("text", { x, y: y + 3.8, class: "num" }, it.number)];
  }

  // A task stays in its slot from its spawn to its end. Of more slots than are drawn, the polled and the selected come first.
  slots(state, front) {
    const { app } = this;
    const slots = Object.keys(state.slab).map(Number);
    const isWanted = (slot) => state.slab[slot] === front || state.slab[slot] === app.selected;
    const shown = pinned(slots, isWanted, MOST_SLOTS).sort((a, b) => a - b);
    const drawn = shown.map((slot, index) => {
      const task = state.slab[slot];
      const isPolled = task === front;
      const text = inLetters(`${slot} ${sign(task)} ${app.history.name(task)}`, (SLOT - 14) / 6.7);
      return svg("g", {
        key: `slot ${slot}`, class: `task ${colour(task)}${isPolled ? " on" : ""}${app.selected === task ? " chosen" : ""}`,
        transform: `translate(${48 + index * SLOT} 107)`, ...this.pressed(`slot ${slot}: ${app.history.name(task)}, ${taskState(state, task)}`, task, { what: "slot", key: slot }),
      }, svg("rect", { width: SLOT - 5, height: 30, rx: 5 }), svg("text", { x: 7, y: 20 }, text));
    });
    const left = slots.length - shown.length;
    const end = left > 0 ? [svg("text", { key: "more", class: "note", x: 8 + STATIONS.slots.x, y: 138 }, left > 999 ? `+${Math.round(left / 1000)}k` : `+${left}`)] : [];
    return [...drawn, ...end];
  }

  // What a click or a key does to something in the picture.
  pressed(label, task, fact) {
    return this.button(label, (event) => this.app.pick(task, fact, event.currentTarget));
  }

  // A station's note is asked since when it says so.
  asked(name, note) {
    const { app } = this;
    const label = `${STATIONS[name].label}: ${note}`;
    const text = (state) => this.note(name, state, app.history.events[app.history.index]);
    return this.button(label, (event) => app.ask.open(event.currentTarget, label, text));
  }

  button(label, act) {
    return {
      tabindex: "0", role: "button", "aria-label": label, onclick: act,
      onkeydown: (event) => {
        if (!["Enter", " "].includes(event.key)) return;
        event.preventDefault();
        event.stopPropagation();
        act(event);
      },
    };
  }

  note(name, state, e) {
    switch (name) {
      case "join": { const last = state.ended[state.ended.length - 1]; return last ? inLetters(`${sign(last.task)} ${last.how}`, 13) : ""; }
      case "remote": return state.remote.length ? `${state.remote.length} waiting` : "empty";
      case "slots": return "";
      case "park":
        if (state.quiescent) return "nothing can happen";
        if (state.park) return state.park.timeout === null ? "until a wake" : `at most ${time(state.park.timeout)}`;
        return e && e.kind === "Jump" ? `jumps to ${time(e.to)}` : "if nothing is ready";
      default: return "";
    }
  }

  // A step moves a ticket along its way; one that is new comes from where it was made.
  tokens(by, state) {
    const tokens = Object.entries(by).flatMap(([name, { shown }]) => shown.slice(0, STATIONS[name].room).map((it, index) => this.token(name, it, index, state)));
    // In the same order at every step: what leaves the picture and comes back, does not move in it.
    return tokens.sort((a, b) => (a.attributes.key < b.attributes.key ? -1 : 1));
  }

  token(name, ticket, index, state) {
    const { app } = this;
    const { task } = ticket;
    const it = STATIONS[name];
    const across = it.across ?? 1;
    const width = (it.w - 16 - (across - 1) * 6) / across;
    const place = (station, at) => `translate(${station.x + 8 + (at % across) * (width + 6)}px, ${station.y + 25 + Math.floor(at / across) * 25}px)`;
    const text = inLetters(`${sign(task)} ${ticketText(state, app.history, name, ticket)}`, (width - 14) / 6.9);
    const attributes = {
      key: ticket.id, class: `token ${colour(task)}${app.selected === task ? " chosen" : ""}`,
      style: `transform: ${place(it, index)}; --from: ${place(STATIONS[ticket.from ?? name], 0)}`,
      ...this.pressed(`${ticketText(state, app.history, name, ticket)}: a ${ticket.child ? "child's waker" : "ticket"} of ${app.history.name(task)}`, task, { what: "ticket", key: ticket.id, station: name }),
    };
    return svg("g", attributes, svg("rect", { height: 21, rx: 10.5, width }), svg("text", { x: 8, y: 14.8 }, text));
  }

  inWords(by, state) {
    const { app } = this;
    const tasks = state.poll === null ? [] : [`at poll: ${app.history.name(state.poll)}${atPollText(state)}`];
    const names = { queue: "in the ready queue", poll: "taken for the poll", wake: "used now", reactor: "at sockets", timers: "with timers", others: "kept elsewhere" };
    const called = (it) => [app.history.name(it.task), it.child ?? (it.what === "queue" ? "" : holderText(it))].filter(Boolean).join(" · ");
    const said = Object.entries(by).filter(([name, { shown }]) => shown.length && !(name === "poll" && state.poll !== null))
      .map(([name, { shown, all }]) => `${names[name]}: ${inShort(shown, called, ", ", all)}`);
    return [...said, ...tasks].join("; ") || "no ticket";
  }
}

// A text of at most so many letters.
function inLetters(text, most) {
  const letters = [...text];
  return letters.length > most ? letters.slice(0, Math.max(1, Math.floor(most) - 1)).join("") + "…" : text;
}

// The children at poll, one inside the other.
function atPollText(state) {
  const child = state.children[state.children.length - 1];
  return child ? ` · ${childName(state, child)}` : "";
}

// What is written on a ticket: whose it is, or, where all sorts of things keep tickets, what keeps it.
function ticketText(state, history, station, ticket) {
  if (station === "others") return holderText(ticket);
  if (ticket.child) return ticket.child;
  return history.name(ticket.task) + (station === "poll" ? atPollText(state) : "");
}
