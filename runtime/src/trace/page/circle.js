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
    this.tokens = new Map();
    const arrow = (id, fill) => svg("marker", { id, viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 5, markerHeight: 5, orient: "auto" },
      svg("path", { d: "M0 0 L8 4 L0 8 Z", style: `fill:${fill}` }));
    this.root.append(svg("defs", {}, arrow("arrow", "var(--line)"), arrow("arrow-on", "var(--accent)")));
    this.ways = {};
    for (const [name, d] of Object.entries(WAYS)) this.root.append((this.ways[name] = svg("path", { d, class: "way" })));
    this.boxes = {};
    for (const [name, it] of Object.entries(STATIONS)) {
      const box = svg("rect", { x: it.x, y: it.y, width: it.w, height: it.h, rx: 8, class: "st" });
      const label = svg("text", { x: it.x + 10, y: it.y + 18, class: "lab" }, it.label);
      const note = svg("text", { x: it.x + 10, y: it.y + it.h - 9, class: "note" });
      this.root.append(box, label, note);
      let dot = null;
      if (it.number) {
        dot = svg("circle", { cx: it.x + it.w - 14, cy: it.y, r: 9, class: "dot" });
        this.root.append(dot, svg("text", { x: it.x + it.w - 14, y: it.y + 3.8, class: "num" }, it.number));
      }
      this.boxes[name] = { box, label, note, dot };
    }
  }

  show(state, e, places) {
    const { app } = this;
    const station = e && e.task !== undefined ? places.of.get(e.task) : null;
    const [ways, stations] = e ? lit(e, station) : [[], []];
    if (e && e.kind === "Push" && app.history.events[e.cause]?.kind === "Spawn") ways[0] = "spawn";
    for (const [name, way] of Object.entries(this.ways)) way.setAttribute("class", ways.includes(name) ? "way on" : "way");
    for (const [name, { box, label, dot, note }] of Object.entries(this.boxes)) {
      const on = stations.includes(name);
      box.setAttribute("class", on ? "st on" : "st");
      if (dot) dot.setAttribute("class", on ? "dot on" : "dot");
      note.textContent = this.note(name, state, e);
      const more = STATIONS[name].room ? places.by[name].length - STATIONS[name].room : 0;
      label.textContent = STATIONS[name].label + (more > 0 ? ` +${more}` : "");
    }
    this.move(places, state);
    this.root.setAttribute("aria-label", this.inWords(places));
  }

  // Where every alive task is, by station.
  places(state) {
    const by = { queue: [], poll: [], reactor: [], timers: [], others: [] };
    const of = new Map();
    const texts = new Map();
    const waiting = waits(state, time, (who) => childName(state, who));
    const put = (station, task) => {
      by[station].push({ key: String(task), task, text: this.app.history.name(task) });
      of.set(task, station);
    };
    state.queue.forEach((task) => put("queue", task));
    const front = state.poll ?? state.popped;
    for (const number of Object.keys(state.tasks).map(Number)) {
      const wait = waiting[number] ?? [];
      if (wait.length) texts.set(number, wait.map((it) => it.text).join("; "));
      // The children of a gather wait on their own, wherever their task is.
      for (const { station, child, who } of wait) {
        if (child && by[station].length < 99) by[station].push({ key: `${number} ${who.gather} ${who.place}`, task: number, text: child, of: this.app.history.name(number) });
      }
      if (number === front) put("poll", number);
      else if (!of.has(number)) put(wait.find((it) => !it.child)?.station ?? "others", number);
    }
    return { by, of, texts };
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
  move(places, state) {
    const seen = new Set();
    for (const [name, tasks] of Object.entries(places.by)) {
      const it = STATIONS[name];
      const across = name === "queue" ? 2 : 1;
      const width = (it.w - 16 - (across - 1) * 6) / across;
      tasks.slice(0, it.room).forEach(({ key, task, text: called }, index) => {
        const x = it.x + 8 + (index % across) * (width + 6);
        const y = it.y + 28 + Math.floor(index / across) * 26;
        let text = called;
        if (name === "poll" && state.children.length) text += ` · ${childName(state, state.children[state.children.length - 1])}`;
        const letters = Math.floor((width - 22) / 6.9);
        const token = this.token(key, task);
        token.setAttribute("transform", `translate(${x} ${y})`);
        token.style.transform = `translate(${x}px, ${y}px)`;
        token.firstChild.setAttribute("width", width);
        token.lastChild.textContent = `${sign(task)} ${text.length > letters ? text.slice(0, letters - 1) + "…" : text}`;
        token.setAttribute("class", `token ${colour(task)}${this.app.selected === task ? " chosen" : ""}`);
        seen.add(key);
      });
    }
    for (const [key, token] of this.tokens) {
      if (!seen.has(key)) { token.remove(); this.tokens.delete(key); }
    }
  }

  token(key, task) {
    let token = this.tokens.get(key);
    if (!token) {
      token = svg("g", {}, svg("rect", { height: 21, rx: 10.5 }), svg("text", { x: 9, y: 14.8 }));
      token.addEventListener("click", () => this.app.select(this.app.selected === task ? null : task));
      this.tokens.set(key, token);
      this.root.append(token);
    }
    return token;
  }

  inWords(places) {
    const list = (tasks) => tasks.slice(0, 8).map(({ text, of }) => (of ? `${of} · ${text}` : text)).join(", ") + (tasks.length > 8 ? ` and ${tasks.length - 8} more` : "");
    const names = { queue: "in the ready queue", poll: "at poll", reactor: "at sockets", timers: "with timers", others: "waiting for others" };
    const said = Object.entries(places.by).filter(([, tasks]) => tasks.length).map(([name, tasks]) => `${names[name]}: ${list(tasks)}`);
    return said.join("; ") || "no task";
  }
}
