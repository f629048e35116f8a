// The circle: the stations of the loop, the way that the step took, and the tasks where they are.

const STATIONS = {
  spawn:   { x: 6, y: 24, w: 74, h: 48, label: "spawn", number: 1 },
  queue:   { x: 112, y: 14, w: 184, h: 84, label: "ready queue", number: 2, room: 4 },
  poll:    { x: 330, y: 14, w: 148, h: 84, label: "poll", number: 3, room: 2 },
  join:    { x: 512, y: 24, w: 82, h: 48, label: "join" },
  reactor: { x: 336, y: 132, w: 122, h: 128, label: "reactor", number: 4, room: 3 },
  timers:  { x: 470, y: 132, w: 124, h: 128, label: "timers", number: 5, room: 3 },
  wake:    { x: 190, y: 132, w: 106, h: 46, label: "wake", number: 6 },
  others:  { x: 176, y: 192, w: 148, h: 68, label: "waits for others", room: 1 },
  remote:  { x: 6, y: 106, w: 118, h: 48, label: "remote queue" },
  park:    { x: 6, y: 192, w: 158, h: 68, label: "park" },
};

const WAYS = {
  spawn: "M80 48 H110", pop: "M296 56 H328", ready: "M478 48 H510", pending: "M400 98 V130", pendingTimer: "M446 98 C466 112 516 112 524 130",
  pendingOther: "M348 98 C334 130 328 160 312 190", fromReactor: "M336 160 H298", fromTimers: "M552 132 C552 108 320 112 282 130",
  wake: "M236 132 V100", remote: "M124 130 C150 128 152 116 158 100", park: "M164 212 C182 204 186 196 200 180", fromOthers: "M262 192 V180",
};

// Which ways and stations an event lights.
function lit(e, station) {
  switch (e.kind) {
    case "Spawn": return [["spawn"], ["spawn"]];
    case "Push": case "PushRefused": return [["wake"], ["queue"]];
    case "Pop": return [["pop"], ["queue"]];
    case "PollBegin": return [["pop"], ["poll"]];
    case "PollEnd":
      if (e.ready) return [["ready"], ["join"]];
      return [[{ timers: "pendingTimer", reactor: "pending", others: "pendingOther" }[station] ?? "none"], [station]];
    case "TaskEnd": return [["ready"], ["join"]];
    case "Wake": return [["wake"], ["wake"]];
    case "TimerArmed": return [["pendingTimer"], ["timers"]];
    case "TimerFired": return [["fromTimers"], ["timers", "wake"]];
    case "TimerDropped": return [[], ["timers"]];
    case "IoReady": return [["fromReactor"], ["reactor", "wake"]];
    case "IoRegistered": case "IoWouldBlock": case "IoShort": case "IoWaits": case "IoLeft": case "IoDeregistered": return [[], ["reactor"]];
    case "RemoteSent": return [[], ["remote"]];
    case "RemoteTaken": return [["remote"], ["remote"]];
    case "Park": case "Jump": case "Unpark": case "Quiescent": return [["park"], ["park"]];
    case "PermitReleased": case "JobSubmitted": case "PermitWaiting": case "Waits": return [[], ["others"]];
    case "TurnBegin": return [[], ["queue"]];
    default: return [[], ["poll"]];
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

  show(state, e, places) {
    const station = e && e.task !== undefined ? places.of.get(e.task) : null;
    const [ways, stations] = e ? lit(e, station) : [[], []];
    if (e && e.kind === "Push" && this.app.history.events[e.cause]?.kind === "Spawn") ways[0] = "spawn";
    const paths = Object.entries(WAYS).map(([name, d]) => svg("path", { d, class: ways.includes(name) ? "way on" : "way" }));
    const boxes = Object.keys(STATIONS).map((name) => this.station(name, stations.includes(name), this.note(name, state, e), places.by[name]?.length ?? 0));
    // Who is first in the queue, if that is asked for, is not told here either.
    if (this.app.predict.secret === "queue") places = { ...places, by: { ...places.by, queue: [] } };
    draw(this.root, this.arrows, ...paths, ...boxes.flat(), ...this.tokens(places, state));
    this.root.setAttribute("aria-label", this.inWords(places));
  }

  station(name, isOn, note, count) {
    const it = STATIONS[name];
    const on = isOn ? " on" : "";
    const left = it.room ? count - it.room : 0;
    const more = left > 999 ? ` +${Math.round(left / 1000)}k` : left > 0 ? ` +${left}` : "";
    const parts = [
      svg("rect", { x: it.x, y: it.y, width: it.w, height: it.h, rx: 8, class: `st${on}` }),
      svg("text", { x: it.x + 10, y: it.y + 18, class: "lab" }, it.label + more),
      svg("text", { x: it.x + 10, y: it.y + it.h - 9, class: "note" }, note),
    ];
    if (!it.number) return parts;
    const [x, y] = [it.x + it.w - 14, it.y];
    return [...parts, svg("circle", { cx: x, cy: y, r: 9, class: `dot${on}` }), svg("text", { x, y: y + 3.8, class: "num" }, it.number)];
  }

  // Where every alive task is, by station; the station of a task; and what it waits for, in words. What is said of each is
  // found when it is shown: there may be thousands.
  places(state) {
    const by = { queue: [], poll: [], reactor: [], timers: [], others: [] };
    const of = new Map();
    const waiting = waits(state);
    const put = (station, task) => {
      by[station].push({ who: { task, gather: null } });
      of.set(task, station);
    };
    state.queue.forEach((task) => put("queue", task));
    const front = state.poll ?? state.popped;
    for (const number of Object.keys(state.tasks).map(Number)) {
      const wait = waiting.get(number) ?? [];
      // The children of a gather wait on their own, wherever their task is.
      for (const it of wait) if (it.who.gather !== null) by[it.station].push(it);
      if (number === front) put("poll", number);
      else if (!of.has(number)) put(wait.find(({ who }) => who.gather === null)?.station ?? "others", number);
    }
    const sentence = (it) => [childName(state, it.who), waitText(state, it)].filter(Boolean).join(": ");
    const text = (task) => inShort(waiting.get(task) ?? [], sentence);
    return { by, of, text };
  }

  note(name, state, e) {
    switch (name) {
      case "join": { const last = state.ended[state.ended.length - 1]; return last ? last.how : ""; }
      case "remote": return state.remote.length ? `${state.remote.length} waiting` : "empty";
      case "wake": return e && e.kind === "Wake" ? "a ticket is used" : "";
      case "park":
        if (state.quiescent) return "nothing can happen";
        if (state.park) return state.park.timeout === null ? "until an event, a wake" : `for at most ${time(state.park.timeout)}`;
        return e && e.kind === "Jump" ? `jumps to ${time(e.to)}` : "only if nothing is ready";
      default: return "";
    }
  }

  // A step moves a token along its way; one that is new simply is there.
  tokens(places, state) {
    const tokens = Object.entries(places.by).flatMap(([name, those]) => {
      return those.slice(0, STATIONS[name].room).map((it, index) => this.token(name, it, index, state));
    });
    // What waits at two stations is shown at one of them.
    const once = new Map(tokens.map((token) => [token.attributes.key, token]));
    // In the same order at every step: what leaves the picture and comes back, does not move in it.
    return [...once.values()].sort((a, b) => (a.attributes.key < b.attributes.key ? -1 : 1));
  }

  token(name, { who }, index, state) {
    const { app } = this;
    const { task } = who;
    const it = STATIONS[name];
    const across = name === "queue" ? 2 : 1;
    const width = (it.w - 16 - (across - 1) * 6) / across;
    const x = it.x + 8 + (index % across) * (width + 6);
    const y = it.y + 28 + Math.floor(index / across) * 26;
    let text = childName(state, who) || app.history.name(task);
    if (name === "poll" && state.children.length) text += ` · ${childName(state, state.children[state.children.length - 1])}`;
    const letters = Math.floor((width - 22) / 6.9);
    const short = text.length > letters ? text.slice(0, letters - 1) + "…" : text;
    const isChosen = app.selected === task;
    const attributes = {
      key: `${task} ${who.gather} ${who.place}`, class: `token ${colour(task)}${isChosen ? " chosen" : ""}`,
      transform: `translate(${x} ${y})`, style: `transform: translate(${x}px, ${y}px)`,
      onclick: () => app.select(isChosen ? null : task),
    };
    return svg("g", attributes, svg("rect", { height: 21, rx: 10.5, width }), svg("text", { x: 9, y: 14.8 }, `${sign(task)} ${short}`));
  }

  inWords(places) {
    const { app } = this;
    const called = ({ who }) => [app.history.name(who.task), childName(app.state, who)].filter(Boolean).join(" · ");
    const names = { queue: "in the ready queue", poll: "at poll", reactor: "at sockets", timers: "with timers", others: "waiting for others" };
    const said = Object.entries(places.by).filter(([, those]) => those.length).map(([name, those]) => `${names[name]}: ${inShort(those, called, ", ")}`);
    return said.join("; ") || "no task";
  }
}
