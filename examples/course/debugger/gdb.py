"""What gdb shows of the loop of a rung: the commands `glass tasks`, `glass ready`, `glass timers` and `glass waits`.

They have the names and the words of the printers of the real loop (runtime/debugger/gdb.py), and read the types of the
rungs 10 to 13. The compiler puts this file into the program of lesson 14, and gdb loads it from there. For a rung alone:

    gdb -x examples/course/debugger/gdb.py target/debugger/examples/rung_13

It reads the program's memory and never calls a function of it.
"""

import re

import gdb


# Rust's own types.


def word(address):
    """The eight bytes at an address, as a number."""
    return int(gdb.Value(address).cast(gdb.lookup_type("u64").pointer()).dereference())


def names(kind):
    """The names of a type's fields; none if it has no fields."""
    kind = kind.strip_typedefs()
    is_struct = kind.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)
    return [field.name for field in kind.fields()] if is_struct else []


def first(value):
    """The first field, whatever it is called."""
    return value[value.type.fields()[0]]


def variant(value):
    """The name of an enum's variant, and what is in it."""
    field = value.type.fields()[-1]
    return field.name, value[field]


def some(value):
    """What is in an Option; None if nothing is."""
    name, it = variant(value)
    return first(it) if name == "Some" else None


def inside(value):
    """What a Cell, a RefCell, an UnsafeCell, a Pin or the like is around."""
    while re.match(r"core::(cell::(Cell|RefCell|UnsafeCell)|pin::Pin|mem::\w+::\w+)<", value.type.strip_typedefs().name or ""):
        value = value[value.type.fields()[-1]]
    return value


def buffer(vector, item):
    """Where the items of a Vec or a VecDeque lie."""
    start = vector["buf"]["inner"]["ptr"]
    while start.type.code != gdb.TYPE_CODE_PTR:
        start = first(start)
    return start.cast(item.pointer())


def array(vector):
    """The items of a Vec."""
    start = buffer(vector, vector.type.template_argument(0))
    return [(start + index).dereference() for index in range(int(vector["len"]))]


def ring(deque):
    """The items of a VecDeque: they may go on at the beginning of the buffer."""
    start, head = buffer(deque, deque.type.template_argument(0)), int(deque["head"])
    room = deque["buf"]["inner"]["cap"]
    room = int(room if room.type.code == gdb.TYPE_CODE_INT else first(room))
    return [(start + (head + index) % room).dereference() for index in range(int(deque["len"]))]


def slab(slots):
    """The items of a slab with their keys."""
    for key, entry in enumerate(array(slots["entries"])):
        name, it = variant(entry)
        if name == "Occupied":
            yield key, first(it)


def sorted_map(tree):
    """The keys and values of a BTreeMap, in order."""
    root = some(tree["root"])
    if root is None:
        return
    leaf = root["node"]["pointer"]
    inner = gdb.lookup_type(leaf.type.target().name.replace("LeafNode<", "InternalNode<", 1)).pointer()

    def walk(node, height):
        length = int(node["len"])
        for index in range(length + 1):
            if height > 0:
                below = inside(node.cast(inner)["edges"][index])["pointer"]
                yield from walk(below, height - 1)
            if index < length:
                yield inside(node["keys"][index]["value"]), inside(node["vals"][index]["value"])

    yield from walk(leaf, int(root["height"]))


def outermost(name):
    """Where in the name of an async function, or of its future, the part `{async_…}` begins that stands outside of all
    brackets; the last one, for one async block may stand in another. None if there is none."""
    depth, at = 0, None
    for index, letter in enumerate(name):
        depth += letter == "<"
        depth -= letter == ">"
        if depth == 0 and name.startswith("{async_", index):
            at = index
    return at


def concrete(data, vtable):
    """What a pointer to a `dyn Future` points to, in its own type; None if that is not known. The vtable's fourth word is the
    function that polls. For an async function or block, the name of the function gives the name of the type. Otherwise
    the type of its `self` is the type."""
    block = gdb.block_for_pc(word(vtable + 24))
    while block is not None and block.function is None:
        block = block.superblock
    if block is None:
        return None
    kind, name = None, block.function.name
    at = outermost(name)
    if at is not None and short(name[at:]).endswith("}") and "::" not in short(name[at:]):
        kind = gdb.lookup_type(name[:at] + name[at:].replace("#", "_env#", 1)).pointer()
    for symbol in block if kind is None else []:
        if symbol.is_argument:
            kind = symbol.type
            while kind.code == gdb.TYPE_CODE_STRUCT:
                kind = kind.fields()[0].type
            break
    if kind is None or kind.code != gdb.TYPE_CODE_PTR:
        return None
    return gdb.Value(data).cast(kind).dereference()


def shared(rc):
    """What an Rc points to."""
    return rc["ptr"]["pointer"].dereference()["value"]


# Futures.


def short(name):
    """A type's name without the paths in front of it, and without what it is generic in."""
    depth, out = 0, ""
    for letter in name:
        depth += letter == "<"
        out += letter if depth == 0 else ""
        depth -= letter == ">"
    return out


def async_name(kind):
    """The name of the async function or block that this type is the future of; None if it is of none."""
    found = re.fullmatch(r"(.*)::\{async_(fn|block)_env#\d+\}", short(kind.strip_typedefs().name or ""))
    return found and found.group(1)


def await_line(future, state):
    """The line of the `.await` at which an async function or block stands: the code there writes the number of the state
    into the future before it returns. None where that code is not known: another processor, an optimized build."""
    name = future.type.name
    at = outermost(name)
    name = name[:at] + name[at:].replace("_env#", "#", 1)
    function = gdb.lookup_static_symbol(name) or gdb.lookup_global_symbol(name)
    if function is None:
        return None
    block = gdb.block_for_pc(int(function.value().address))
    while block.function is None:
        block = block.superblock
    offset = future.type.fields()[0].bitpos // 8
    wanted = re.compile(r"movb\s+\$0x{:x},(0x{:x})?\(".format(state, offset))
    architecture = gdb.selected_frame().architecture()
    for instruction in architecture.disassemble(block.start, block.end - 1):
        found = wanted.match(instruction["asm"])
        if found and (found.group(1) is not None) == (offset > 0):
            line = gdb.find_pc_line(instruction["addr"])
            if line.symtab is not None and line.line > 0:
                return "{}:{}".format(line.symtab.filename.split("/")[-1], line.line)
    return None


def chain(future):
    """A future, the one that it awaits, and so on to the leaf. Each async one with what is alive in it."""
    for _ in range(20):
        future = inside(future)
        fields = names(future.type)
        if future.type.code == gdb.TYPE_CODE_PTR:
            future = future.dereference()
        elif fields == ["pointer", "vtable"]:
            future = concrete(int(future["pointer"]), int(future["vtable"]))
            if future is None:
                return
        elif (future.type.name or "").startswith("alloc::boxed::Box<"):
            future = first(future)
        elif len(fields) == 2 and fields[0] == "__state":
            state, alive = int(future["__state"]), future[future.type.fields()[1]]
            yield future, state, alive
            if state < 3 or "__awaitee" not in names(alive.type):
                return
            future = alive["__awaitee"]
        else:
            yield future, None, future
            return


def step_text(future, state):
    """Where one future of the chain stands."""
    name = async_name(future.type) or short(future.type.name or str(future.type))
    name = re.sub(r"\{impl#\d+\}::", "", name)
    if state is None:
        return name
    if state < 3:
        return "{} {}".format(name, ["has not begun", "has returned", "has panicked"][state])
    return "{} at {}".format(name, await_line(future, state) or "its .await number {}".format(state - 2))


# The rung. Its modules may lie in a module of another program.


def is_of(kind, path):
    """Whether a type is this one of the rung."""
    name = short(kind.strip_typedefs().name or "")
    return name == path or name.endswith("::" + path)


def frame_of(function):
    """The innermost frame of a function of the rung."""
    frame = gdb.newest_frame()
    while frame is not None and not short(frame.name() or "").endswith("::" + function):
        frame = frame.older()
    return frame


def core():
    """The loop of this thread: the `self` of the innermost of its methods."""
    try:
        frame = gdb.newest_frame()
    except gdb.error:
        frame = None
    while frame is not None:
        try:
            it = frame.read_var("self")
            if it.type.code == gdb.TYPE_CODE_PTR and is_of(it.type.target(), "run::Core"):
                return it.dereference()
        except (ValueError, gdb.error):
            pass
        frame = frame.older()
    raise gdb.GdbError("No loop of a rung runs on this thread. Let the program run, and stop it with Ctrl-C.")


def ticket_text(slot, generation):
    return "slot {}, generation {}".format(slot, generation)


def ticket_of(waker):
    """The number of the loop and the ticket in a waker; None if it is another one's."""
    name = gdb.execute("info symbol {:#x}".format(int(waker["waker"]["vtable"])), to_string=True)
    bits = int(waker["waker"]["data"])
    return (bits >> 48, (bits & 0xFFFF_FFFF, bits >> 32 & 0xFFFF)) if "wake::VTABLE" in name else None


class Task:
    """A task, as its slot has it."""

    def __init__(self, slot):
        ticket = slot["ticket"]
        self.ticket = (int(ticket["slot"]), int(ticket["generation"]))
        self.queued = bool(slot["queued"])
        body = some(slot["body"])
        self.at_poll = body is None
        if self.at_poll:
            # The loop has it in hand.
            frame = frame_of("run::Core::poll")
            body = frame and frame.read_var("body")
        kind, it = variant(body) if body is not None else (None, None)
        self.is_main = kind == "Main"
        self.steps, self.cell = [], None
        future = first(it) if kind == "Task" else None
        if self.is_main:
            frame = frame_of("runtime::Runtime::block_on")
            future = frame and frame.read_var("future")
        if future is not None:
            self.steps = list(chain(future))
        # The guard of `spawn` is the outermost future. The task's own stands in it.
        if self.steps and (async_name(self.steps[0][0].type) or "").endswith("join::settled"):
            self.unpack()

    def unpack(self):
        """Looks into the guard: the cell with the joiner, and the future of the task."""
        _, state, alive = self.steps[0]
        settle = alive["settle"]
        self.cell = shared(settle["cell"])
        future = alive["future"] if state in (0, 3) else None
        self.steps = list(chain(future)) if future is not None else []

    def name(self):
        if self.is_main:
            return "main"
        path = async_name(self.steps[0][0].type) if self.steps else None
        words = [word for word in (path or "").split("::") if word and not word.startswith("{")]
        return words[-1] if words else "the task in slot {}".format(self.ticket[0])

    def joiner(self):
        """The waker of who awaits its handle."""
        return some(inside(self.cell["joiner"])) if self.cell is not None else None

    def permits(self):
        """The permits that are alive in its futures: the address of the semaphore, and whether the permit is granted."""
        for _, state, alive in self.steps:
            for field in alive.type.fields() if state is not None and state >= 3 else []:
                it = alive[field] if is_of(field.type, "semaphore::Permit") else None
                if it is not None:
                    granted = inside(shared(it["waiter"])["granted"])
                    yield int(it["semaphore"]), bool(granted)


class Loop:
    """The loop that runs on this thread, and its tasks."""

    def __init__(self):
        self.core = core()
        it = inside(self.core["tasks"])
        self.tasks = [Task(slot) for _, slot in slab(it["slots"])]
        self.queue = [(int(ticket["slot"]), int(ticket["generation"])) for ticket in ring(it["queue"])]

    def who(self, ticket):
        """The name of a ticket's task."""
        for task in self.tasks:
            if task.ticket == ticket:
                return task.name()
        return "nobody, for the ticket is stale ({})".format(ticket_text(*ticket))

    def waker_text(self, waker):
        """Whom a waker wakes."""
        found = ticket_of(waker)
        if found is None:
            return "a waker that is no ticket"
        runtime, ticket = found
        other = runtime != int(self.core["number"])
        return "a task of loop {}".format(runtime) if other else self.who(ticket)


def milliseconds(nanos):
    return "{:.3f}".format(nanos / 1e6).rstrip("0").rstrip(".") + " ms"


class Glass(gdb.Command):
    """Shows the loop of a rung that runs on this thread: glass tasks, ready, timers, waits."""

    def __init__(self):
        super().__init__("glass", gdb.COMMAND_DATA, prefix=True)

    def invoke(self, argument, _from_tty):
        if argument:
            raise gdb.GdbError("There is no glass {}. Type glass for the list.".format(argument.split()[0]))
        print("glass waits    who waits for whom")
        print("glass tasks    the tickets, and at which .await")
        print("glass ready    the ready queue")
        print("glass timers   who sleeps until when")


class Tasks(gdb.Command):
    """Lists the tasks: the ticket, and the lines of the .await at which each stands."""

    def __init__(self):
        super().__init__("glass tasks", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        for task in Loop().tasks:
            flags = [text for flag, text in ((task.at_poll, "at poll"), (task.queued, "queued")) if flag]
            print(", ".join(["{}: {}".format(task.name(), ticket_text(*task.ticket))] + flags))
            for depth, (future, state, _) in enumerate(task.steps):
                print("  {}{}".format("  " * depth, step_text(future, state)))


class Ready(gdb.Command):
    """Lists the ready queue: who is polled next, first in, first out."""

    def __init__(self):
        super().__init__("glass ready", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        loop = Loop()
        print("ready: {}".format(", ".join(loop.who(ticket) for ticket in loop.queue) or "nobody"))


class Timers(gdb.Command):
    """Lists the armed timers in the order of their deadlines, which count from the loop's beginning."""

    def __init__(self):
        super().__init__("glass timers", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        loop = Loop()
        now = some(inside(loop.core["clock"]["standing"]))
        print("the clock is {}".format("the system's" if now is None else "virtual, and stands at " + milliseconds(int(now))))
        armed = list(sorted_map(inside(loop.core["timers"])["armed"]))
        for key, waker in armed:
            deadline, number = (int(key[field]) for field in key.type.fields()[:2])
            print("timer {} fires at {}: wakes {}".format(number, milliseconds(deadline), loop.waker_text(waker)))
        if not armed:
            print("no timer is armed")


class Waits(gdb.Command):
    """Lists who waits for whom: for the end of a task, for a permit, or for what else."""

    def __init__(self):
        super().__init__("glass waits", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        loop = Loop()
        joined = {}
        for task in loop.tasks:
            waker = task.joiner()
            if waker is not None:
                joined.setdefault(loop.waker_text(waker), []).append(task.name())
        timers = [loop.waker_text(waker) for _, waker in sorted_map(inside(loop.core["timers"])["armed"])]
        for task in loop.tasks:
            print("{} {}".format(task.name(), self.what(loop, task, joined, timers)))

    def what(self, loop, task, joined, timers):
        """For whom or what a task waits."""
        if task.at_poll:
            return "is at poll"
        if task.queued:
            return "is ready"
        if task.name() in joined:
            return "waits for the end of " + " and ".join(joined[task.name()])
        for semaphore, granted in task.permits():
            if not granted:
                holders = [it.name() for it in loop.tasks if (semaphore, True) in it.permits()]
                return "waits for a permit, which {}".format("{} has".format(" and ".join(holders)) if holders else "nobody seems to have")
        if task.name() in timers:
            return "waits for its timer"
        texts = [step_text(future, state) for future, state, _ in task.steps]
        if any("::io::retry at " in text for text in texts):
            return "waits for a socket"
        return "waits for a leaf: " + texts[-1] if texts else "waits"


# Printers, for `print`, `info locals` and `info args`.


class Text:
    """Prints a value as a text."""

    def __init__(self, text):
        self.text = text

    def to_string(self):
        return self.text


def printer(value):
    try:
        if is_of(value.type, "wake::Ticket"):
            return Text(ticket_text(int(value["slot"]), int(value["generation"])))
        if value.type.strip_typedefs().name == "core::task::wake::Waker":
            found = ticket_of(value)
            return found and Text("loop {}, {}".format(found[0], ticket_text(*found[1])))
    except (gdb.error, ValueError):
        # Memory that is not written yet: gdb shows it as it is.
        pass
    return None


for command in (Glass, Tasks, Ready, Timers, Waits):
    command()
gdb.pretty_printers.append(printer)
