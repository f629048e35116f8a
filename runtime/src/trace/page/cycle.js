// Tasks that wait for each other in a circle, so that none of them can go on by itself.

// The links of such a circle: { task, by, semaphore }: `task` waits until `by` gives back a permit of the semaphore, or ends
// (then `semaphore` is null). Empty if there is none. Only a task that waits for nothing else can be in it, and only at a
// semaphore whose permits are all with tasks that are blocked like itself.
function cycle(s) {
  const waiting = waits(s);
  const next = new Map(); // blocked task → what it waits for: { tasks, semaphore }
  for (const [task, all] of waiting) {
    const [it] = all;
    if (all.length !== 1 || it.who.gather !== null || taskState(s, task) !== "waits") continue;
    if (it.what === "semaphore" && !it.who.granted) {
      const { free, holders } = s.semaphores[it.key];
      const tasks = Object.values(holders).map((who) => who.task);
      if (free === 0 && tasks.length && !tasks.includes(null)) next.set(task, { tasks, semaphore: Number(it.key) });
    } else if (it.what === "task" && !s.tasks[task].held.some(({ what }) => what === "gather") && s.tasks[task].on?.whom !== null && s.tasks[task].on?.whom !== undefined) {
      next.set(task, { tasks: [s.tasks[task].on.whom], semaphore: null });
    }
  }
  // Whoever waits for one that is not blocked is not blocked.
  for (let before = -1; before !== next.size;) {
    before = next.size;
    for (const [task, { tasks }] of next) if (!tasks.every((it) => next.has(it))) next.delete(task);
  }
  const path = [];
  let [at] = [...next.keys()].sort((a, b) => a - b);
  while (at !== undefined && !path.includes(at)) {
    path.push(at);
    [at] = next.get(at).tasks;
  }
  const round = at === undefined ? [] : path.slice(path.indexOf(at));
  return round.map((task) => ({ task, by: next.get(task).tasks[0], semaphore: next.get(task).semaphore }));
}
