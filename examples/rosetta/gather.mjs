// 10,000 waits and one failure, by promises. Run by the program rosetta, once for each form.

import { setTimeout as sleep } from "node:timers/promises";

const COUNT = 10_000, WAIT = 100, FAILS_AFTER = 50;
let ended = 0;

async function child(number) {
  if (number === COUNT / 2) {
    await sleep(FAILS_AFTER);
    throw new Error("no");
  }
  await sleep(WAIT);
  ended += 1;
}

const start = performance.now();
const children = Array.from({ length: COUNT }, (_, number) => child(number));
let outcome;
if (process.argv[2] === "all") {
  outcome = await Promise.all(children).then(() => "no error", () => "the error");
} else {
  const results = await Promise.allSettled(children);
  outcome = `${COUNT} results, ${results.filter((it) => it.status === "rejected").length} an error`;
}
const told = Math.round(performance.now() - start);
await sleep(2 * WAIT);
console.log([told, outcome, ended, process.resourceUsage().maxRSS].join("\t"));
