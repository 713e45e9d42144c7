"""An epoch cut into batches, to test that a metric does not depend on the cuts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from learnkit.backends.base import Array
from learnkit.metrics.base import Metric, on_host, sums_of

__all__ = ["cut", "in_batches"]


def cut(arrays: Sequence[Array | None], cuts: Sequence[int]) -> Iterator[list[Array | None]]:
    """The batches that end at the rows ``cuts``; a batch may be empty."""
    n = next(int(a.shape[0]) for a in arrays if a is not None)
    for start, stop in zip([0, *cuts], [*cuts, n], strict=True):
        yield [None if a is None else a[start:stop, ...] for a in arrays]


def in_batches(
    metric: Metric,
    y_pred: Array,
    y_true: Array,
    sample_weight: Array | None = None,
    *,
    cuts: Sequence[int] = (),
    order: Any = None,
) -> Any:
    """The metric of batches that end at ``cuts``.

    Args:
        metric: to compute.
        y_pred, y_true, sample_weight: of the whole epoch.
        cuts: rows at which batches end, in ascending order.
        order: a NumPy generator that draws which two parts are merged next; ``None`` merges from the left.

    >>> import numpy as np
    >>> from learnkit.metrics import MAE
    >>> in_batches(MAE(), np.asarray([1.0, 2.0, 3.0]), np.zeros(3), cuts=[1])
    2.0
    """
    sums = [
        sums_of(metric, batch[0], batch[1], batch[2]) for batch in cut([y_pred, y_true, sample_weight], cuts)
    ]
    while len(sums) > 1:
        first = sums.pop(0 if order is None else int(order.integers(0, len(sums))))
        j = 0 if order is None else int(order.integers(0, len(sums)))
        sums[j] = metric.combine(first, sums[j])
    return metric.compute(on_host(sums[0]))
