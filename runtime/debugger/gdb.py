"""What gdb shows of a loop of glassloop: tickets, wakers and tasks in words, and the commands `glass …`.

The compiler puts this file into every debug build, and gdb loads it from there (see examples/step/DEBUGGER.md). It reads
the program's memory and never calls a function of it. The names are those of `runtime/src/circle`.
"""

import re

import gdb

SLOT_BITS, GENERATION_BITS = 26, 24
NOBODY = (1 << 64) - 1


# Rust's own types.


def word(address):
    """The eight bytes at an address, as a number."""
    return int(gdb.Value(address).cast(gdb.lookup_type("u64").pointer()).dereference())


def variant(value):
    """The name of an enum's variant, and what is in it."""
    field = value.type.fields()[-1]
    return field.name, value[field]


def first(value):
    """The first field, whatever it is called."""
    return value[value.type.fields()[0]]


def inside(value):
    """What a Cell, a RefCell, an UnsafeCell or a Pin is around."""
    while re.match(r"core::(cell::(Cell|RefCell|UnsafeCell)|pin::Pin|mem::\w+::\w+)<", value.type.strip_typedefs().name or ""):
        value = value[value.type.fields()[-1]]
    return value


def some(value):
    """What is in an Option; None if nothing is."""
    name, it = variant(value)
    return first(it) if name == "Some" else None


def array(vec):
    """The items of a Vec."""
    item = vec.type.template_argument(0)
    start = vec["buf"]["inner"]["ptr"]["pointer"]["pointer"].cast(item.pointer())
    return [(start + index).dereference() for index in range(int(vec["len"]))]


def slots(slab):
    """The items of a slab with their keys."""
    for key, entry in enumerate(array(slab["slab"]["entries"])):
        name, it = variant(entry)
        if name == "Occupied":
            yield key, first(it)


def string(fat):
    """A &str, or what points to one."""
    start, length = (fat[field] for field in fat.type.fields()[:2])
    return bytes(gdb.selected_inferior().read_memory(int(start), int(length))).decode("utf-8", "replace")


def location(pointer):
    """A line of the program, from a &Location."""
    it = pointer.dereference()
    file = it["filename"] if "filename" in [field.name for field in it.type.fields()] else it["file"]
    while len(file.type.fields()) == 1:
        file = first(file)
    return "{}:{}".format(string(file), int(it["line"]))


def rc_str(rc):
    """The text of an Rc<str>: it stands behind two counts."""
    fat = rc["ptr"]["pointer"]
    start, length = (int(fat[field]) for field in fat.type.fields()[:2])
    return bytes(gdb.selected_inferior().read_memory(start + 16, length)).decode("utf-8", "replace")


def concrete(data, vtable, behind=0):
    """What a pointer to a trait object points to, in its own type. The vtable's fourth word is the first method, and the
    type of its `self` is the type. `behind` bytes stand before it."""
    align = word(vtable + 16)
    block = gdb.block_for_pc(word(vtable + 24))
    while block is not None and block.function is None:
        block = block.superblock
    for symbol in block or []:
        if symbol.is_argument:
            kind = symbol.type
            while kind.code == gdb.TYPE_CODE_STRUCT:
                kind = kind.fields()[0].type
            if kind.code != gdb.TYPE_CODE_PTR:
                return None
            return gdb.Value(data + -(-behind // align) * align).cast(kind).dereference()
    return None


# Tickets and tasks.


def ticket_number(ticket):
    return int(first(ticket))


def ticket_text(number):
    """A ticket in words."""
    if number == NOBODY:
        return "nobody's ticket"
    slot = number & ((1 << SLOT_BITS) - 1)
    generation = number >> SLOT_BITS & ((1 << GENERATION_BITS) - 1)
    return "runtime {}, slot {}, generation {}".format(number >> (SLOT_BITS + GENERATION_BITS), slot, generation)


def ticket_of(waker):
    """The ticket in a waker; None if it is another one's."""
    raw = waker["waker"]
    name = gdb.execute("info symbol {:#x}".format(int(raw["vtable"])), to_string=True)
    return int(raw["data"]) if "runtime::circle::wake::VTABLE" in name else None


def short(name):
    """A type's name without the paths in front of it, and without what it is generic in."""
    depth, out = 0, ""
    for letter in name:
        depth += letter == "<"
        out += letter if depth == 0 else ""
        depth -= letter == ">"
    return out


def block_of(function):
    """The block that is a function's whole body."""
    block = gdb.block_for_pc(int(function.value().address))
    while block.function is None:
        block = block.superblock
    return block


def await_line(future, state):
    """The line of the `.await` at which an async function or block stands: the code there writes the number of the state
    into the future before it returns. None where that code is not known: another processor, an optimized build."""
    name = future.type.name
    function = gdb.lookup_static_symbol(name.replace("_env#", "#")) or gdb.lookup_global_symbol(name.replace("_env#", "#"))
    if function is None:
        return None
    block = block_of(function)
    offset = future.type.fields()[0].bitpos // 8
    architecture = gdb.selected_frame().architecture()
    wanted = re.compile(r"movb\s+\$0x{:x},(0x{:x})?\(".format(state, offset))
    for instruction in architecture.disassemble(block.start, block.end - 1):
        found = wanted.match(instruction["asm"])
        if found and (found.group(1) is not None) == (offset > 0):
            line = gdb.find_pc_line(instruction["addr"])
            if line.symtab is not None and line.line > 0:
                return "{}:{}".format(line.symtab.filename, line.line)
    return None


def steps(future):
    """Where a future stands, from the outermost `.await` to the leaf: a text for each step."""
    for _ in range(20):
        future = inside(future)
        kind = future.type.strip_typedefs()
        fields = kind.fields() if kind.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_UNION) else []
        if kind.code == gdb.TYPE_CODE_PTR:
            future = future.dereference()
        elif [field.name for field in fields] == ["pointer", "vtable"]:
            found = concrete(int(future["pointer"]), int(future["vtable"]))
            if found is None:
                return
            future = found
        elif (kind.name or "").startswith("alloc::boxed::Box<"):
            future = first(future)
            while future.type.code == gdb.TYPE_CODE_STRUCT and len(future.type.fields()) == 1:
                future = first(future)
        elif len(fields) == 2 and fields[0].name == "__state":
            name = re.sub(r"::\{async_(fn|block)_env#\d+\}.*", "", kind.name)
            number, it = int(future["__state"]), future[fields[1]]
            if number < 3:
                yield "{} {}".format(short(name), ["has not begun", "has returned", "has panicked"][number])
                return
            yield "{} at {}".format(short(name), await_line(future, number) or "its .await number {}".format(number - 2))
            awaited = [field for field in it.type.fields() if field.name == "__awaitee"]
            if not awaited:
                return
            future = it[awaited[0]]
        else:
            yield short(kind.name or str(kind)) + leaf(future)
            return


def leaf(future):
    """What is known of some of the leaves."""
    if future.type.name == "runtime::sync::semaphore::Acquire":
        state = inside(future["semaphore"].dereference()["state"])
        return " of the semaphore at {:#x}, {} free".format(int(future["semaphore"]), int(state["free"]))
    return ""


class Task:
    """A task, as its slot has it."""

    def __init__(self, key, slot):
        self.key, self.slot = key, slot
        self.ticket = ticket_number(slot["ticket"])
        kind, it = variant(slot["body"])
        self.is_main, self.body = kind == "Main", first(it)
        self.run = None if self.is_main else run_of(self.body)

    def name(self):
        if self.is_main:
            return "main"
        name = self.run and some(self.run["birth"]["name"])
        return rc_str(name) if name is not None else "the task in slot {}".format(self.key)

    def birth(self):
        if self.is_main:
            return "begun by block_on at " + location(self.body)
        return "spawned at " + location(self.run["birth"]["at"]) if self.run else "of a type that gdb does not know"

    def steps(self):
        if self.is_main:
            frame = frame_of("runtime::runtime::Runtime::block_on_at")
            return list(steps(frame.read_var("main"))) if frame else []
        future = self.run and some(inside(self.run["future"]))
        return list(steps(future)) if future is not None else []

    def joiner(self):
        """The waker of who awaits its handle."""
        if self.is_main or not self.run or "joiner" not in [field.name for field in self.run["join"].type.fields()]:
            return None
        return some(inside(self.run["join"]["joiner"]))


def run_of(rc):
    """The task behind an Rc<dyn Run>: it stands behind two counts."""
    fat = rc["ptr"]["pointer"]
    return concrete(int(fat["pointer"]), int(fat["vtable"]), behind=16)


# The loop.


def frame_of(function):
    """The innermost frame of a function, by the beginning of its name."""
    frame = gdb.newest_frame()
    while frame is not None:
        if (frame.name() or "").startswith(function):
            return frame
        frame = frame.older()
    return None


def core():
    """The loop of this thread: the `self` of the innermost of its methods."""
    try:
        frame = gdb.newest_frame()
    except gdb.error:
        frame = None
    while frame is not None:
        try:
            it = frame.read_var("self")
            if it.type.code == gdb.TYPE_CODE_PTR and it.type.target().name == "runtime::circle::core::Core":
                return it.dereference()
        except (ValueError, gdb.error):
            pass
        frame = frame.older()
    raise gdb.GdbError("no loop runs on this thread: stop inside of one, for example with `break runtime::circle::core::Core::turn`")


def tasks(loop):
    return [Task(key, slot) for key, slot in slots(inside(loop["tasks"])["slots"])]


def who(loop, number):
    """A ticket with the name of its task."""
    for task in tasks(loop):
        if task.ticket == number:
            return "{} ({})".format(task.name(), ticket_text(number))
    return "nobody, for the ticket is stale ({})".format(ticket_text(number))


def waker_text(loop, waker):
    number = ticket_of(waker)
    if number is not None:
        return who(loop, number)
    name = gdb.execute("info symbol {:#x}".format(int(waker["waker"]["vtable"])), to_string=True)
    for kind, text in (("gather::tally", "the tally of a gather"), ("gather::", "a child of a gather")):
        if kind in name:
            return text
    return "a waker that is no ticket"


def milliseconds(nanos):
    return "{:.3f}".format(nanos / 1e6).rstrip("0").rstrip(".") + " ms"


class Glass(gdb.Command):
    """Shows the loop of glassloop that runs on this thread: glass tasks, ready, timers, sockets, waits."""

    def __init__(self):
        super().__init__("glass", gdb.COMMAND_DATA, prefix=True)


class Tasks(gdb.Command):
    """Lists the tasks: the ticket, where each was spawned, and the lines of the .await at which it stands."""

    def __init__(self):
        super().__init__("glass tasks", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        loop = core()
        at_poll = ticket_number(inside(loop["current"])) if frame_of("runtime::circle::core::Core::poll") else None
        for task in tasks(loop):
            flags = ["at poll"] if task.ticket == at_poll else []
            flags += [flag for flag in ("queued", "aborted") if task.slot[flag]]
            print("{}: {}, {}{}".format(task.name(), ticket_text(task.ticket), task.birth(), "".join(", " + flag for flag in flags)))
            for depth, step in enumerate(task.steps()):
                print("  {}{}".format("  " * depth, step))


class Ready(gdb.Command):
    """Lists the ready queue: who is polled next in this turn, and who in the next one."""

    def __init__(self):
        super().__init__("glass ready", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        loop = core()
        it = inside(loop["tasks"])
        this_turn, next_turn = array(it["batch"])[int(it["next"]):], array(it["arrived"])
        for text, tickets in (("this turn", this_turn), ("next turn", next_turn)):
            print("{}: {}".format(text, ", ".join(who(loop, ticket_number(ticket)) for ticket in tickets) or "nobody"))


class Timers(gdb.Command):
    """Lists the armed timers in the order of their deadlines, which count from the loop's beginning."""

    def __init__(self):
        super().__init__("glass timers", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        loop = core()
        now = some(inside(loop["clock"]["standing"]))
        print("the clock is {}".format("the system's" if now is None else "virtual, and stands at " + milliseconds(int(now))))
        timers = inside(loop["timers"])
        armed = dict(slots(timers["timers"]))
        entries = [first(entry) for entry in array(timers["heap"]["data"])]
        entries.sort(key=lambda entry: (int(entry["deadline"]), int(entry["arming"])))
        for entry in entries:
            key = int(entry["key"])
            if key in armed and int(armed[key]["arming"]) == int(entry["arming"]):
                print("timer {} fires at {}: wakes {}".format(key, milliseconds(int(entry["deadline"])), waker_text(loop, armed[key]["waker"])))
        if not entries:
            print("no timer is armed")


class Sockets(gdb.Command):
    """Lists the sockets and whatever else is registered: what is ready, and who waits there."""

    def __init__(self):
        super().__init__("glass sockets", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        loop = core()
        reactor = inside(loop["reactor"])
        waiters = dict(slots(reactor["waiters"]["entries"]))
        sources = list(slots(reactor["sources"]))
        for key, source in sources:
            low, _ = source["sides"].type.range()
            for index, way in enumerate(("read", "write")):
                side = source["sides"][low + index]
                state = ("ready" if side["ready"] else "not ready") + (", ended" if side["ended"] else "")
                print("socket {} to {}: {}; waits there: {}".format(key, way, state, self.line(loop, side["line"], waiters)))
        if not sources:
            print("no socket is registered")

    def line(self, loop, line, waiters):
        """Those who wait in a line, the first one first."""
        names, key = [], some(line["first"])
        while key is not None:
            while key.type.code == gdb.TYPE_CODE_STRUCT:
                key = first(key)
            waiter = waiters[int(key) - 1]
            names.append(waker_text(loop, waiter["waker"]))
            key = some(waiter["after"])
        return ", ".join(names) or "nobody"


class Waits(gdb.Command):
    """Lists who waits for whom: the joiner of each task, and what the tasks have said of their waits."""

    WORDS = {"Join": "another task to end", "Permit": "a permit", "Channel": "a channel"}

    def __init__(self):
        super().__init__("glass waits", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        loop, said = core(), False
        for task in tasks(loop):
            joiner = task.joiner()
            if joiner is not None:
                said = True
                print("{} waits for {} to end".format(waker_text(loop, joiner), task.name()))
        for task in tasks(loop):
            what = self.WORDS.get(str(task.slot["wait"]).split("::")[-1])
            if what is not None:
                said = True
                print("{} waits for {}: {}".format(task.name(), what, (task.steps() or ["?"])[-1]))
        if not said:
            print("nobody has said that it waits for another task, a permit or a channel")


# Printers, for `print`, `info locals` and `info args`.


class Text:
    """Prints a value as a text."""

    def __init__(self, text):
        self.text = text

    def to_string(self):
        return self.text


def body_text(body):
    kind, it = variant(body)
    if kind == "Main":
        return "main, begun by block_on at " + location(first(it))
    run = run_of(first(it))
    if run is None:
        return "a task of a type that gdb does not know"
    name, future = some(run["birth"]["name"]), some(inside(run["future"]))
    words = ["task" if name is None else 'task "{}"'.format(rc_str(name)), "spawned at " + location(run["birth"]["at"])]
    return ", ".join(words + (list(steps(future)) if future is not None else ["it has ended"]))


def printer(value):
    try:
        name = value.type.strip_typedefs().name
        if name == "runtime::circle::ticket::Ticket":
            return Text(ticket_text(ticket_number(value)))
        if name == "core::task::wake::Waker":
            number = ticket_of(value)
            return None if number is None else Text(ticket_text(number))
        if name is not None and re.match(r"runtime::circle::ready::Body(::\w+)?$", name):
            return Text(body_text(value))
    except (gdb.error, ValueError, IndexError):
        # Memory that is not written yet: gdb shows it as it is.
        pass
    return None


# The lines of the trace: the feature `trace` puts them beside the statements, and nobody wants to step to them.


def is_trace_line():
    """Whether the program has stopped at a line that only tells the recorder something."""
    try:
        place = gdb.selected_frame().find_sal()
        if place.symtab is None or "/src/" not in place.symtab.filename:
            return False
        with open(place.symtab.fullname(), encoding="utf-8") as file:
            line = file.read().split("\n")[place.line - 1]
    except (gdb.error, OSError, IndexError):
        return False
    return re.match(r"\s*(let \w+ = |if )?(trace|explore)!\(", line) is not None


def leave_trace_line():
    """Goes on to the statement behind."""
    for _ in range(100):
        if not gdb.selected_inferior().pid or not is_trace_line():
            break
        gdb.execute("next")


def register():
    for command in (Glass, Tasks, Ready, Timers, Sockets, Waits):
        command()
    gdb.pretty_printers.append(printer)
    for function in ("^runtime::(trace|explore|macros)::", "^core::ptr::drop_in_place<.*runtime::(trace|explore|macros)::"):
        gdb.execute("skip -rfu " + function, to_string=True)
    for command in ("next", "step", "finish", "continue", "run"):
        gdb.execute("define hookpost-{}\npython leave_trace_line()\nend".format(command), to_string=True)


register()
