// The beats of a run: the events that tell the story. After a beat a panel looks different, or a reason is given; what
// only leads up to it (clones, drops, a pop before its poll) rides along with it.

// What always rides along with the beat after it.
const RIDERS = new Set([
  "TurnBegin", "TurnEnd", "Pop", "PushRefused", "TicketCloned", "TicketDropped", "TaskCancelled", "Unpark", "IoLeft", "IoDeregistered", "PermitLeft",
  "ChannelLeft", "GatherPoll", "GatherOpen", "ChildPoll",
]);

// The numbers of the events that are beats; the last event is one.
function beats(events) {
  const found = [];
  const fired = new Set();
  const children = []; // how many beats there were when the children at poll began
  events.forEach((e, at) => {
    const [before, next] = [events[at - 1], events[at + 1]];
    const leadsTo = (kind) => next?.kind === kind && next.task === e.task;
    let rides = RIDERS.has(e.kind);
    switch (e.kind) {
      // Whoever is spawned, or woken, enters the queue next: for that reason.
      case "Spawn": case "Wake": rides = leadsTo("Push"); break;
      case "PollBegin": children.length = 0; break;
      case "PollEnd": rides = e.ready && leadsTo("TaskEnd"); break;
      case "Waits": rides = before?.kind === "PermitWaiting"; break;
      case "TimerArmed": fired.delete(e.timer); break;
      case "TimerFired": fired.add(e.timer); break;
      // One that was dropped before its deadline has a part in the story.
      case "TimerDropped": rides = fired.has(e.timer); break;
      case "ChildPoll": children.push(found.length); break;
      // A second sentence on the same poll is told only if there was no first one.
      case "ChildPollEnd": { const began = children.pop(); rides = !e.ready && began !== undefined && found.length > began; break; }
    }
    if (!rides || !next) found.push(e.seq);
  });
  return found;
}

// How many numbers of a sorted list are not above this one.
function upTo(list, number) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] <= number) low = middle + 1; else high = middle;
  }
  return low;
}
