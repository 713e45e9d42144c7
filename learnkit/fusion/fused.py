"""Functions of arrays that run as one kernel: traced once for each kind of arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from learnkit.backends.base import Array
from learnkit.backends.engine import engine
from learnkit.fusion.emit_numpy import numpy_source
from learnkit.fusion.host import NotFusable
from learnkit.fusion.launch import Launch, launch_for, library_of
from learnkit.fusion.options import told_apart
from learnkit.fusion.symbols import Symbol
from learnkit.fusion.trace import Argument, Trace, trace

__all__ = ["Fused", "Kernel"]

_log = logging.getLogger("learnkit.fusion")

#: Traces of a function that are kept; it has more where it compares a number that changes at every call.
_MOST = 16
#: Kernels of a function. Where it would have more, an option that is no float is another at every call, and
#: to compile for each would take a thousand times as long as to run plainly.
_MOST_KERNELS = 32
_PLAIN = frozenset({bool, int, str, tuple, type(None)})

#: Kernels by what they compute: equal traces of two functions are compiled once.
_launches: dict[Any, Launch] = {}


class Kernel:
    """A function on arrays of given dtypes: its traces, and the one that holds for the numbers of a call.

    Some functions cannot be traced with numbers that may change, for instance because they take
    ``math.log`` of one. They are traced for the numbers of a call: ``varying`` ones become arguments of the
    kernel, and the function is traced at every call; others are constants, and each set of them has a trace.

    Args:
        name: for messages.
        call: ``(arrays, numbers) -> result``, on symbols.
        arguments: of the arrays.
        library: of the arrays, from ``library_of``.
        targets: for each output the argument that it overwrites; ``None`` makes all outputs new.
        varying: whether the numbers change from call to call, as the step does.
    """

    def __init__(
        self,
        name: str,
        call: Callable[[list[Any], Mapping[str, Any]], Any],
        arguments: tuple[Argument, ...],
        library: str,
        targets: tuple[int, ...] | None = None,
        *,
        varying: bool = False,
    ) -> None:
        self.name = name
        self._call = call
        self._arguments = arguments
        self._library = library
        self._targets = targets
        self._varying = varying
        self._held: list[tuple[Any, Launch, bool]] = []
        self._launches: set[Launch] = set()
        self._by_value: dict[Any, Kernel] | None = None
        self._again = False
        #: Why the function cannot be fused; nothing if it can.
        self.reason = ""
        #: Whether it returns one array, for all numbers so far; not known before the first call.
        self.single: bool | None = None

    def run(self, arrays: list[Array], numbers: Mapping[str, Any], shape: tuple[int, ...]) -> Any:
        """The result, or ``NotImplemented`` if the function has to be run plainly; see :attr:`reason`.

        With targets the arrays are overwritten and the result means nothing.
        """
        for host, launch, single in self._held:
            scalars = host(*numbers.values(), *shape) if host is not None else ()
            if scalars is not None:
                return _returned(launch(arrays, scalars), single)
        if self.reason:
            return NotImplemented
        if self._by_value is not None and not self._again:
            return self._for_values(arrays, numbers, shape)
        return self._traced(arrays, numbers, shape)

    def fits(self, arrays: list[Array], numbers: Mapping[str, Any], shape: tuple[int, ...]) -> bool:
        """Whether the function is fused for these arguments, and returns one array."""
        # With other numbers the function may go another way, and return something else.
        known = not self._held or any(
            host is None or host(*numbers.values(), *shape) is not None for host, _, _ in self._held
        )
        if (self.single is None or not known) and self.run(arrays, numbers, shape) is NotImplemented:
            self.single = False
        return bool(self.single)

    def _note(self, single: bool | None) -> None:
        self.single = bool(single) and self.single is not False

    def _traced(self, arrays: list[Array], numbers: Mapping[str, Any], shape: tuple[int, ...]) -> Any:
        again = self._again  # of this call: another thread may change its mind meanwhile
        try:
            found = trace(self._call, self._arguments, shape, numbers, retraced=again)
            if len(self._launches) > _MOST_KERNELS:
                raise NotFusable("it computes something else at every call")
            launch = _compiled(found, self._places(found), self._library)
        except NotFusable as error:
            return self._otherwise(error, again, arrays, numbers, shape)
        self._launches.add(launch)
        self._note(found.single)
        if again:
            return _returned(launch(arrays, found.numbers), found.single)
        self._held.insert(0, (found.host, launch, found.single))
        if len(self._held) > _MOST:  # its conditions change from call to call
            self._held.clear()
            self._again = True
        scalars = () if found.host is None else found.host(*numbers.values(), *shape) or ()
        return _returned(launch(arrays, scalars), found.single)

    def _otherwise(
        self,
        error: NotFusable,
        again: bool,
        arrays: list[Array],
        numbers: Mapping[str, Any],
        shape: tuple[int, ...],
    ) -> Any:
        """After a trace that failed: the next way to trace, or none."""
        if numbers and not again and self._varying:
            _log.debug("%s is traced at every call: %s", self.name, error)
            self._again = True
            return self._traced(arrays, numbers, shape)
        if numbers and not again:
            if self._by_value is None:
                self._by_value = {}
            return self._for_values(arrays, numbers, shape)
        self.reason = str(error)
        _log.debug("%s runs unfused: %s", self.name, error)
        return NotImplemented

    def _for_values(self, arrays: list[Array], numbers: Mapping[str, Any], shape: tuple[int, ...]) -> Any:
        assert self._by_value is not None
        values = tuple(map(told_apart, numbers.values()))
        kernel = self._by_value.get(values)
        if kernel is None:
            if len(self._by_value) >= _MOST:  # a number that changes from call to call after all
                self._again = True
                return self._traced(arrays, numbers, shape)
            fixed = dict(numbers)

            def call(symbols: list[Any], nothing: Mapping[str, Any]) -> Any:
                return self._call(symbols, fixed)

            kernel = Kernel(self.name, call, self._arguments, self._library, self._targets)
            self._by_value[values] = kernel
        made = kernel.run(arrays, {}, shape)
        if made is not NotImplemented:
            self._note(kernel.single)
        return made

    def _places(self, found: Trace) -> tuple[int | None, ...]:
        if self._targets is None:
            return (None,) * len(found.outputs)
        if len(self._targets) != len(found.outputs) or found.reduction:
            raise NotFusable(f"it returns {len(found.outputs)} arrays, not {len(self._targets)}")
        return self._targets


def _returned(made: Any, single: bool) -> Any:
    """What a launch made, as the function returns it."""
    return made if type(made) is not list else made[0] if single and made else tuple(made)


def _compiled(found: Trace, targets: tuple[int | None, ...], library: str) -> Launch:
    kinds = tuple((str(a.dtype), a.full) for a in found.arguments)
    outputs = tuple(str(y.dtype) for y in found.outputs)
    key = (library, engine(), numpy_source(found, targets), kinds, outputs, found.reduction, targets)
    launch = _launches.get(key)
    if launch is None:
        launch = _launches[key] = launch_for(found, targets, library)
    return launch


class Fused:
    """A function written for the standard, run as one kernel where that is possible.

    Args:
        function: of arrays and, by name, of options. What it computes must depend on nothing else.
        name: for messages.

    On arrays of other libraries, of several shapes or without floating-point numbers, and where it does
    something that is not elementwise, it runs as it is.
    """

    def __init__(self, function: Callable[..., Any], name: str = "") -> None:
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)
        self._kernels: dict[Any, Kernel] = {}

    def __call__(self, *args: Any, **options: Any) -> Any:
        prepared = self.prepared(args, options)
        if prepared is not None:
            kernel, arrays, numbers, shape = prepared
            made = kernel.run(arrays, numbers, shape)
            if made is not NotImplemented:
                return made
        return self.function(*args, **options)

    def prepared(
        self, args: tuple[Any, ...], options: Mapping[str, Any]
    ) -> tuple[Kernel, list[Array], dict[str, Any], tuple[int, ...]] | None:
        """The kernel for these arguments and what it is run on, or ``None`` if there is none."""
        library, shape = "", None
        key: list[Any] = []
        arrays: list[Array] = []
        numbers: dict[str, Any] = {}
        for i, a in enumerate(args):
            t = type(a)
            if t is float or t is int:
                numbers[f"{i}"] = a
                key.append(t)
                continue
            if t is not np.ndarray:
                if t is Symbol or (isinstance(a, np.ndarray) and t is not np.memmap):
                    return None  # masked arrays, matrices and the like have rules of their own
                if not isinstance(a, np.generic) and not library_of(a):
                    if a is None or t in (bool, str):
                        key.append(a)
                        continue
                    return None
            if a.shape:
                if shape is None:
                    shape, library = a.shape, library_of(a)
                elif a.shape != shape:
                    return None
            arrays.append(a)
            key.append((a.dtype, a.ndim))
        if shape is None or 0 in shape:
            return None
        for name, value in options.items():
            if type(value) is float:
                numbers[name] = value
                key.append((name, float))
            elif type(value) not in _PLAIN and hasattr(value, "dtype") and not isinstance(value, np.generic):
                return None  # an array, or a variable
            else:
                key.append((name, told_apart(value)))
        try:
            found = self._kernels.get((library, *key))
        except TypeError:  # an option that cannot be hashed
            return None
        if found is None:
            if library == "numpy" and engine() == "off":
                return None
            if len(self._kernels) >= _MOST_KERNELS:
                _log.debug("%s runs unfused: it has another option at every call", self.name)
                return None
            found = self._kernels[(library, *key)] = self._kernel(args, options, library)
        return found, arrays, numbers, shape

    def _kernel(self, args: tuple[Any, ...], options: Mapping[str, Any], library: str) -> Kernel:
        places: list[Any] = []  # for each positional argument: where its value comes from
        arguments: list[Argument] = []
        for i, a in enumerate(args):
            if type(a) in (float, int):
                places.append(f"{i}")
            elif hasattr(a, "dtype"):
                places.append(len(arguments))
                arguments.append(Argument(np.dtype(a.dtype), bool(a.shape)))
            else:
                places.append((a,))
        fixed = {n: v for n, v in options.items() if type(v) is not float}
        named = [n for n, v in options.items() if type(v) is float]
        function = self.function

        def call(symbols: list[Any], numbers: Mapping[str, Any]) -> Any:
            given = [
                p[0] if type(p) is tuple else numbers[p] if type(p) is str else symbols[p] for p in places
            ]
            return function(*given, **fixed, **{n: numbers[n] for n in named})

        return Kernel(self.name, call, tuple(arguments), library)

    def __repr__(self) -> str:
        return f"<fused {self.name}>"
