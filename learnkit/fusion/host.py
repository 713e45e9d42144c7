"""Numbers of the host while a function is traced: hyper-parameters, ``lr``, ``step``, sizes.

A :class:`HostNumber` stands for a Python number that may be another one in the next call. What is computed
from such numbers alone is written down as a small Python function, run once a call in double precision,
and only its results go to the kernel. So ``1 - beta ** step`` costs no compilation when the step changes.

A comparison has to be answered while tracing. The answer is that of the numbers at hand, and is written
down as a condition of the trace: where it does not hold, the function is traced once more.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from learnkit.backends.base import PYTHON_SCALARS

__all__ = ["HostNumber", "HostProgram", "NotFusable"]

_NUMBERS = frozenset({bool, int, float})


class NotFusable(BaseException):
    """A function cannot be traced; the text says at what.

    No ``Exception``, as a function that is traced may catch those and go on in another way than on arrays.
    """


class HostProgram:
    """What is computed on the host before a kernel is called, as the lines of a Python function.

    Args:
        names: of the numbers that each call gives.
    """

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self._inputs = {name: f"g{i}" for i, name in enumerate(names)}
        self._lines: list[str] = []
        self._known: dict[str, HostNumber] = {}
        self._guards: set[str] = set()

    def input(self, name: str, value: Any) -> HostNumber:
        """The number that calls give under ``name``."""
        return HostNumber(self, self._inputs[name], value)

    def apply(self, form: str, function: Callable[..., Any], *operands: Any) -> HostNumber:
        """``function(*operands)``, written as ``form``."""
        text = form.format(*map(self._written, operands))
        known = self._known.get(text)
        if known is None:
            values = [o.value if type(o) is HostNumber else o for o in operands]
            name = f"h{len(self._known)}"
            known = self._known[text] = HostNumber(self, name, function(*values))
            if type(known.value) is complex:
                raise NotFusable("a complex number, the root of a negative one")
            self._lines.append(f"{name} = {text}")
            if "**" in form:
                self._lines.append(f"if type({name}) is complex: return None")
        return known

    def decide(self, form: str, function: Callable[..., bool], *operands: Any) -> bool:
        """The answer to a comparison, which becomes a condition of the trace."""
        text = form.format(*map(self._written, operands))
        answer = bool(function(*(o.value if type(o) is HostNumber else o for o in operands)))
        if text not in self._guards:
            self._guards.add(text)
            self._lines.append(f"if {'not ' if answer else ''}({text}): return None")
        return answer

    def source(self, results: list[HostNumber]) -> str:
        """The function: from the numbers of a call to those that the kernel takes, or to ``None``."""
        body = "".join(f"    {line}\n" for line in self._lines)
        values = "".join(f"{r.name}, " for r in results)
        return f"def host({', '.join(self._inputs.values())}):\n{body}    return ({values})\n"

    def compiled(self, results: list[HostNumber]) -> Callable[..., tuple[Any, ...] | None] | None:
        """That function, or ``None`` if there is nothing to compute and no condition."""
        if not self._lines and not results:
            return None
        made: dict[str, Any] = {}
        exec(self.source(results), made)
        host: Callable[..., tuple[Any, ...] | None] = made["host"]
        return host

    def _written(self, x: Any) -> str:
        if type(x) is HostNumber:
            if x.program is not self:
                raise NotFusable("a number of another trace")
            return x.name
        if type(x) in _NUMBERS:
            text = repr(x)
            return text if text.lstrip("-")[0].isdigit() else f"float({text!r})" if type(x) is float else text
        raise NotFusable(f"a host number with an operand of type {type(x).__name__}")


class HostNumber:
    """A number that may change from call to call; see the module."""

    __slots__ = ("name", "program", "value")

    def __init__(self, program: HostProgram, name: str, value: Any) -> None:
        self.program = program
        self.name = name
        self.value = value

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """That of the number: ``isinstance(lr, float)`` answers as it would for it."""
        return type(self.value)

    def __repr__(self) -> str:
        return f"<number {self.name}, now {self.value!r}>"

    def __bool__(self) -> bool:
        return self.program.decide("{0} != 0", lambda x: x != 0, self)

    def __hash__(self) -> int:
        raise NotFusable("the hash of a number that may change")

    def _closed(self, *_: Any) -> Any:
        raise NotFusable(
            "a number that may change is turned into a float or an index; write x ** 0.5 for math.sqrt(x)"
        )

    __float__ = __int__ = __index__ = __complex__ = __round__ = __str__ = __format__ = _closed


_OPERANDS = _NUMBERS | {HostNumber}

# It takes no part in type promotion, as the number that it stands for would not.
PYTHON_SCALARS.add(HostNumber)


def _arithmetic(form: str, function: Callable[..., Any], swapped: bool = False) -> Callable[..., Any]:
    def method(self: HostNumber, *other: Any) -> Any:
        if other and type(other[0]) is not HostNumber and not isinstance(other[0], (int, float)):
            return NotImplemented
        operands = (*other, self) if swapped else (self, *other)
        plain = tuple(o if type(o) in _OPERANDS or not isinstance(o, float) else float(o) for o in operands)
        return self.program.apply(form, function, *plain)

    return method


def _comparison(form: str, function: Callable[..., bool]) -> Callable[..., Any]:
    def method(self: HostNumber, other: Any) -> Any:
        if type(other) is not HostNumber and type(other) not in _NUMBERS:
            return NotImplemented
        return self.program.decide(form, function, self, other)

    return method


for _name, _form, _function in (
    ("add", "{0} + {1}", operator.add),
    ("sub", "{0} - {1}", operator.sub),
    ("mul", "{0} * {1}", operator.mul),
    ("truediv", "{0} / {1}", operator.truediv),
    ("floordiv", "{0} // {1}", operator.floordiv),
    ("mod", "{0} % {1}", operator.mod),
    ("pow", "({0}) ** ({1})", operator.pow),
):
    setattr(HostNumber, f"__{_name}__", _arithmetic(_form, _function))
    setattr(HostNumber, f"__r{_name}__", _arithmetic(_form, _function, swapped=True))
_unary: Callable[..., Any]
for _name, _form, _unary in (
    ("neg", "-({0})", operator.neg),
    ("pos", "+({0})", operator.pos),
    ("abs", "abs({0})", abs),
):
    setattr(HostNumber, f"__{_name}__", _arithmetic(_form, _unary))
for _name, _form, _function in (
    ("lt", "{0} < {1}", operator.lt),
    ("le", "{0} <= {1}", operator.le),
    ("gt", "{0} > {1}", operator.gt),
    ("ge", "{0} >= {1}", operator.ge),
    ("eq", "{0} == {1}", operator.eq),
    ("ne", "{0} != {1}", operator.ne),
):
    setattr(HostNumber, f"__{_name}__", _comparison(_form, _function))
del _name, _form, _function, _unary
