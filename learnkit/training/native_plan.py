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
from learnkit.losses.classification import CrossEntropy
from learnkit.nn.gradient import GradientVector
from learnkit.training.plan import ForwardPlan, StepPlan

__all__ = ["NativePlan", "forward_plan", "step_plan"]

#: Rows up to which column sums in float32 are exact to 1e-6.
_TALL = 16384
#: Kernels that the program of a cross-entropy stands for.
_ENTROPY = frozenset(("cross_entropy_step", "softmax_cross_entropy", "mean_softmax_cross_entropy"))


def step_plan(model: Any, gradient: GradientVector, loss: Any, x: Array) -> StepPlan:
    """The plan that suits: of compiled programs where they can be had."""
    plan = StepPlan(model, gradient, loss, x)
    suits = plan.layers[0].weight.dtype.char in "fd" and 0 < x.shape[0] <= _TALL
    if not suits or engine() != "numba" or plan.layers[-1].relu:
        return plan
    if any(0 in layer.weight.shape for layer in plan.layers):
        return plan
    from learnkit.backends.native.blas import blas

    return plan if blas() is None else NativePlan(model, gradient, loss, x)


def forward_plan(model: Any) -> ForwardPlan:
    """The plan that suits for predictions."""
    plan = ForwardPlan(model)
    if engine() != "numba" or plan.empty or plan.relu_last or plan.dtype.char not in "fd":
        return plan
    from learnkit.backends.native.blas import blas

    library = blas()
    return plan if library is None else NativeForwardPlan(model, library)


class NativePlan(StepPlan):
    """A :class:`~learnkit.training.plan.StepPlan` in compiled programs."""

    def __init__(self, model: Any, gradient: GradientVector, loss: Any, x: Array) -> None:
        super().__init__(model, gradient, loss, x)
        from learnkit.backends.native.blas import blas
        from learnkit.backends.native.perceptron import Perceptron

        library: Any = blas()
        self._perceptron = Perceptron(self.layers, x.shape[0], library)
        self._may_be_whole = self._may_at_once and type(loss).with_gradient is CrossEntropy.with_gradient
        xp = array_namespace(x)
        self._value = xp.empty((1,), dtype=x.dtype)
        self._outside = xp.zeros((1,), dtype=xp.int8)

    def value_and_grad(self, x: Array, y: Array, weight: Array | None) -> Array:
        loss = self.step(x, y, weight)
        if loss is not None:
            return loss
        x = plain(x)
        self._forward.run(x)
        loss, g = self._loss_of(self.layers[-1].out, y, weight)
        self._backward.run(x, plain(g))
        return loss

    def step(self, x: Array, y: Array, weight: Array | None, update: Array | None = None) -> Array | None:
        """The loss, with gradient and update in one program; ``None`` if they have to be made one by one.

        Args:
            update: from :func:`~learnkit.optim.engine.prepared_update`. If the result is ``None`` it was not
                run.
        """
        self._gradient.check()
        if not self._may_be_whole or weight is not None or not self._loss.is_plain(self.layers[-1].out, y):
            return None
        if not _ENTROPY.isdisjoint(self._kernels.__dict__):
            return None
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
        return self._few(x, arrays, self._relus)
