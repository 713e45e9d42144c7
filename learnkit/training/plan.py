"""The step of a plain multi-layer perceptron on NumPy, worked out once for each shape of batch.

A small network's step takes some 100 microseconds, and without this half of that again is Python: reading
leaves, recording a tape, walking it. For layers of the form ``y = x W + b``, each followed by a ReLU or by
nothing, all of it is known in advance. A :class:`StepPlan` holds the arrays and the calls; it computes the
numbers of the tape, bit for bit. Any other model, and everything that watches the tape, takes the tape.
"""

from __future__ import annotations

from typing import Any

from learnkit.autodiff.tape import Leaf, backpropagate, new_level, observer
from learnkit.autodiff.variable import Variable, plain_value
from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.backends.numpy import COPIED, NumpyKernels
from learnkit.errors import GradientError
from learnkit.nn.activations import ReLU
from learnkit.nn.containers import Sequential
from learnkit.nn.gradient import GradientVector
from learnkit.nn.linear import Linear
from learnkit.nn.mlp import MLP
from learnkit.nn.module import Module, Parameter

__all__ = ["ForwardPlan", "Layer", "StepPlan", "fits", "plannable"]


#: Kernels that a plan stands for: where one of them is replaced, the tape is taken, which asks for it.
_REPLACED = frozenset(
    ("linear", "relu", "relu_backward", "matmul_into", "column_sums_into", "product_with_transpose")
)


def plannable(model: Module, kernels: Any, width: int | None = None) -> bool:
    """Whether a step of ``model`` with ``kernels`` can be planned, for rows of ``width`` numbers."""
    if type(model) not in (Sequential, MLP) or not isinstance(kernels, NumpyKernels):
        return False
    expected = 0
    before: Any = None
    for layer in model.layers:
        if type(layer) is Linear:
            if width not in (None, layer.in_features):
                return False  # the tape says what is wrong
            width = layer.out_features
            expected += 2 if "bias" in layer.parameters() else 1
        elif type(layer) is not ReLU or type(before) is not Linear:
            return False
        before = layer
    leaves = model.parameters().values()  # one that two layers share is there once
    return len(leaves) == expected > 0 and all(type(leaf) is Parameter for leaf in leaves)


class Layer:
    """One affine layer with what follows it: its arrays, and room for what a step computes."""

    def __init__(
        self, name: str, relu: bool, model: Module, gradient: GradientVector, rows: int, inner: bool
    ) -> None:
        leaves: dict[str, Any] = dict(model.parameters())
        views = gradient.views
        self.relu = relu
        self.weight = leaves[f"{name}.weight"].array
        self.to_weight = views[f"{name}.weight"]
        has_bias = f"{name}.bias" in leaves
        self.bias = leaves[f"{name}.bias"].array if has_bias else None
        self.to_bias = views[f"{name}.bias"] if has_bias else None
        inputs, outputs = self.weight.shape
        xp: Any = array_namespace(self.weight)
        dtype = self.weight.dtype
        kernels: Any = kernels_of(self.weight)
        room = kernels.room
        self.out = room((rows, outputs), dtype)
        self.back = room((rows, inputs), dtype) if inner else None
        if relu and not has_bias:
            self.bias = xp.zeros((outputs,), dtype=dtype)
        #: For a copy of the weights, transposed, as in the kernel product_with_transpose: where their
        #: gradient comes only afterwards.
        copied = inner and self.weight.size <= COPIED
        self.transposed = xp.reshape(self.to_weight, (outputs, inputs)) if copied else None


def _is_whole(cls: type) -> bool:
    """Whether ``with_gradient`` of a loss belongs to its mean, and was not inherited past one of its own."""
    mro = cls.__mro__
    owner = next((c for c in mro if "with_gradient" in vars(c)), None)
    own = mro[: mro.index(owner)] if owner is not None else mro
    return owner is not None and not any(name in vars(c) for c in own for name in ("mean", "__call__"))


class StepPlan:
    """Loss and gradient of a perceptron for batches of one shape.

    Args:
        model: for which :func:`plannable` holds.
        gradient: where the gradient goes; everything in it is trained.
        loss: of the trainer.
        x: a batch.
    """

    def __init__(self, model: Any, gradient: GradientVector, loss: Any, x: Array) -> None:
        self._loss = loss
        self._may_at_once = _is_whole(type(loss))
        self._gradient = gradient
        self._kernels: Any = kernels_of(x)
        self.layers = [
            Layer(str(i), type(after) is ReLU, model, gradient, x.shape[0], i > 0)
            for i, (layer, after) in enumerate(zip(model.layers, (*model.layers[1:], None), strict=True))
            if type(layer) is Linear
        ]

    def value_and_grad(self, x: Array, y: Array, weight: Array | None) -> Array:
        """The loss of a batch, with its gradient in the gradient's vector."""
        self._gradient.check()
        kernels, layers = self._kernels, self.layers
        matmul_into = kernels.matmul_into
        h = x
        for layer in layers:
            out = layer.out
            matmul_into(out, h, layer.weight)
            if layer.relu:
                kernels.bias_relu_in_place(out, layer.bias)
            elif layer.bias is not None:
                out += layer.bias
            h = out
        loss, g = self._loss_of(h, y, weight)
        last = len(layers) - 1
        for i in range(last, -1, -1):
            layer = layers[i]
            if layer.relu and i == last:  # what the loss gives may belong to somebody, or be a view
                g = kernels.relu_backward(g, layer.out)
            elif layer.relu:
                kernels.mask_in_place(g, layer.out)
            before = None
            if i:
                transposed = layer.weight.T
                if layer.transposed is not None:
                    layer.transposed[...] = transposed
                    transposed = layer.transposed
                before = matmul_into(layer.back, g, transposed)
            matmul_into(layer.to_weight, (layers[i - 1].out if i else x).T, g)
            if layer.to_bias is not None:
                kernels.column_sums_into(layer.to_bias, g)
            g = before
        return loss

    def _loss_of(self, out: Array, y: Array, weight: Array | None) -> tuple[Array, Array]:
        """The loss of the outputs and its gradient with respect to them: in one pass, or by the tape."""
        if self._may_at_once and weight is None:
            at_once = self._loss.with_gradient(out, y)
            if at_once is not None:
                loss_and_gradient: tuple[Array, Array] = at_once
                return loss_and_gradient
        level = new_level()
        leaf = Leaf(level)
        loss = self._loss(Variable(out, leaf), y, weight)
        if type(loss) is not Variable or loss.node.level != level:  # it does not depend on the outputs
            return plain_value(loss), array_namespace(out).zeros_like(out)
        value = loss.data
        if value.shape != ():
            raise GradientError(f"the loss has shape {tuple(value.shape)}, expected a 0-d array")
        backpropagate([(loss.node, kernels_of(value).one(value))], array_namespace(value))
        return value, leaf.gradient


#: Numbers in a layer's outputs that are computed at once in inference, so that they stay in the cache, and
#: the fewest rows: with fewer the threads of BLAS are not at their best.
_ROOM, _ROWS = 65_536, 512


class ForwardPlan:
    """The outputs of a perceptron, block by block: what one layer gives the next stays in the cache.

    Args:
        model: for which :func:`plannable` holds.
    """

    def __init__(self, model: Any) -> None:
        self.layers = model.layers
        leaves: dict[str, Any] = dict(model.parameters())
        self._leaves = [
            (leaves[f"{i}.weight"], leaves.get(f"{i}.bias"), type(after) is ReLU)
            for i, (layer, after) in enumerate(zip(model.layers, (*model.layers[1:], None), strict=True))
            if type(layer) is Linear
        ]
        self._width = max(weight.array.shape[1] for weight, _, _ in self._leaves)

    def __call__(self, x: Array) -> Array:
        """The outputs for a matrix ``x`` with at least one row."""
        rows = max(_ROWS, _ROOM // self._width)
        if x.shape[0] <= rows:
            return self._block(x, None)
        last: Any = self._leaves[-1][0].array
        xp: Any = array_namespace(x)
        out = xp.empty((x.shape[0], last.shape[1]), dtype=last.dtype)
        for start in range(0, x.shape[0], rows):
            self._block(x[start : start + rows, ...], out[start : start + rows, ...])
        return out

    def _block(self, h: Array, out: Array | None) -> Array:
        kernels: Any = kernels_of(h)
        last = self._leaves[-1][0]
        for weight, bias, relu in self._leaves:
            y = kernels.matmul_into(out if weight is last else None, h, weight.array)
            if bias is not None:
                if relu:
                    kernels.bias_relu_in_place(y, bias.array)
                else:
                    y += bias.array
            elif relu:
                y = kernels.relu(y)
                if weight is last and out is not None:
                    out[...] = y
            h = y
        return h


def fits(kernels: Any) -> bool:
    """Whether, at this moment, nobody watches the tape and no kernel of a plan is replaced."""
    return observer.get() is None and _REPLACED.isdisjoint(kernels.__dict__)
