"""Fused functions with a gradient, which is fused in its turn and comes from the same trace."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from learnkit.autodiff.primitive import Primitive
from learnkit.autodiff.reverse import vjp
from learnkit.autodiff.tape import Node
from learnkit.autodiff.variable import Variable
from learnkit.backends.base import Array
from learnkit.fusion import Fused

__all__ = ["DifferentiableFused", "fuse"]

Parents = tuple[Node | None, ...]


class DifferentiableFused:
    """What :func:`fuse` returns: the function, where possible as one kernel and one node of the tape.

    Attributes:
        function: as it was given.
    """

    def __init__(self, function: Callable[..., Any], name: str = "") -> None:
        self.function = function
        self._fused = Fused(function, name)
        self._primitive = Primitive(self._forward, self._fused.name)
        self._primitive.rule(self._backward)
        self._pullbacks: dict[tuple[bool, ...], DifferentiableFused] = {}
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **options: Any) -> Any:
        for a in args:
            if type(a) is Variable:
                if self._recorded(args, options):
                    return self._primitive(*args, **options)
                return self.function(*args, **options)
        return self._fused(*args, **options)

    def _recorded(self, args: tuple[Any, ...], options: dict[str, Any]) -> bool:
        """Whether the function is one kernel of one result for these arguments, and so one node."""
        plain = []
        for a in args:
            while type(a) is Variable:
                a = a.data
            plain.append(a)
        prepared = self._fused.prepared(tuple(plain), options)
        return prepared is not None and prepared[0].fits(*prepared[1:])

    def _forward(self, xp: Any, /, *args: Any, **options: Any) -> tuple[Array, Any]:
        return self(*args, **options), (args, options)

    def _backward(self, xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array | None, ...]:
        args, options = saved
        wanted = tuple([p is not None for p in parents])
        pullback = self._pullbacks.get(wanted)
        if pullback is None:
            pullback = self._pullbacks[wanted] = self._pullback(wanted)
        gradients = iter(pullback.each(g, *args, **options))
        return tuple([next(gradients) if w else None for w in wanted])

    def each(self, *args: Any, **options: Any) -> tuple[Any, ...]:
        """The results as a tuple, of one as well as of several."""
        result = self(*args, **options)
        return result if type(result) is tuple else (result,)

    def _pullback(self, wanted: tuple[bool, ...]) -> DifferentiableFused:
        """From ``(g, *args)`` to the gradients of the arguments that are wanted."""
        places = [i for i, w in enumerate(wanted) if w]

        def pullback(g: Array, *args: Any, **options: Any) -> Any:
            def of_chosen(*chosen: Any) -> Any:
                given = list(args)
                for place, value in zip(places, chosen, strict=True):
                    given[place] = value
                return self.function(*given, **options)

            _, back = vjp(of_chosen, *(args[i] for i in places))
            gradients = back(g)
            return gradients[0] if len(gradients) == 1 else gradients

        return DifferentiableFused(pullback, f"{self._fused.name}_gradient")

    def __repr__(self) -> str:
        return repr(self._fused)


def fuse(function: Callable[..., Any]) -> DifferentiableFused:
    """Run an elementwise function as one kernel instead of one pass over memory for each operation.

    Args:
        function: ``f(*arrays, **options)`` in standard array code, elementwise but for an ``xp.sum`` or
            ``xp.mean`` of everything at its end. What it computes must depend on its arguments alone: it is
            run once for each kind of arguments, with symbols in the place of arrays and numbers.

    Returns:
        A function of the same arguments with the same results, on NumPy, CuPy and variables. Its gradient, of
        every order, is fused too.

    On NumPy the kernel is machine code if Numba is installed (``pip install "pylearnkit[fast]"``), kept on
    disk and shared among threads when the arrays are large; otherwise NumPy calls on blocks that stay in the
    cache. On CuPy it is one launch. Options and arguments that are Python floats may change without a new
    compilation.
    Where it cannot be fused (another library, arrays of several shapes, indexing, sums along an axis), the
    function runs as it is, and the logger ``learnkit.fusion`` says at level DEBUG what stood in the way.

    The results have the same bits for any number of threads; beside the function run plainly, float32
    exp, log, tanh and erf differ by a few units in the last place.

    >>> import numpy as np
    >>> from learnkit import value_and_grad
    >>> from learnkit.backends import array_namespace
    >>> @fuse
    ... def wave(x, y, *, width=1.0):
    ...     xp = array_namespace(x)
    ...     return xp.mean(xp.square(xp.sin((x - y) / width)))
    >>> x, y = np.asarray([0.0, np.pi / 4]), np.asarray([0.0, 0.0])
    >>> round(float(wave(x, y)), 12)
    0.25
    >>> value_and_grad(wave)(x, y)[1].round(12)
    array([0. , 0.5])
    """
    return DifferentiableFused(function)
