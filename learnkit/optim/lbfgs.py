"""L-BFGS: a quasi-Newton step from the last changes of parameters and gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import array_api_compat

from learnkit.backends.base import Array, array_namespace, size_of
from learnkit.checks import at_least, one_of
from learnkit.errors import ArgumentError
from learnkit.optim.base import LeafGradient, Optimizer, State, check_in
from learnkit.optim.line_search import Point, strong_wolfe
from learnkit.schedules.base import Schedule

__all__ = ["LBFGS"]


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """Limited-memory BFGS, for losses without noise: small networks on the whole batch, fits, calibration.

    ::

        d = -H g     H: the inverse Hessian as the last history_size pairs (s, y) have it
        theta = theta + t d
        s = t d, y = new g - g, kept if y s > 1e-10

    One call of ``step_with`` makes up to ``max_iter`` such iterations, as one of ``torch.optim.LBFGS``, with
    the same iterates. A ``Trainer`` calls it once a batch: give it the whole set as one batch.
    ``apply``, which has one gradient to go by, makes one iteration of length lr.

    Its decisions are made on the host, so it waits for the device at every evaluation.

    Args:
        lr: > 0, or a schedule; default 1: the step length, or the first that the line search tries.
        max_iter: iterations in a step, >= 1; default 20.
        max_eval: evaluations in a step; default ``max_iter * 5 // 4``.
        tolerance_grad: ends the step when no element of the gradient is larger; default 1e-7.
        tolerance_change: ends it when neither parameters nor loss change more; default 1e-9.
        history_size: pairs to keep, >= 1; default 100.
        line_search_fn: ``"strong_wolfe"``, or ``None`` (default, as in PyTorch) for steps of length lr.

    Raises:
        ArgumentError: an argument is out of range; ``apply`` with a line search.

    Source: Liu and Nocedal 1989; Nocedal and Wright 2006, "Numerical optimization", algorithm 7.4.

    >>> import numpy as np
    >>> rule = LBFGS(line_search_fn="strong_wolfe")
    >>> w = np.asarray([3.0, -2.0])
    >>> value, w, state = rule.step_with(lambda w: (w @ w, 2 * w), w, rule.init(w))
    >>> np.abs(w).max() < 1e-6
    np.True_
    """

    slots: ClassVar[tuple[str, ...]] = ("direction", "gradient", "numbers", "y", "s", "rho")
    #: The lists of pairs grow with the run; all begin anew when other parameters are frozen.
    growing: ClassVar[tuple[str, ...]] = ("direction", "gradient", "y", "s", "rho")

    lr: float | Schedule = 1.0
    max_iter: int = 20
    max_eval: int | None = None
    tolerance_grad: float = 1e-7
    tolerance_change: float = 1e-9
    history_size: int = 100
    line_search_fn: Literal["strong_wolfe"] | None = None

    def __post_init__(self) -> None:
        self.check_lr()
        at_least("LBFGS", "max_iter", self.max_iter, 1)
        if self.max_eval is not None:
            at_least("LBFGS", "max_eval", self.max_eval, 1)
        check_in("LBFGS", "tolerance_grad", self.tolerance_grad, "[0, inf)")
        check_in("LBFGS", "tolerance_change", self.tolerance_change, "[0, inf)")
        at_least("LBFGS", "history_size", self.history_size, 1)
        one_of("LBFGS", "line_search_fn", self.line_search_fn, ("strong_wolfe", None))

    def init_leaves(self, leaves: list[Array], state: State) -> dict[str, list[Array]]:
        made: dict[str, list[Array]] = {name: [] for name in self.slots}
        if leaves:
            theta = _flat(leaves)
            xp = array_namespace(theta)
            made["direction"], made["gradient"] = [xp.zeros_like(theta)], [xp.zeros_like(theta)]
            made["numbers"] = [_Numbers().array(theta)]
        return made

    def lookahead_leaves(self, leaves: list[Array], state: State) -> list[Array]:
        return leaves  # its slots are not lists of one array for each leaf

    def step_leaves(
        self, value_and_grad: LeafGradient, leaves: list[Array], state: State
    ) -> tuple[Array, list[Array], dict[str, list[Array]]]:
        if not leaves:
            value, _ = value_and_grad(leaves)
            return value, leaves, state.slots
        run = _Run(self.at(state.step), self.lr_at(state.step), value_and_grad, leaves, state.slots)
        run.go(self.max_iter)
        return run.first_value, run.leaves(), run.slots()

    def apply_leaves(
        self, leaves: list[Array], gradients: list[Array], state: State
    ) -> tuple[list[Array], dict[str, list[Array]]]:
        if self.line_search_fn is not None:
            raise ArgumentError(
                "LBFGS: a line search asks for several gradients in a step, and apply has one",
                hint="call step_with(value_and_grad, params, state)",
            )
        if not leaves:
            return leaves, state.slots
        run = _Run(
            self.at(state.step),
            self.lr_at(state.step),
            lambda points: (math.nan, gradients),
            leaves,
            state.slots,
        )
        run.go(1)
        return run.leaves(), run.slots()


@dataclass
class _Numbers:
    """What is kept beside vectors: one array of double precision where the library has it."""

    iterations: float = 0.0
    evaluations: float = 0.0
    t: float = 0.0
    scale: float = 1.0

    def array(self, like: Array) -> Array:
        xp: Any = array_namespace(like)
        values = [self.iterations, self.evaluations, self.t, self.scale]
        return xp.asarray(values, dtype=xp.float64, device=array_api_compat.device(like))


class _Run:
    """The iterations of one step, on the parameters as one vector."""

    def __init__(
        self,
        rule: LBFGS,
        lr: float,
        value_and_grad: LeafGradient,
        leaves: list[Array],
        slots: dict[str, list[Array]],
    ) -> None:
        self.rule, self.lr = rule, lr
        self._ask = value_and_grad
        self._given = leaves
        self.theta = _flat(leaves)
        self.xp: Any = array_namespace(self.theta)
        if tuple(slots["direction"][0].shape) != tuple(self.theta.shape):
            slots = rule.init_leaves(leaves, State())  # other parameters are frozen than before
        self.numbers = _Numbers(*(float(slots["numbers"][0][i]) for i in range(4)))
        (self.direction,), (self.previous,) = slots["direction"], slots["gradient"]
        self.y, self.s, self.rho = (list(slots[name]) for name in ("y", "s", "rho"))
        self.first_value: Any = None
        self.evaluations = 0

    def slots(self) -> dict[str, list[Array]]:
        """What the next step goes on from."""
        return {
            "direction": [self.direction],
            "gradient": [self.previous],
            "numbers": [self.numbers.array(self.theta)],
            "y": self.y,
            "s": self.s,
            "rho": self.rho,
        }

    def leaves(self) -> list[Array]:
        """The parameters as they are now, in their shapes."""
        return self._leaves(self.theta)

    def go(self, max_iter: int) -> None:
        rule, numbers = self.rule, self.numbers
        max_eval = rule.max_iter * 5 // 4 if rule.max_eval is None else rule.max_eval
        value, gradient = self._evaluate(self.theta)
        if self._largest(gradient) <= rule.tolerance_grad:
            return
        for i in range(1, max_iter + 1):
            numbers.iterations += 1
            first = numbers.iterations == 1
            self.direction = -gradient if first else self._direction(gradient)
            self.previous, before = gradient, value
            numbers.t = self.lr
            if first:
                numbers.t = min(1.0, 1.0 / float(self.xp.sum(self.xp.abs(gradient)))) * self.lr
            slope = self._dot(gradient, self.direction)
            if not slope <= -rule.tolerance_change:
                return
            if rule.line_search_fn is not None:
                value, gradient = self._search(value, gradient, slope, max_eval)
            else:
                self.theta = self.theta + numbers.t * self.direction
                if i < max_iter:  # after the last one, nobody needs the gradient
                    value, gradient = self._evaluate(self.theta)
            if i == max_iter or self.evaluations >= max_eval:
                return
            if self._largest(gradient) <= rule.tolerance_grad:
                return
            if self._largest(self.direction) * abs(numbers.t) <= rule.tolerance_change:
                return
            if abs(value - before) < rule.tolerance_change:
                return

    def _direction(self, gradient: Array) -> Array:
        """``-H g`` by the two loops, after the last pair has been taken in."""
        y = gradient - self.previous
        s = self.direction * self.numbers.t
        ys = self._dot(y, s)
        if ys > 1e-10:
            self.y, self.s, self.rho = (
                [*kept, new][-self.rule.history_size :]
                for kept, new in ((self.y, y), (self.s, s), (self.rho, self._scalar(1.0 / ys)))
            )
            self.numbers.scale = ys / self._dot(y, y)
        q = -gradient
        rho = [float(r) for r in self.rho]
        alphas = []
        for i in range(len(rho) - 1, -1, -1):
            alpha = self._dot(self.s[i], q) * rho[i]
            q = q - alpha * self.y[i]
            alphas.append(alpha)
        r = self.numbers.scale * q
        for i, alpha in enumerate(reversed(alphas)):
            r = r + (alpha - self._dot(self.y[i], r) * rho[i]) * self.s[i]
        return r

    def _search(self, value: float, gradient: Array, slope: float, max_eval: int) -> tuple[float, Array]:
        def at(t: float) -> Point:
            value, gradient = self._evaluate(self.theta + t * self.direction)
            return Point(t, value, gradient, self._dot(gradient, self.direction))

        found, _ = strong_wolfe(
            at,
            Point(0.0, value, gradient, slope),
            self.numbers.t,
            self._largest(self.direction),
            max_evals=max_eval - self.evaluations,
            tolerance_change=self.rule.tolerance_change,
        )
        self.numbers.t = found.t
        self.theta = self.theta + found.t * self.direction
        return found.value, found.gradient

    def _evaluate(self, theta: Array) -> tuple[float, Array]:
        value, gradients = self._ask(self._leaves(theta))
        if self.first_value is None:
            self.first_value = value
        self.evaluations += 1
        self.numbers.evaluations += 1
        return float(value), _flat(gradients)

    def _leaves(self, theta: Array) -> list[Array]:
        out, start = [], 0
        for leaf in self._given:
            stop = start + size_of(tuple(leaf.shape))
            out.append(self.xp.astype(self.xp.reshape(theta[start:stop], tuple(leaf.shape)), leaf.dtype))
            start = stop
        return out

    def _dot(self, a: Array, b: Array) -> float:
        return float(self.xp.vecdot(a, b))

    def _largest(self, a: Array) -> float:
        return float(self.xp.max(self.xp.abs(a))) if a.shape[0] else 0.0

    def _scalar(self, value: float) -> Array:
        return self.xp.asarray(value, dtype=self.xp.float64, device=array_api_compat.device(self.theta))


def _flat(leaves: list[Array]) -> Array:
    """All leaves as one new vector, in the widest of their dtypes."""
    xp = array_namespace(*leaves)
    dtype = xp.result_type(*(leaf.dtype for leaf in leaves))
    return xp.concat([xp.reshape(xp.astype(leaf, dtype), (-1,)) for leaf in leaves], axis=0)
