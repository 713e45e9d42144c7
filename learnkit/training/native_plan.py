"""The planned step of a perceptron as compiled programs, for NumPy with the extra ``fast``.

What :class:`~learnkit.training.plan.StepPlan` calls one by one is here one program
(``learnkit.backends.native``), whose parts threads share without going back to Python.
"""

from __future__ import annotations

import functools
from typing import Any

from learnkit.backends.base import Array, array_namespace
from learnkit.backends.compiled_rows import plain
from learnkit.backends.engine import engine
from learnkit.backends.numpy import TALL
from learnkit.losses.classification import CrossEntropy
from learnkit.nn.activations import ReLU
from learnkit.nn.gradient import GradientVector
from learnkit.training.plan import ForwardPlan, StepPlan

__all__ = ["NativePlan", "forward_plan", "step_plan"]

#: Kernels that the program of a cross-entropy stands for.
_ENTROPY = frozenset(("cross_entropy_step", "softmax_cross_entropy", "mean_softmax_cross_entropy"))


def step_plan(model: Any, gradient: GradientVector, loss: Any, x: Array) -> StepPlan:
    """The plan that suits: of compiled programs where they can be had."""
    library = _library_for(model) if 0 < x.shape[0] <= TALL else None
    if library is None:
        return StepPlan(model, gradient, loss, x)
    return NativePlan(model, gradient, loss, x, library)


def forward_plan(model: Any) -> ForwardPlan:
    """The plan that suits for predictions."""
    library = _library_for(model)
    return ForwardPlan(model) if library is None else NativeForwardPlan(model, library)


def _library_for(model: Any) -> Any:
    """What multiplies in the programs of a model that can be planned; ``None`` if it cannot have any."""
    arrays = [leaf.array for leaf in model.parameters().values()]
    suits = all(a.dtype.char in "fd" and 0 not in a.shape for a in arrays)
    if not suits or engine() != "numba" or type(model.layers[-1]) is ReLU:
        return None
    from learnkit.backends.native.blas import blas

    return blas()


class NativePlan(StepPlan):
    """A :class:`~learnkit.training.plan.StepPlan` in compiled programs."""

    def __init__(self, model: Any, gradient: GradientVector, loss: Any, x: Array, library: Any) -> None:
        super().__init__(model, gradient, loss, x)
        from learnkit.backends.native.perceptron import Perceptron

        self._perceptron = Perceptron(self.layers, x.shape[0], library)
        self._may_be_whole = self._may_at_once and type(loss).with_gradient is CrossEntropy.with_gradient
        xp = array_namespace(x)
        self._value = xp.empty((1,), dtype=x.dtype)
        self._outside = xp.zeros((1,), dtype=xp.int8)

    def value_and_grad(self, x: Array, y: Array, weight: Array | None) -> Array:
        if self.is_whole(y, weight):
            at_once = self.step(x, y)
            if at_once is not None:
                return at_once
        self._gradient.check()
        x, out = plain(x), self.layers[-1].out
        self._forward.run(x)
        loss, g = self._loss_of(out, y, weight)
        if g.dtype != out.dtype:  # of a loss that computes in another
            g = array_namespace(out).astype(g, out.dtype)
        self._backward.run(x, plain(g))
        return loss

    def is_whole(self, y: Array, weight: Array | None) -> bool:
        """Whether the loss of such a batch is part of the program."""
        if not self._may_be_whole or weight is not None or not self._loss.is_plain(self.layers[-1].out, y):
            return False
        return _ENTROPY.isdisjoint(self._kernels.__dict__)

    def step(self, x: Array, y: Array, update: Array | None = None) -> Array | None:
        """The loss, with gradient and update in one program, for a batch for which :meth:`is_whole` holds.

        Args:
            update: from :func:`~learnkit.optim.engine.prepared_update`.

        Returns:
            The loss, or ``None`` if a label is outside the classes; then there was no update.
        """
        self._gradient.check()
        xp = array_namespace(y)
        labels = plain(y if y.dtype == xp.int64 else xp.astype(y, xp.int64))
        if update is None:
            self._whole.run(plain(x), labels)
        else:
            self._whole.run(plain(x), labels, then=update, unless=self._outside)
        if self._outside[0]:
            self._outside[0] = 0  # the tape says what is wrong, or leaves those rows out
            return None
        loss: Array = self._value[0]
        return loss

    @functools.cached_property
    def _whole(self) -> Any:
        out = self.layers[-1].out
        xp = array_namespace(out)
        losses, g = xp.empty((out.shape[0],), dtype=out.dtype), xp.empty(out.shape, dtype=out.dtype)
        return self._perceptron.whole(losses, g, self._outside, self._value)

    @functools.cached_property
    def _forward(self) -> Any:
        return self._perceptron.forward()

    @functools.cached_property
    def _backward(self) -> Any:
        return self._perceptron.backward()


class NativeForwardPlan(ForwardPlan):
    """A :class:`~learnkit.training.plan.ForwardPlan` that is a compiled program for a few rows."""

    def __init__(self, model: Any, library: Any) -> None:
        super().__init__(model)
        from learnkit.backends.native.prediction import Prediction

        self._few = Prediction(library)
        self._leaves_in_order = [leaf for weight, bias, _ in self._leaves for leaf in (weight, bias)]
        self._relus = [relu for _, _, relu in self._leaves]

    def __call__(self, x: Array) -> Array:
        if x.shape[0] > self._few.most:
            return super().__call__(x)
        arrays = [None if leaf is None else leaf.array for leaf in self._leaves_in_order]
        out = self._few(x, arrays, self._relus)
        return super().__call__(x) if out is None else out
