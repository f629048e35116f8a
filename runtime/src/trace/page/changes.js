// How the state is changed: every change is written down, so that it can be taken back, and made again without finding
// out anew what it was. A step on or back costs what it changes, however long the trace and however large the state.

let changes = [];

// The changes since this was last asked.
function written() {
  const all = changes;
  changes = [];
  return all;
}

// The entry `key` of a table; nothing (undefined) instead of a value: the key goes.
function set(table, key, value) {
  if (table[key] !== value) make({ of: table, key, before: table[key], after: value });
}

// A new item in a list: those from there on move down.
function insert(list, at, item) {
  make({ of: list, key: at, before: undefined, after: item });
}

// An item out of a list: those behind it move up.
function take(list, at) {
  make({ of: list, key: at, before: list[at], after: undefined });
}

function append(list, item) {
  insert(list, list.length, item);
}

function takeFirst(list, isIt) {
  const at = list.findIndex(isIt);
  if (at >= 0) take(list, at);
}

function takeAll(list, isIt) {
  for (let at = list.length - 1; at >= 0; at -= 1) if (isIt(list[at])) take(list, at);
}

function make(change) {
  changes.push(change);
  redo(change);
}

function redo({ of, key, before, after }) {
  replace(of, key, before, after);
}

function undo({ of, key, before, after }) {
  replace(of, key, after, before);
}

function replace(of, key, old, now) {
  if (!Array.isArray(of)) {
    if (now === undefined) delete of[key]; else of[key] = now;
  } else if (old === undefined) of.splice(key, 0, now); else of.splice(key, 1);
}
