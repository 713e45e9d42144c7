# mypy: allow-untyped-defs, allow-untyped-calls
"""The compiled half of :mod:`learnkit.backends.native.team`: how threads share the parts of a program.

A program is a table with a row for each call: the address of a compiled function ``f(low, high, arguments)``,
the address of its arguments, how many elements it goes over, how many of them are a part, and whether the
next row has to wait for it. Rows that need not wait form a phase, whose parts are taken in turn by whoever
has time. A thread that is late, because another program has its processor, finds them done.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import carray

from learnkit.backends.native.intrinsics import (
    add_atomic,
    call_part,
    call_plain,
    load_atomic,
    pointer,
    relax,
    replace_atomic,
    store_atomic,
)

__all__ = ["AWAKE", "COLUMNS", "PLACES", "run", "run_on", "wake", "work"]

#: Columns of a program.
FUNCTION, ARGUMENTS, COUNT, EACH, WAITS = range(5)
COLUMNS = 5

#: Places of the common numbers, in cache lines of their own: the phase's number and the parts left of it,
#: parts done, helpers that are in compiled code, what a phase is, and whether a program runs.
TICKET, DONE, AWAKE, TABLE, FIRST, PARTS, RUNNING = 0, 8, 16, 24, 25, 26, 32
PLACES = 40

#: The lower bits of the ticket count parts.
_BITS = 20
_LEFT = (1 << _BITS) - 1

#: How often a thread looks for work before it lets other programs run between two looks.
_EAGER = 64

_compiled = numba.njit(nogil=True, error_model="numpy", cache=True)


@_compiled
def _parts_of(table, row):
    return -(-table[row, COUNT] // table[row, EACH])


@_compiled
def _do(table, row, part):
    """A part, counted from the first one of the phase that begins with ``row``."""
    parts = _parts_of(table, row)
    while part >= parts:
        part -= parts
        row += 1
        parts = _parts_of(table, row)
    low = part * table[row, EACH]
    high = min(table[row, COUNT], low + table[row, EACH])
    call_part(table[row, FUNCTION], low, high, table[row, ARGUMENTS])


@_compiled
def _take(common):
    """The ticket for a part of the phase at hand, or 0 if none is left.

    Only a part that is still to be had is taken, and its phase does not end before it is done. So what the
    other places say is then of the same phase.
    """
    while True:
        ticket = load_atomic(common, TICKET)
        if not ticket & _LEFT:
            return 0
        if replace_atomic(common, TICKET, ticket, ticket - 1):
            return ticket


@_compiled
def run(common, table, helped, pause):
    """All rows of ``table``, with helpers if ``helped``; ``pause`` is the address of a yielding function."""
    row, rows = 0, table.shape[0]
    if helped:
        store_atomic(common, RUNNING, 1)
    while row < rows:
        parts, last = _parts_of(table, row), row
        while not table[last, WAITS]:
            last += 1
            parts += _parts_of(table, last)
        if helped and parts > 1:
            common[TABLE], common[FIRST], common[PARTS] = table.ctypes.data, row, parts
            store_atomic(common, DONE, 0)
            serial = (load_atomic(common, TICKET) >> _BITS) + 1
            # The first part is this thread's. So it asks BLAS first for memory to pack a block in, and
            # gets the same each time: what lies in the cache of another thread would have to come over.
            store_atomic(common, TICKET, (serial << _BITS) | (parts - 1))
            _do(table, row, 0)
            done = 1
            while True:
                ticket = _take(common)
                if not ticket:
                    break
                _do(table, row, parts - (ticket & _LEFT))
                done += 1
            looks = 0
            while load_atomic(common, DONE) + done < parts:
                looks += 1
                relax()
                if looks > _EAGER:
                    call_plain(pause)
        else:
            for part in range(parts):
                _do(table, row, part)
        row = last + 1
    if helped:
        store_atomic(common, RUNNING, 0)


@_compiled
def run_on(common, table, helped, pause, numbers, places, a, b, then, unless):
    """:func:`run` with the addresses of ``a`` and ``b`` where they belong among the arguments.

    After it the table ``then``, unless ``unless[0]`` is set by then.
    """
    for i in range(places.shape[0]):
        numbers[places[i, 1]] = b.ctypes.data if places[i, 0] else a.ctypes.data
    run(common, table, helped, pause)
    if not unless[0]:
        run(common, then, helped, pause)


@_compiled
def work(common, patience, pause):
    """Help until there has been nothing to do for so many looks, and no program runs."""
    idle = 0
    while idle < patience or load_atomic(common, RUNNING):
        ticket = _take(common)
        if ticket:
            idle = 0
            table = carray(pointer(common[TABLE], np.int64(0)), (1 << 16, COLUMNS))
            _do(table, common[FIRST], common[PARTS] - (ticket & _LEFT))
            add_atomic(common, DONE, 1)
        else:
            idle += 1
            relax()
            if idle > _EAGER:
                call_plain(pause)
    add_atomic(common, AWAKE, -1)


@_compiled
def wake(common):
    """Count one more helper in."""
    add_atomic(common, AWAKE, 1)
