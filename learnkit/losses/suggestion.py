"""Which loss fits a task and its targets, and why."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from learnkit.errors import ArgumentError, DataError, did_you_mean
from learnkit.losses.host import class_counts, on_host

__all__ = ["Suggestion", "suggest"]

#: A value further outside the quartiles than this many times their distance is an outlier: Tukey's "far out".
FAR_OUT = 3.0
#: Targets lean if the distances of both quartiles from the median differ by more than this part of their sum.
LEAN = 0.05
#: Outliers decide the squared error if this share of the squared deviations from the median is theirs.
INFLUENCE = 0.5
#: More than this share of the rows are no outliers but another kind of row.
FEW = 0.2
#: 1.345 standard deviations of the error leave a Huber loss 95 % as efficient as MSE on normal errors.
EFFICIENT = 1.345
#: The standard deviation of a normal distribution over its median absolute deviation.
MAD_TO_STD = 1.4826
#: Fewer rows say nothing of outliers or counts.
ENOUGH = 5
#: The largest class over the smallest from which on classes count as imbalanced.
IMBALANCE = 10.0
#: Counts with a larger median are as good as numbers.
SMALL_COUNT = 20.0
#: Variance over mean, 1 for a Poisson distribution; beyond this they are hardly counts of single events.
DISPERSION = 20.0
#: A region of less than this share of the elements is small.
SMALL_REGION = 0.05


@dataclass(frozen=True)
class Suggestion:
    """A loss for a task, and why.

    Attributes:
        loss: the loss by name, with options where the data set them, ``"huber:delta=0.8"``;
            ``Trainer(loss=...)`` and ``--loss`` take it.
        reason: one sentence: what was found in the targets, and so why this loss.
        alternatives: others with what speaks for them, ``{"mae": "..."}``.
    """

    loss: str
    reason: str
    alternatives: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.loss}: {self.reason}"


def suggest(task: str, y: Any = None, *, names: Sequence[Any] = ()) -> Suggestion:
    """Which loss to take for a task, from its training targets.

    Args:
        task: ``"regression"`` (numbers), ``"counts"``, ``"classification"`` (class numbers, one output for
            each class), ``"binary"`` (0 and 1, one output), ``"multilabel"`` (0 and 1, an output for each
            label), ``"segmentation"`` (0 and 1, or class numbers, for each element), ``"similarity"`` (pairs
            that are alike or not, or classes), ``"ranking"``, ``"distribution"`` or ``"sequence"``.
        y: the training targets: an array of any backend or a nested list; looked at on the host. May be left
            out where it does not matter.
        names: what the classes are called in the reason, in the order of their numbers.

    Returns:
        A :class:`Suggestion`.

    Raises:
        ArgumentError: the task is unknown, or needs targets and there are none.
        DataError: the targets do not belong to the task.

    >>> print(suggest("regression", [1.5, 2.0, 3.0, 4.0, 5.0]))
    mse: no outliers among the targets
    >>> suggest("binary", [0, 1, 0, 1]).loss
    'binary_cross_entropy'
    >>> suggest("classification", [0] * 95 + [1] * 5).loss
    'weighted_cross_entropy'
    """
    if task not in _TASKS:
        raise ArgumentError(
            f"suggest: unknown task {task!r}{did_you_mean(task, _TASKS)}", hint=f"known: {', '.join(_TASKS)}"
        )
    needs, rule = _TASKS[task]
    values = None if y is None else on_host(y)
    if needs and (values is None or not values.size):
        raise ArgumentError(
            f"suggest: {task} needs the training targets, got {'none' if y is None else 'no rows'}"
        )
    return rule(values, names) if task in _OF_CLASSES else rule(values)


# Numbers


def _regression(y: Any) -> Suggestion:
    flat = _numbers(y)
    found = _outliers(flat)
    if found is not None:
        share, influence, delta = found
        return Suggestion(
            f"huber:delta={delta:.3g}",
            f"{share:.2%} of the targets are outliers, far beyond the quartiles, and would make up "
            f"{influence:.0%} of the squared error",
            (("mae", "fits the median"), ("mse", "if large errors on those rows matter most")),
        )
    counts = _are_counts(flat)
    if counts is not None:
        return _count_loss(counts)
    alternatives = [("huber", "if single errors should not count so much"), ("mae", "fits the median")]
    low, high = min(flat), max(flat)
    if low > 0 and high > 1000 * low:
        alternatives.append(
            ("msle", "if ratios matter more than differences: the largest is over 1000 times the smallest")
        )
    return Suggestion("mse", "no outliers among the targets", tuple(alternatives))


def _counts(y: Any) -> Suggestion:
    flat = _numbers(y)
    if min(flat) < 0:
        raise DataError(f"suggest: counts hold {min(flat):g}, expected numbers >= 0")
    return _count_loss("the targets are counts")


def _are_counts(flat: list[float]) -> str | None:
    """Why they are counts: small whole numbers >= 0, that vary about as much as counts of that size do."""
    if len(flat) < ENOUGH or min(flat) < 0 or any(v != int(v) for v in flat):
        return None
    if len(set(flat)) < 3 or statistics.median(flat) > SMALL_COUNT or (min(flat) > 0 and max(flat) < 10):
        return None  # grades from 1 to 5, for instance
    if not 0.5 <= statistics.pvariance(flat) / statistics.fmean(flat) <= DISPERSION:
        return None
    return f"the targets are counts, whole numbers from {min(flat):g} to {max(flat):g}"


def _count_loss(why: str) -> Suggestion:
    return Suggestion(
        "poisson_nll",
        f"{why}: their spread grows with their mean, and the output is the logarithm of the rate",
        (("mse", "if the output must be the number itself"), ("msle", "if ratios matter")),
    )


def _outliers(flat: list[float]) -> tuple[float, float, float] | None:
    """The share of outliers, their part of the squared deviations, and a delta for a Huber loss.

    None of it depends on the unit or the zero of the targets.
    """
    if len(flat) < ENOUGH:
        return None
    low, middle, high = statistics.quantiles(flat, n=4, method="inclusive")
    if not low < middle < high:  # many targets are equal: there is no scale to be far from
        return None
    straight = _straightener(low, middle, high)
    first, last = sorted((straight(low), straight(high)))
    reach = FAR_OUT * (last - first)
    far = [v for v in flat if not first - reach <= straight(v) <= last + reach]
    if not far or len(far) > FEW * len(flat):
        return None
    influence = sum((v - middle) ** 2 for v in far) / sum((v - middle) ** 2 for v in flat)
    if influence < INFLUENCE:
        return None
    mad = statistics.median(abs(v - middle) for v in flat)
    return len(far) / len(flat), influence, EFFICIENT * MAD_TO_STD * mad


def _straightener(low: float, middle: float, high: float) -> Callable[[float], float]:
    """What makes leaning targets symmetric: the logarithm above the origin that makes their quartiles so.

    A target with a long tail, such as a price, has values far from its quartiles that are no outliers: an
    outlier is what lies far out on this scale.
    """
    lean = low + high - 2 * middle
    if abs(lean) <= LEAN * (high - low):
        return lambda v: v
    origin = (low * high - middle * middle) / lean
    scale = middle - origin  # of the sign of the lean, so a tail to the left is mirrored

    def straight(v: float) -> float:
        ratio = (v - origin) / scale
        return math.log(ratio) if ratio > 0 else -math.inf

    return straight


def _numbers(y: Any) -> list[float]:
    flat = [float(v) for v in y.reshape(-1).tolist()]
    wrong = next((v for v in flat if not math.isfinite(v)), None)
    if wrong is not None:
        raise DataError(f"suggest: the targets hold {wrong}, expected finite numbers")
    return flat


# Classes


def _imbalance(counts: list[int], names: Sequence[Any]) -> str | None:
    """What is said of classes of very different size."""
    present = [(c, n) for c, n in enumerate(counts) if n]
    rare, few = min(present, key=lambda pair: pair[1])
    many = max(n for _, n in present)
    if len(present) < 2 or many < IMBALANCE * few:
        return None
    name = repr(names[rare]) if rare < len(names) else rare
    return f"class {name} has {few} of {sum(counts)} rows, the largest {many / few:.0f} times as many"


def _classification(y: Any, names: Sequence[Any]) -> Suggestion:
    if y.ndim == 2 and y.shape[1] > 1:
        labels = y.argmax(axis=1)
        if y.dtype.kind == "f" and not set(y.reshape(-1).tolist()) <= {0.0, 1.0}:
            return Suggestion(
                "cross_entropy",
                "the targets are probabilities",
                (("kl_divergence", "the same gradient, 0 for a perfect fit"),),
            )
        y = labels
    imbalance = _imbalance(class_counts(y, ignore_index=-100), names)
    if imbalance is None:
        return Suggestion(
            "cross_entropy",
            "classes of similar size",
            (
                ("cross_entropy:label_smoothing=0.1", "if labels are wrong now and then"),
                ("focal", "if many examples are easy"),
            ),
        )
    return Suggestion(
        "weighted_cross_entropy",
        f"{imbalance}: weights raise the recall of rare classes, at the cost of accuracy over all rows",
        (
            ("focal", "keeps the accuracy higher, and the recall of rare classes lower"),
            ("cross_entropy", "for the highest accuracy over all rows"),
        ),
    )


def _binary(y: Any, names: Sequence[Any]) -> Suggestion:
    counts = class_counts(y, 2)
    imbalance = _imbalance(counts, names)
    if imbalance is None:
        return Suggestion(
            "binary_cross_entropy", "both answers are frequent", (("hinge", "if only the side matters"),)
        )
    return Suggestion(
        f"binary_focal:alpha={0.25 if counts[1] <= counts[0] else 0.75}",
        f"{imbalance}: easy examples count little",
        (("binary_cross_entropy:pos_weight=balanced", "makes both answers count alike"),),
    )


def _multilabel(y: Any) -> Suggestion:
    share = sum(_numbers(y)) / y.size
    if not 0 <= share <= 1:
        raise DataError("suggest: multilabel targets are 0 and 1")
    if 0 < share < 1 / (1 + IMBALANCE):
        return Suggestion(
            "binary_focal",
            f"{share:.1%} of all answers are yes: the many easy no count little",
            (("binary_cross_entropy:pos_weight=balanced", "makes both answers of each label count alike"),),
        )
    return Suggestion(
        "binary_cross_entropy", "a question for each label", (("binary_focal", "if yes is rare"),)
    )


def _segmentation(y: Any) -> Suggestion:
    values = set(y.reshape(-1).tolist())
    share = sum(1 for v in y.reshape(-1).tolist() if v > 0) / y.size
    if values <= {0, 1} and share < SMALL_REGION:
        return Suggestion(
            "tversky:alpha=0.3,beta=0.7",
            f"the region is {share:.1%} of the elements: a miss should cost more than a false alarm",
            (
                ("focal_tversky", "if some examples stay bad"),
                ("dice", "if both errors matter alike"),
                ("binary_focal", "a loss of elements, smoother at the start"),
            ),
        )
    return Suggestion(
        "dice",
        f"the regions are {share:.1%} of the elements: overlap does not reward the background",
        (
            ("iou", "stricter on partial overlap"),
            ("binary_cross_entropy", "a loss of elements, smoother at the start"),
        )
        if values <= {0, 1}
        else (
            ("iou", "stricter on partial overlap"),
            ("cross_entropy", "a loss of elements, smoother at the start"),
        ),
    )


# Comparisons


def _similarity(y: Any) -> Suggestion:
    if y is None:
        return Suggestion(
            "triplet",
            "without labels: an anchor, one of its kind and another",
            (("nt_xent", "two views of each example, all others being negatives"),),
        )
    if set(y.reshape(-1).tolist()) <= {-1, 0, 1}:
        return Suggestion(
            "contrastive",
            "pairs that are alike or not: alike ones are drawn together, others pushed beyond a margin",
            (("cosine_embedding", "if only the direction of an embedding matters"),),
        )
    return Suggestion(
        "nt_xent",
        "classes: each example against all others of its batch",
        (("triplet", "if batches are small, or triples are given"),),
    )


def _ranking(y: Any) -> Suggestion:
    return Suggestion(
        "margin_ranking",
        "pairs of scores, of which one should be higher",
        (("triplet", "for embeddings, ranked by their distance"),),
    )


def _distribution(y: Any) -> Suggestion:
    return Suggestion(
        "kl_divergence",
        "the targets are distributions",
        (
            ("js_divergence", "bounded, if targets may be impossible for the model"),
            ("cross_entropy", "the same gradient"),
        ),
    )


def _sequence(y: Any) -> Suggestion:
    return Suggestion(
        "ctc", "sequences of labels without their times", (("cross_entropy:axis=-1", "with times"),)
    )


#: task: whether it needs targets, and its rule.
_TASKS: dict[str, tuple[bool, Callable[..., Suggestion]]] = {
    "regression": (True, _regression),
    "counts": (True, _counts),
    "classification": (True, _classification),
    "binary": (True, _binary),
    "multilabel": (True, _multilabel),
    "segmentation": (True, _segmentation),
    "similarity": (False, _similarity),
    "ranking": (False, _ranking),
    "distribution": (False, _distribution),
    "sequence": (False, _sequence),
}
#: The tasks whose rules name classes.
_OF_CLASSES = ("classification", "binary")
