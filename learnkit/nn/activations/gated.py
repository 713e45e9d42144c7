"""Functions that shorten an axis: one half gates the other, or the largest of a few is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn.activations.sigmoidal import sigmoid
from learnkit.nn.activations.smooth import gelu, silu
from learnkit.nn.module import Module
from learnkit.nn.options import axis_length, check_axis, check_choice

__all__ = ["GEGLU", "GLU", "Maxout", "SwiGLU", "geglu", "glu", "maxout", "swiglu"]

_GATES = ("first", "second")
_APPROXIMATIONS = ("none", "tanh")


def glu(x: Array, axis: int = -1, gate: str = "second") -> Array:
    """``a sigmoid(b)``, with a and b the two halves of ``axis``.

    Args:
        x: any shape with an even length of ``axis``; the result has half of it.
        axis: default the last.
        gate: which half goes through the sigmoid: ``"second"`` (default, as in PyTorch) or ``"first"``.

    Raises:
        ShapeError: x has no such axis, or its length is odd.
    """
    return _gated("glu", sigmoid, x, axis, gate)


def swiglu(x: Array, axis: int = -1, gate: str = "first") -> Array:
    """``silu(a) b``, with a and b the two halves of ``axis``.

    Args:
        x: any shape with an even length of ``axis``; the result has half of it.
        axis: default the last.
        gate: which half goes through silu: ``"first"`` (default, as in the paper and in Llama) or
            ``"second"``.

    Raises:
        ShapeError: x has no such axis, or its length is odd.
    """
    return _gated("swiglu", silu, x, axis, gate)


def geglu(x: Array, axis: int = -1, gate: str = "first", approximate: str = "none") -> Array:
    """``gelu(a) b``, with a and b the two halves of ``axis``.

    Args:
        x: any shape with an even length of ``axis``; the result has half of it.
        axis: default the last.
        gate: which half goes through gelu: ``"first"`` (default, as in the paper) or ``"second"``.
        approximate: ``"none"`` or ``"tanh"``, as for :func:`~learnkit.nn.gelu`.

    Raises:
        ShapeError: x has no such axis, or its length is odd.
    """
    return _gated("geglu", lambda a: gelu(a, approximate), x, axis, gate)


def _gated(owner: str, act: Callable[[Array], Array], x: Array, axis: int, gate: str) -> Array:
    check_choice(owner, "gate", gate, _GATES)
    n = axis_length(owner, x, axis)
    if n % 2:
        raise ShapeError(
            f"{owner} got x of shape {tuple(x.shape)}, expected an even length of axis {axis}",
            hint="the axis holds two halves, one of which gates the other",
        )
    before = (slice(None),) * (axis % len(x.shape))
    first = x[(*before, slice(0, n // 2), ...)]
    second = x[(*before, slice(n // 2, n), ...)]
    through, other = (first, second) if gate == "first" else (second, first)
    return array_namespace(x).multiply(act(through), other)


def maxout(x: Array, pieces: int = 2, axis: int = -1) -> Array:
    """``max(x_(k i), ..., x_(k i + k - 1))`` for each i: the largest of each k = ``pieces`` neighbours.

    Equal ones share the gradient.

    Args:
        x: any shape; the length of ``axis`` is k times ``pieces``, and the result has length k there.
        pieces: an integer >= 1.
        axis: default the last; Chainer has 1.

    Raises:
        ArgumentError: ``pieces`` is not an integer >= 1.
        ShapeError: x has no such axis, or its length is not a multiple of ``pieces``.
    """
    _check_pieces("maxout", pieces)
    n = axis_length("maxout", x, axis)
    if n % pieces:
        raise ShapeError(
            f"maxout got x of shape {tuple(x.shape)}, expected a length of axis {axis} that is a multiple "
            f"of {pieces} pieces"
        )
    at = axis % len(x.shape)
    xp = array_namespace(x)
    grouped = xp.reshape(x, (*x.shape[:at], n // pieces, pieces, *x.shape[at + 1 :]))
    return xp.max(grouped, axis=at + 1)


def _check_pieces(owner: str, pieces: Any) -> None:
    if type(pieces) is not int or pieces < 1:
        raise ArgumentError(f"{owner}: pieces is {pieces!r}, expected an integer >= 1")


class GLU(Module):
    """Layer of :func:`glu`: ``a sigmoid(b)`` of the two halves of an axis, which becomes half as long.

    Args:
        axis: default the last.
        gate: the half that goes through the sigmoid, ``"second"`` (default) or ``"first"``.

    Raises:
        ArgumentError: ``axis`` is not an integer, or ``gate`` another word.
        ShapeError: (when called) the length of the axis is odd.

    Source: Dauphin et al. 2017, "Language modeling with gated convolutional networks", arXiv:1612.08083.

    >>> import numpy as np
    >>> GLU()(np.asarray([3.0, 4.0, 0.0, np.inf]))
    array([1.5, 4. ])
    """

    def __init__(self, axis: int = -1, gate: str = "second") -> None:
        check_axis("GLU", axis)
        check_choice("GLU", "gate", gate, _GATES)
        self.axis = axis
        self.gate = gate

    def __call__(self, x: Any) -> Any:
        return glu(x, self.axis, self.gate)


class SwiGLU(Module):
    """Layer of :func:`swiglu`: ``silu(a) b`` of the two halves of an axis, which becomes half as long.

    Args:
        axis: default the last.
        gate: the half that goes through silu, ``"first"`` (default) or ``"second"``.

    Raises:
        ArgumentError: ``axis`` is not an integer, or ``gate`` another word.
        ShapeError: (when called) the length of the axis is odd.

    Source: Shazeer 2020, "GLU variants improve Transformer", arXiv:2002.05202, with beta at 1. The two
    matrices of the paper are one Linear of twice the width before this layer.

    >>> import numpy as np
    >>> SwiGLU()(np.asarray([0.0, 1.0, 5.0, 2.0])).round(5)
    array([0.     , 1.46212])
    """

    def __init__(self, axis: int = -1, gate: str = "first") -> None:
        check_axis("SwiGLU", axis)
        check_choice("SwiGLU", "gate", gate, _GATES)
        self.axis = axis
        self.gate = gate

    def __call__(self, x: Any) -> Any:
        return swiglu(x, self.axis, self.gate)


class GEGLU(Module):
    """Layer of :func:`geglu`: ``gelu(a) b`` of the two halves of an axis, which becomes half as long.

    Args:
        axis: default the last.
        gate: the half that goes through gelu, ``"first"`` (default) or ``"second"``.
        approximate: ``"none"`` (default) or ``"tanh"``.

    Raises:
        ArgumentError: ``axis`` is not an integer, or ``gate`` or ``approximate`` another word.
        ShapeError: (when called) the length of the axis is odd.

    Source: Shazeer 2020, "GLU variants improve Transformer", arXiv:2002.05202.

    >>> import numpy as np
    >>> GEGLU()(np.asarray([0.0, 1.0, 5.0, 2.0])).round(5)
    array([0.     , 1.68269])
    """

    def __init__(self, axis: int = -1, gate: str = "first", approximate: str = "none") -> None:
        check_axis("GEGLU", axis)
        check_choice("GEGLU", "gate", gate, _GATES)
        check_choice("GEGLU", "approximate", approximate, _APPROXIMATIONS)
        self.axis = axis
        self.gate = gate
        self.approximate = approximate

    def __call__(self, x: Any) -> Any:
        return geglu(x, self.axis, self.gate, self.approximate)


class Maxout(Module):
    """Layer of :func:`maxout`: ``max(x_(k i), ..., x_(k i + k - 1))`` for each i, with k = ``pieces``.

    Args:
        pieces: an integer >= 1, default 2.
        axis: default the last.

    Raises:
        ArgumentError: ``pieces`` is not an integer >= 1, or ``axis`` not an integer.
        ShapeError: (when called) the length of the axis is not a multiple of ``pieces``.

    Source: Goodfellow et al. 2013, "Maxout networks", arXiv:1302.4389. The linear maps of the paper are
    one Linear of ``pieces`` times the width before this layer.

    >>> import numpy as np
    >>> Maxout(2)(np.asarray([1.0, 3.0, 5.0, 2.0]))
    array([3., 5.])
    """

    def __init__(self, pieces: int = 2, axis: int = -1) -> None:
        _check_pieces("Maxout", pieces)
        check_axis("Maxout", axis)
        self.pieces = pieces
        self.axis = axis

    def __call__(self, x: Any) -> Any:
        return maxout(x, self.pieces, self.axis)
