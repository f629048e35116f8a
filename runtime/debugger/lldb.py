"""Keeps lldb from staying at a line that only tells the trace something (see examples/step/DEBUGGER.md).

`command script import runtime/debugger/lldb.py`, after the program is loaded. A step that ends at a `trace!` or an
`explore!` line goes on to the next statement. A breakpoint that is set on such a line stops there all the same.
"""

import linecache
import os

import lldb

TOLD = ("trace!(", "explore!(")


class PassTold:
    """A stop hook: it is asked at every stop, and may step on."""

    def __init__(self, target, extra_args, internal_dict):
        pass

    def handle_stop(self, context, stream):
        thread = context.GetThread()
        # Only a step that has come to its end: a breakpoint, a signal or a fault is where it is.
        if thread.GetStopReason() == lldb.eStopReasonPlanComplete:
            entry = thread.GetFrameAtIndex(0).GetLineEntry()
            file = entry.GetFileSpec()
            path = os.path.join(file.GetDirectory() or "", file.GetFilename() or "")
            if any(told in linecache.getline(path, entry.GetLine()) for told in TOLD):
                thread.StepOver()
        return True


def __lldb_init_module(debugger, internal_dict):
    debugger.HandleCommand("target stop-hook add -P {}.PassTold".format(__name__))
