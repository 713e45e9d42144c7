"""Where the time of a training step goes, taken down while it runs.

Two things tell: the tape's observer says which operation has just been computed, forward or backward, and
every module of the model says when it is entered and left. What lies between two of these moments belongs to
the later one if it is an operation, and to the module around them if it is not. So the parts add up to the
whole, Python included.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from learnkit.autodiff.tape import Node, observer
from learnkit.backends.base import Array, Backend
from learnkit.nn.module import Module

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["BACKWARD", "FORWARD", "LOSS", "OPTIMIZER", "OWN", "REST", "Recorder", "Stack", "Watch"]

FORWARD, BACKWARD, OPTIMIZER, REST = "forward", "backward", "optimizer", "the rest"
#: Where the layers end.
LOSS = "loss"
#: In place of an operation: what a module does itself, between operations.
OWN = ""

#: The phase, the modules from the outside in (or the loss), and the operation.
Stack = tuple[str, ...]


class Recorder:
    """Adds up nanoseconds by place.

    Args:
        backend: waited for at each moment, so that what a device does is counted where it was asked for.

    Attributes:
        spent: by stack: nanoseconds and how often.
    """

    def __init__(self, backend: Backend) -> None:
        self.spent: dict[Stack, list[int]] = {}
        self._wait = None if backend.on_host else backend.synchronize
        self._modules: Stack = ()
        self._phase = REST
        # By order of creation, not by node: a graph is freed as soon as nobody else needs it.
        self._origins: dict[int, Stack] = {}
        self._last = self._now()

    def begin(self) -> None:
        """A step begins: what was before it does not count."""
        self._modules, self._phase = (), REST
        self._origins.clear()
        self._last = self._now()

    def end(self) -> None:
        """The step has ended."""
        self._charge((self._phase, OWN))

    def reach(self, phase: str) -> None:
        """What comes now belongs to another phase; what has been until now to the one before."""
        self._charge((self._phase, OWN))
        self._phase = phase

    def taken(self) -> dict[Stack, list[int]]:
        """What was spent since the last call."""
        found, self.spent = self.spent, {}
        return found

    # Modules

    def enter(self, label: str) -> Stack:
        """A module is called; returns what :meth:`leave` takes."""
        around = self._modules
        self._charge((self._phase, *around, OWN))
        self._modules = (*around, label)
        return around

    def leave(self, around: Stack) -> None:
        """It returns."""
        self._charge((self._phase, *self._modules, OWN))
        self._modules = around

    # The tape's observer

    def recorded(self, node: Node, value: Any) -> None:
        """An operation was computed."""
        place = self._modules or (LOSS,)
        self._origins[node.order] = place
        self._charge((self._phase, *place, _name(node)))

    def passing(self, node: Node, g: Array) -> None:
        """A gradient has arrived; its way there belongs to the operation that takes it."""
        if self._phase != BACKWARD:
            self.reach(BACKWARD)

    def passed(self, node: Node, gradients: tuple[Array | None, ...]) -> None:
        """The rule of an operation has run."""
        self._charge((BACKWARD, *self._origins.get(node.order, (LOSS,)), _name(node)))

    def _charge(self, stack: Stack) -> None:
        now = self._now()
        entry = self.spent.get(stack)
        if entry is None:
            self.spent[stack] = [now - self._last, 1]
        else:
            entry[0] += now - self._last
            entry[1] += 1
        self._last = now

    def _now(self) -> int:
        if self._wait is not None:
            self._wait()
        return time.perf_counter_ns()


def _name(node: Node) -> str:
    return "an operation" if node.operation is None else node.operation.name


class _Gradient:
    """A trainer's gradient that tells when it is asked for and when it is there."""

    def __init__(self, gradient: Any, recorder: Recorder) -> None:
        self._gradient, self._recorder = gradient, recorder

    def value_and_grad(self, fn: Callable[[], Array]) -> Array:
        self._recorder.reach(FORWARD)
        value: Array = self._gradient.value_and_grad(fn)
        self._recorder.reach(OPTIMIZER)
        return value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gradient, name)


class Watch:
    """A block in which the steps of a trainer are taken down; other trainers are not touched.

    Args:
        trainer: with parameters that are laid out.
        recorder: what takes them down.
    """

    def __init__(self, trainer: Trainer, recorder: Recorder) -> None:
        self._trainer, self._recorder, self._plain = trainer, recorder, trainer.gradient
        self._telling: Any = _Gradient(trainer.gradient, recorder)
        self._modules = [
            (module, type(module), _telling(type(module), label(path, module), recorder))
            for path, module in trainer.model.modules().items()
        ]

    def __enter__(self) -> None:
        self._token = observer.set(self._recorder)
        self._trainer.gradient = self._telling
        for module, _, telling in self._modules:
            object.__setattr__(module, "__class__", telling)

    def __exit__(self, *exc: object) -> None:
        observer.reset(self._token)
        self._trainer.gradient = self._plain
        for module, plain, _ in self._modules:
            object.__setattr__(module, "__class__", plain)


def label(path: str, module: Module) -> str:
    """How a module is called in a profile: its path and its class."""
    return f"{path} {type(module).__name__}".lstrip()


def _telling(cls: type[Module], name: str, recorder: Recorder) -> type[Module]:
    """A class like ``cls`` whose calls are told to the recorder."""

    def call(self: Module, *args: Any, **kwargs: Any) -> Any:
        around = recorder.enter(name)
        try:
            return cls.__call__(self, *args, **kwargs)
        finally:
            recorder.leave(around)

    names = {"__call__": call, "__module__": cls.__module__, "__doc__": cls.__doc__}
    return type(cls.__name__, (cls,), names)
