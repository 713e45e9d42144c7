"""The loops, as machine code that is kept on disk. Each does the planes ``start`` to ``stop``.

The code is kept where ``NUMBA_CACHE_DIR`` says, by default beside this file, or in the user's cache folder if
that cannot be written. None of them holds Python's lock.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = [
    "col2im",
    "im2col",
    "index_add",
    "max_pool",
    "max_pool_backward",
    "max_pool_select",
    "window_spread",
    "window_sum",
]

_compiled = numba.njit(cache=True, nogil=True)


@_compiled
def _range(first: int, step: int, size: int, count: int) -> Any:
    """The positions r of ``count`` for which ``first + r step`` is in ``[0, size)``, as low and high."""
    low = 0 if first >= 0 else (-first + step - 1) // step
    high = 0 if first >= size else min(count, (size - 1 - first) // step + 1)
    return low, max(low, high)


@_compiled
def _copied(row: Any, out: Any, step: int) -> None:
    """``out = row[::step]``."""
    if step == 1:
        for q in range(len(out)):
            out[q] = row[q]
    else:
        for q in range(len(out)):
            out[q] = row[step * q]


@_compiled
def im2col(
    start: int,
    stop: int,
    x: Any,
    columns: Any,
    kh: int,
    kw: int,
    sh: int,
    sw: int,
    ph: int,
    pw: int,
    dh: int,
    dw: int,
) -> None:
    _, groups, _, per_group, rows, across = columns.shape
    h, w = x.shape[1:]
    for plane in range(start, stop):
        channel = plane % (groups * per_group)
        n, group, c = plane // (groups * per_group), channel // per_group, channel % per_group
        for i in range(kh):
            for j in range(kw):
                out = columns[n, group, i * kw + j, c]
                first = j * dw - pw
                low, high = _range(first, sw, w, across)
                for r in range(rows):
                    y = r * sh + i * dh - ph
                    if y < 0 or y >= h:
                        for q in range(across):
                            out[r, q] = 0.0
                        continue
                    for q in range(low):
                        out[r, q] = 0.0
                    _copied(x[plane, y, first + low * sw :], out[r, low:high], sw)
                    for q in range(high, across):
                        out[r, q] = 0.0


@_compiled
def col2im(
    start: int,
    stop: int,
    columns: Any,
    x: Any,
    kh: int,
    kw: int,
    sh: int,
    sw: int,
    ph: int,
    pw: int,
    dh: int,
    dw: int,
) -> None:
    _, groups, _, per_group, rows, across = columns.shape
    h, w = x.shape[1:]
    for plane in range(start, stop):
        channel = plane % (groups * per_group)
        n, group, c = plane // (groups * per_group), channel // per_group, channel % per_group
        x[plane] = 0.0
        for i in range(kh):
            for j in range(kw):
                part = columns[n, group, i * kw + j, c]
                first = j * dw - pw
                low, high = _range(first, sw, w, across)
                above, below = _range(i * dh - ph, sh, h, rows)
                for r in range(above, below):
                    y = r * sh + i * dh - ph
                    _spread(part[r, low:high], x[plane, y, first + low * sw :], sw)


@_compiled
def _larger(row: Any, top: Any, step: int) -> None:
    """``top = max(row[::step], top)``; NaN stays. As choices, not branches: those are for vector units."""
    if step == 1:
        for q in range(len(top)):
            top[q] = top[q] if (row[q] <= top[q] or top[q] != top[q]) else row[q]
    elif step == 2:
        for q in range(len(top)):
            top[q] = top[q] if (row[2 * q] <= top[q] or top[q] != top[q]) else row[2 * q]
    else:
        for q in range(len(top)):
            top[q] = top[q] if (row[step * q] <= top[q] or top[q] != top[q]) else row[step * q]


@_compiled
def _added(row: Any, total: Any, step: int) -> None:
    """``total += row[::step]``."""
    if step == 1:
        for q in range(len(total)):
            total[q] += row[q]
    elif step == 2:
        for q in range(len(total)):
            total[q] += row[2 * q]
    else:
        for q in range(len(total)):
            total[q] += row[step * q]


@_compiled
def _spread(row: Any, total: Any, step: int) -> None:
    """``total[::step] += row``."""
    if step == 1:
        for q in range(len(row)):
            total[q] += row[q]
    else:
        for q in range(len(row)):
            total[step * q] += row[q]


@_compiled
def max_pool(
    start: int,
    stop: int,
    x: Any,
    y: Any,
    kh: int,
    kw: int,
    sh: int,
    sw: int,
    ph: int,
    pw: int,
    dh: int,
    dw: int,
) -> None:
    h, w = x.shape[1:]
    rows, across = y.shape[1:]
    for plane in range(start, stop):
        for r in range(rows):
            y[plane, r] = -np.inf
            for i in range(kh):
                row = r * sh + i * dh - ph
                if row < 0 or row >= h:
                    continue
                for j in range(kw):
                    low, high = _range(j * dw - pw, sw, w, across)
                    _larger(x[plane, row, j * dw - pw + low * sw :], y[plane, r, low:high], sw)


@_compiled
def _first(
    image: Any,
    top: Any,
    r: int,
    q: int,
    kh: int,
    kw: int,
    sh: int,
    sw: int,
    ph: int,
    pw: int,
    dh: int,
    dw: int,
) -> Any:
    """The first pixel under the window that equals ``top``; row -1 if there is none."""
    h, w = image.shape
    for i in range(kh):
        row = r * sh + i * dh - ph
        if row < 0 or row >= h:
            continue
        for j in range(kw):
            column = q * sw + j * dw - pw
            if 0 <= column < w and image[row, column] == top:
                return row, column
    return -1, -1


@_compiled
def max_pool_backward(
    start: int, stop: int, g: Any, x: Any, y: Any, dx: Any,
    kh: int, kw: int, sh: int, sw: int, ph: int, pw: int, dh: int, dw: int,
) -> None:  # fmt: skip
    rows, across = y.shape[1:]
    for plane in range(start, stop):
        dx[plane] = 0.0
        for r in range(rows):
            for q in range(across):
                row, column = _first(x[plane], y[plane, r, q], r, q, kh, kw, sh, sw, ph, pw, dh, dw)
                if row >= 0:
                    dx[plane, row, column] += g[plane, r, q]


@_compiled
def max_pool_select(
    start: int, stop: int, v: Any, x: Any, y: Any, out: Any,
    kh: int, kw: int, sh: int, sw: int, ph: int, pw: int, dh: int, dw: int,
) -> None:  # fmt: skip
    rows, across = y.shape[1:]
    for plane in range(start, stop):
        for r in range(rows):
            for q in range(across):
                row, column = _first(x[plane], y[plane, r, q], r, q, kh, kw, sh, sw, ph, pw, dh, dw)
                out[plane, r, q] = v[plane, row, column] if row >= 0 else 0.0


@_compiled
def window_sum(
    start: int,
    stop: int,
    x: Any,
    y: Any,
    kh: int,
    kw: int,
    sh: int,
    sw: int,
    ph: int,
    pw: int,
    dh: int,
    dw: int,
) -> None:
    h, w = x.shape[1:]
    rows, across = y.shape[1:]
    line = np.empty(w, x.dtype)
    for plane in range(start, stop):
        for r in range(rows):
            # First the rows under the window as one, then what lies beside each other in it.
            line[:] = 0.0
            for i in range(kh):
                row = r * sh + i * dh - ph
                if 0 <= row < h:
                    _added(x[plane, row], line, 1)
            y[plane, r] = 0.0
            for j in range(kw):
                low, high = _range(j * dw - pw, sw, w, across)
                _added(line[j * dw - pw + low * sw :], y[plane, r, low:high], sw)


@_compiled
def window_spread(
    start: int,
    stop: int,
    g: Any,
    x: Any,
    kh: int,
    kw: int,
    sh: int,
    sw: int,
    ph: int,
    pw: int,
    dh: int,
    dw: int,
) -> None:
    h, w = x.shape[1:]
    rows, across = g.shape[1:]
    line = np.empty(w, x.dtype)
    for plane in range(start, stop):
        x[plane] = 0.0
        for r in range(rows):
            line[:] = 0.0
            for j in range(kw):
                low, high = _range(j * dw - pw, sw, w, across)
                _spread(g[plane, r, low:high], line[j * dw - pw + low * sw :], sw)
            for i in range(kh):
                row = r * sh + i * dh - ph
                if 0 <= row < h:
                    _added(line, x[plane, row], 1)


@_compiled
def index_add(start: int, stop: int, table: Any, indices: Any, rows: Any) -> None:
    for m in range(len(indices)):
        _added(rows[m, start:stop], table[indices[m], start:stop], 1)
