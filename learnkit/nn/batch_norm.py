"""Normalisation that keeps running statistics: batch and instance normalisation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from learnkit.autodiff.rules.normalization import affine_channels, normalize
from learnkit.backends.base import Array, array_namespace, size_of
from learnkit.checks import at_least, positive
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn.init import Ones, Zeros
from learnkit.nn.leaves import Buffer, Parameter
from learnkit.nn.module import Module
from learnkit.nn.scope import TrainingScope, current_scope, training

__all__ = ["BatchNorm1d", "BatchNorm2d", "InstanceNorm1d", "InstanceNorm2d", "update_statistics"]


class _ChannelNorm(Module):
    """What batch and instance normalisation share: a weight and a bias a channel, and running statistics."""

    #: For each number of axes that x may have, how its shape is written in messages.
    _shapes: ClassVar[dict[int, str]]

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        unbiased_running_var: bool,
    ) -> None:
        owner = type(self).__name__
        at_least(owner, "num_features", num_features, 1)
        positive(owner, "eps", eps)
        if momentum is not None and (type(momentum) not in (int, float) or not 0 <= momentum <= 1):
            raise ArgumentError(f"{owner}: momentum is {momentum!r}, expected a number in [0, 1] or None")
        self.num_features = num_features
        self.eps = float(eps)
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        self.unbiased_running_var = unbiased_running_var
        size = (num_features,)
        self.weight = Parameter(size, Ones()) if affine else None
        self.bias = Parameter(size, Zeros()) if affine else None
        if track_running_stats:
            self.running_mean = Buffer(size, Zeros())
            self.running_var = Buffer(size, Ones())
            if momentum is None:
                self.num_batches_tracked = Buffer((), Zeros())

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the running variance to 1, and the count of batches to 0."""
        for name, leaf in self._leaves.items():
            if isinstance(leaf, Buffer) and leaf.array is not None:
                leaf.array[...] = 1.0 if name == "running_var" else 0.0

    def _check(self, x: Any) -> tuple[int, ...]:
        shape = tuple(x.shape)
        if len(shape) not in self._shapes or shape[1] != self.num_features:
            raise ShapeError(
                f"{type(self).__name__} got x of shape {shape}, expected "
                f"{' or '.join(self._shapes.values())} with {self.num_features} channels in axis 1"
            )
        return shape

    def _by_running(self, x: Any) -> Any:
        """``w (x - running_mean) / sqrt(running_var + eps) + b``."""
        mean, var, weight, bias = self.running_mean, self.running_var, self.weight, self.bias
        xp = array_namespace(x, mean, var, weight, bias)
        factor = xp.divide(1.0, xp.sqrt(xp.add(var, self.eps)))
        if weight is not None:
            factor = xp.multiply(factor, weight)
        outer = array_namespace(x)
        shape = tuple(x.shape)
        view = (shape[0], self.num_features, size_of(shape[2:]))
        y = affine_channels(outer.reshape(x, view), mean, factor, bias)
        return array_namespace(y).reshape(y, shape)

    def _observer(self, scope: TrainingScope | None, n: int) -> Callable[[Array, Array], None] | None:
        """What to do with mean and variance of ``n`` values, if this is a use that counts."""
        if scope is None or not self.track_running_stats or not scope.first_time(self):
            return None
        mean_leaf, var_leaf = self._leaves["running_mean"], self._leaves["running_var"]
        correction = n / (n - 1) if self.unbiased_running_var and n > 1 else 1.0

        def observe(mean: Array, var: Array) -> None:
            xp = array_namespace(mean)
            share: Any = self.momentum
            if share is None:
                counter = self._leaves["num_batches_tracked"]
                count = xp.add(scope.read(counter), 1.0)
                scope.write(counter, count)
                share = xp.divide(1.0, count)
            for leaf, value, factor in ((mean_leaf, mean, 1.0), (var_leaf, var, correction)):
                if len(value.shape) == 2:  # of instances: their average
                    value = xp.mean(value, axis=0)
                new = xp.multiply(xp.reshape(value, (self.num_features,)), factor)
                old = scope.read(leaf)
                new = xp.astype(new, old.dtype, copy=False)
                scope.write(leaf, xp.add(old, xp.multiply(xp.subtract(new, old), share)))

        return observe


class _BatchNorm(_ChannelNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        unbiased_running_var: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, unbiased_running_var)

    def __call__(self, x: Any) -> Any:
        shape = self._check(x)
        scope = current_scope()
        if scope is None and self.track_running_stats:
            return self._by_running(x)
        c = self.num_features
        n = size_of(shape) // c
        if n == 0:
            return x
        if n == 1 and scope is not None:
            raise ShapeError(
                f"{type(self).__name__} got x of shape {shape} in training: "
                "one value a channel has no variance",
                hint="choose a batch_size that leaves no last batch of one row",
            )
        rest = size_of(shape[2:])
        view, observe = (shape[0], c, rest), self._observer(scope, n)
        return normalize(x, self.weight, self.bias, view=view, eps=self.eps, observe=observe)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of features: ``y = w (x - mean) / sqrt(var + eps) + b`` for each channel.

    In training mean and variance (dividing by n) are those of the batch, over all axes but axis 1, and the
    running statistics move towards them; otherwise they are the running statistics. Within a step that
    is when the block of :func:`~learnkit.nn.training` ends; a step that fails changes nothing.

    x: (batch, num_features) or (batch, num_features, length) -> y: the same shape.

    Args:
        num_features: channels, axis 1 of x; an integer >= 1.
        eps: > 0; added to the variance.
        momentum: weight of the *new* statistics, as in PyTorch, in [0, 1]:
            ``running = (1 - momentum) running + momentum new``. ``None`` is the average over all batches.
            Keras' and Flax's number of this name is the weight of the old, ``1 - momentum``.
        affine: whether there are w, which starts at 1, and b, which starts at 0.
        track_running_stats: ``False`` takes the statistics of the batch outside of training too.
        unbiased_running_var: whether the running variance divides by n - 1, as in PyTorch, or by n, as in
            Keras and Flax.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) x has another shape; in training, there is one value a channel only.

    Source: Ioffe and Szegedy 2015, "Batch normalization", arXiv:1502.03167, in PyTorch's form.

    >>> import numpy as np
    >>> from learnkit.nn import initialize, training
    >>> norm = BatchNorm1d(1)
    >>> _ = initialize(norm, backend="numpy")
    >>> with training():
    ...     norm(np.asarray([[1.0], [3.0]])).round(3).tolist()
    [[-1.0], [1.0]]
    >>> norm.running_mean.tolist(), norm.running_var.tolist()
    ([0.20000000298023224], [1.100000023841858])
    """

    _shapes: ClassVar = {2: "(batch, channels)", 3: "(batch, channels, length)"}


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images: as :class:`BatchNorm1d`, over batch, height and width.

    x: (batch, num_features, height, width), channels in axis 1 as in PyTorch -> y: the same shape.

    Args:
        num_features, eps, momentum, affine, track_running_stats, unbiased_running_var: as for
            :class:`BatchNorm1d`.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) x has another shape; in training, there is one value a channel only.

    >>> BatchNorm2d(16)
    BatchNorm2d(num_features=16)
    """

    _shapes: ClassVar = {4: "(batch, channels, height, width)"}


class _InstanceNorm(_ChannelNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        unbiased_running_var: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, unbiased_running_var)

    def __call__(self, x: Any) -> Any:
        shape = self._check(x)
        scope = current_scope()
        if scope is None and self.track_running_stats:
            return self._by_running(x)
        if 0 in shape:
            return x
        n = size_of(shape[2:])
        if n == 1:
            raise ShapeError(
                f"{type(self).__name__} got x of shape {shape}: one value an instance has no variance",
                hint="it needs more than one position behind the channels",
            )
        view, observe = (shape[0], self.num_features, 1, n), self._observer(scope, n)
        return normalize(x, self.weight, self.bias, view=view, eps=self.eps, observe=observe)


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of sequences: each channel of each example is normalised by itself.

    ``y = w (x - mean) / sqrt(var + eps) + b``, mean and variance over the positions.

    x: (batch, num_features, length) -> y: the same shape.

    Args:
        num_features: channels, axis 1 of x; an integer >= 1.
        eps: > 0; added to the variance, which divides by n.
        momentum, unbiased_running_var: of running statistics, as for :class:`BatchNorm1d`.
        affine: whether there are w and b, one for each channel; default not, as in PyTorch.
        track_running_stats: whether to keep running statistics, averaged over the batch, and to use them
            outside of training; default not, as in PyTorch.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) x has another shape, or one position only.

    Source: Ulyanov, Vedaldi and Lempitsky 2016, "Instance normalization", arXiv:1607.08022.

    >>> InstanceNorm1d(8, affine=True)
    InstanceNorm1d(num_features=8, affine=True)
    """

    _shapes: ClassVar = {3: "(batch, channels, length)"}


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of images: as :class:`InstanceNorm1d`, over height and width.

    x: (batch, num_features, height, width), channels in axis 1 as in PyTorch -> y: the same shape.

    Args:
        num_features, eps, momentum, affine, track_running_stats, unbiased_running_var: as for
            :class:`InstanceNorm1d`.

    Raises:
        ArgumentError: an argument is out of range.
        ShapeError: (when called) x has another shape, or one position only.

    >>> InstanceNorm2d(16)
    InstanceNorm2d(num_features=16)
    """

    _shapes: ClassVar = {4: "(batch, channels, height, width)"}


def update_statistics(model: Module, batches: Iterable[Any], *, seed: int = 0) -> int:
    """Set the running statistics of ``model`` to the averages over ``batches``, for the weights as they are.

    For weights that were not trained but averaged, such as those of SWA: the running statistics that were
    learned beside other weights do not fit them.

    Args:
        model: with layers that keep running statistics, or none.
        batches: inputs x on the model's device; each counts the same.
        seed: of dropout, which drops as in training, as PyTorch's ``update_bn`` lets it.

    Returns:
        The number of batches.

    >>> import numpy as np
    >>> from learnkit.nn import initialize
    >>> norm = BatchNorm1d(1)
    >>> _ = initialize(norm, backend="numpy")
    >>> update_statistics(norm, [np.asarray([[1.0], [3.0]]), np.asarray([[3.0], [5.0]])])
    2
    >>> norm.running_mean.tolist(), norm.running_var.tolist()
    ([3.0], [2.0])
    """
    norms = [m for m in model.modules().values() if isinstance(m, _ChannelNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    for norm in norms:
        norm.reset_running_stats()
    count = 0
    try:
        for x in batches:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = None if momentum is None else 1.0 / (count + 1)
            with training(seed, count):
                model(x)
            count += 1
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return count
