"""The gradient of a model as one vector, filled in place step after step."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from learnkit.autodiff.tape import Leaf, backpropagate, new_level
from learnkit.autodiff.variable import Variable
from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.errors import ArgumentError, GradientError
from learnkit.nn.leaves import substituting
from learnkit.nn.module import Module
from learnkit.nn.vector import ParameterVector

__all__ = ["GradientVector"]


class GradientVector:
    """The gradient with respect to all parameters of ``model``, in a vector laid out like theta.

    The vector is allocated once. Rules that can, write their result straight into it.

    Attributes:
        vector: the gradient of the last call.
        views: of it, by leaf path.
    """

    def __init__(self, model: Module, parameters: ParameterVector) -> None:
        self.vector = parameters.zeros()
        leaves = model.parameters()
        self.views = views = parameters.layout.views(self.vector)
        # Made once: what stands for the parameters, and where their gradients arrive.
        self._all = [(leaf, leaf.array, Leaf(0, views[path], path)) for path, leaf in leaves.items()]
        self._parts = self._all
        self._variables: dict[Any, Array] = {leaf: Variable(array, node) for leaf, array, node in self._parts}

    def freeze(self, paths: Collection[str]) -> None:
        """From now on nothing is computed for the leaves at ``paths``, and their part of the vector is 0."""
        self._parts = []
        for leaf, array, node in self._all:
            if node.path in paths:
                node.buffer[...] = 0.0  # type: ignore[index]
            else:
                self._parts.append((leaf, array, node))
        self._variables = {leaf: Variable(array, node) for leaf, array, node in self._parts}

    @property
    def partial(self) -> bool:
        """Whether some leaves are frozen."""
        return len(self._parts) != len(self._all)

    def check(self) -> None:
        """Refuse a model whose parameters were laid out anew, for another trainer.

        Raises:
            ArgumentError: that is so.
        """
        for leaf, array, _ in self._parts:
            if leaf.array is not array:
                raise ArgumentError(
                    "the parameters of this model now lie in another vector, "
                    "so a step here would not reach it",
                    hint="a model belongs to the Trainer, or initialize(), that was given it last; use that",
                )

    def value_and_grad(self, fn: Callable[[], Array]) -> Array:
        """The value of ``fn()``, a 0-d loss of the model's parameters, with its gradient in ``vector``.

        Raises:
            GradientError: the value is not a 0-d array.
            ArgumentError: another ParameterVector has taken the model over.
        """
        level = new_level()
        self.check()
        for _, _, node in self._parts:
            node.restart(level)
        with substituting(self._variables):
            loss = fn()
        if loss.shape != ():
            raise GradientError(f"the loss has shape {tuple(loss.shape)}, expected a 0-d array")
        if type(loss) is Variable and loss.node.level == level:
            value = loss.data
            backpropagate([(loss.node, kernels_of(value).one(value))], array_namespace(value))
            loss = value
        for _, _, node in self._parts:
            if node.fresh:  # a parameter that the loss does not depend on
                node.buffer[...] = 0.0  # type: ignore[index]
        return loss
