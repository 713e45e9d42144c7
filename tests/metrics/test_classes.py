"""How metrics for classes read their inputs: shapes, thresholds, what is ignored, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import metrics
from learnkit.errors import ArgumentError, DataError, ShapeError
from learnkit.metrics.base import sums_of
from learnkit.plugins import registry

COUNTING = ("precision", "recall", "specificity", "f1", "f_beta", "iou", "dice")
SINGLE = ("balanced_accuracy", "mcc", "cohen_kappa", "confusion_matrix")
LIKELY = ("log_loss", "brier", "calibration_error")
RANKING = ("roc_auc", "average_precision")
ALL = ("accuracy", *COUNTING, *SINGLE, *LIKELY, *RANKING)


def made(name, **options):
    """The metric, averaged over classes where it is averaged."""
    if name in COUNTING:
        options.setdefault("average", "macro")
    return registry.create("metric", {"name": name, **options})


def example(seed=0, n=12, k=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, k)), rng.integers(0, k, size=n), rng.uniform(size=n)


# Shapes


@pytest.mark.parametrize("name", [*ALL, "top_k_accuracy", "perplexity"])
def test_pixels_are_examples(backend, name):
    """Scores (batch, classes, height, width) are those of all pixels, with the weight of their image."""
    rng = np.random.default_rng(5)
    scores, labels = rng.normal(size=(3, 4, 2, 5)), rng.integers(0, 4, size=(3, 2, 5))
    weight = rng.uniform(size=3)
    flat = np.moveaxis(scores, 1, -1).reshape(-1, 4)
    metric = made(name)
    p, t, w = backend.asarray(scores, "float64"), backend.asarray(labels), backend.asarray(weight, "float64")
    wanted = metric(flat, labels.ravel())
    np.testing.assert_allclose(metric(p, t), wanted, rtol=1e-12)
    np.testing.assert_allclose(metric(p, t[:, None, :, :]), wanted, rtol=1e-12)
    np.testing.assert_allclose(metric(p, t, w), metric(flat, labels.ravel(), weight.repeat(10)), rtol=1e-12)
    each = backend.asarray(rng.uniform(size=(3, 2, 5)), "float64")
    np.testing.assert_allclose(
        metric(p, t, each), metric(flat, labels.ravel(), backend.to_numpy(each).ravel()), rtol=1e-12
    )
    last = made(name, axis=-1)
    moved = backend.asarray(np.moveaxis(scores, 1, -1), "float64")
    np.testing.assert_allclose(last(moved, t), wanted, rtol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_one_score_for_each_pixel(backend, name):
    """With a channel or without, in y_pred or y_true; whole masks with task='binary'."""
    rng = np.random.default_rng(6)
    logits, mask = rng.normal(size=(3, 1, 4, 2)), rng.integers(0, 2, size=(3, 1, 4, 2))
    wanted = made(name)(logits.ravel(), mask.ravel())
    p, t = backend.asarray(logits, "float64"), backend.asarray(mask)
    np.testing.assert_allclose(made(name)(p, t), wanted, rtol=1e-12)
    np.testing.assert_allclose(made(name)(p, t[:, 0, :, :]), wanted, rtol=1e-12)
    masks = made(name, task="binary")
    np.testing.assert_allclose(masks(p[:, 0, :, :], t[:, 0, :, :]), wanted, rtol=1e-12)


@pytest.mark.parametrize("name", [*ALL, "top_k_accuracy", "perplexity"])
def test_one_hot_targets_are_class_numbers(name):
    scores, labels, weight = example()
    metric = made(name)
    wanted = metric(scores, labels, weight)
    np.testing.assert_allclose(metric(scores, np.eye(4)[labels], weight), wanted, rtol=1e-12)
    np.testing.assert_allclose(metric(scores, labels[:, None], weight[:, None]), wanted, rtol=1e-12)
    np.testing.assert_allclose(metric(scores, labels.astype(np.int32), weight), wanted, rtol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_two_columns_are_one_score(name):
    """The logit of class 1 beside that of class 0, or their difference."""
    scores, labels, weight = example(k=2)
    single = scores[:, 1] - scores[:, 0]
    metric = made(name)
    if name == "calibration_error":  # confidence is that of class 1, or of the class that is said
        return
    np.testing.assert_allclose(metric(scores, labels, weight), metric(single, labels, weight), rtol=1e-12)


def test_targets_of_minus_one_are_those_of_zero():
    logits, labels = np.asarray([1.0, -1.0, 2.0, -0.5]), np.asarray([1, 0, 0, 1])
    for name in ("accuracy", *COUNTING, *SINGLE, *RANKING):
        np.testing.assert_array_equal(made(name)(logits, 2 * labels - 1), made(name)(logits, labels))
        np.testing.assert_array_equal(made(name)(logits, labels == 1), made(name)(logits, labels))


@pytest.mark.parametrize(
    ("metric", "y_pred", "y_true", "text"),
    [
        (metrics.Accuracy(), (3, 2), (3, 4), "accuracy: y_pred has shape (3, 2) and y_true (3, 4)"),
        (metrics.Accuracy(), (3, 2), (4,), "expected scores (batch, classes) and class numbers (batch,)"),
        (metrics.Accuracy(), (3,), (4,), "or one logit for each example"),
        (metrics.Accuracy(), (), (), "accuracy: y_pred has shape () and y_true ()"),
        (metrics.F1(task="binary"), (3, 2), (3,), "expected one score for each example and equal shapes"),
        (
            metrics.MCC(task="multiclass"),
            (3, 1),
            (3,),
            "expected scores (batch, classes) of at least 2 classes",
        ),
        (metrics.IoU(task="multilabel"), (3, 2), (3,), "expected scores (batch, labels) and 0 or 1"),
        (metrics.IoU(axis=-1), (3, 2, 5), (3, 5), "classes on axis -1"),
        (metrics.TopKAccuracy(), (3,), (3,), "top_k_accuracy: y_pred has shape (3,) and y_true (3,)"),
        (metrics.LogLoss(), (3, 2, 4), (3, 2), "log_loss: y_pred has shape (3, 2, 4) and y_true (3, 2)"),
        (metrics.MAE(), (3, 2), (3,), "mae: y_pred has shape (3, 2) and y_true (3,), expected equal shapes"),
        (metrics.RMSE(), (3,), (4,), "rmse: y_pred has shape (3,) and y_true (4,)"),
        (metrics.R2(), (1, 3), (3, 1), "r2: y_pred has shape (1, 3) and y_true (3, 1)"),
        (
            metrics.MAE(multioutput=(1.0, 2.0)),
            (3, 3),
            (3, 3),
            "multioutput has 2 weights and y_pred of shape (3, 3) 3",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(metric, y_pred, y_true, text):
    with pytest.raises(ShapeError) as caught:
        metric(np.ones(y_pred), np.ones(y_true))
    assert text in str(caught.value)


def test_weights_that_do_not_fit_are_refused():
    scores, labels, _ = example()
    for name in ("f1", "roc_auc", "log_loss"):
        with pytest.raises(ShapeError, match=rf"{name}: sample_weight has shape \(5,\), expected \(12,\)"):
            made(name)(scores, labels, np.ones(5))
    with pytest.raises(ShapeError, match=r"expected \(3,\) or \(3, 2\)"):
        made("f1")(np.ones((3, 4, 2)), np.ones((3, 2)), np.ones(2))
    with pytest.raises(ShapeError, match=r"mae: sample_weight has shape \(2,\), expected \(3,\)"):
        metrics.MAE()(np.ones(3), np.ones(3), np.ones(2))


# Decisions


def test_ties_go_to_the_first_class(backend):
    scores = backend.asarray([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]])
    assert metrics.Accuracy()(scores, backend.asarray(np.asarray([0, 1]))) == 1.0


def test_ties_of_the_k_largest(backend):
    """scikit-learn gives equal scores to the last class; accuracy, and ties='first', to the first."""
    scores = backend.asarray([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]])
    first, last = (backend.asarray(np.asarray(y)) for y in ([0, 1], [1, 2]))
    assert [metrics.TopKAccuracy(k=1)(scores, y) for y in (first, last)] == [0.0, 1.0]
    assert [metrics.TopKAccuracy(k=1, ties="first")(scores, y) for y in (first, last)] == [1.0, 0.0]
    assert metrics.TopKAccuracy(k=3)(scores, first) == metrics.TopKAccuracy(k=9)(scores, last) == 1.0


def test_nan_is_no_hit(backend):
    nan = backend.asarray(np.full((2, 3), np.nan))
    labels = backend.asarray(np.asarray([0, 2]))
    assert metrics.TopKAccuracy(k=2)(nan, labels) == 0.0
    for name in (*RANKING, "log_loss", "brier"):
        assert np.isnan(made(name)(nan, labels))


def test_a_logit_of_zero_says_class_zero(backend):
    logits = backend.asarray([0.0, 1e-3])
    assert metrics.Accuracy()(logits, backend.asarray(np.asarray([0, 1]))) == 1.0
    assert metrics.Accuracy()(logits, backend.asarray([0.0, 1.0])) == 1.0


@pytest.mark.parametrize("name", ["accuracy", *COUNTING, *SINGLE])
def test_thresholds(backend, name):
    """Of a logit, through the sigmoid; of a probability or any other score, as it is."""
    z = np.asarray([-2.0, -0.5, 0.2, 0.9, 3.0])
    labels = np.asarray([0, 1, 0, 1, 1])
    p = 1 / (1 + np.exp(-z))
    for threshold in (0.2, 0.5, 0.7):
        wanted = made(name)(np.where(p > threshold, 1.0, -1.0), labels)
        for scores, options in ((z, {}), (p, {"from_logits": False})):
            metric = made(name, threshold=threshold, **options)
            value = metric(backend.asarray(scores, "float64"), backend.asarray(labels))
            np.testing.assert_array_equal(value, wanted)
    far = made(name, threshold=-1.0, from_logits=False)
    np.testing.assert_array_equal(far(z, labels), made(name)(z + 1.0, labels))


@pytest.mark.parametrize("name", [*LIKELY, *RANKING, "perplexity"])
def test_probabilities_are_those_of_the_logits(backend, name):
    scores, labels, _ = example(seed=2)
    e = np.exp(scores)
    given = backend.asarray(e / e.sum(axis=1, keepdims=True), "float64")
    value = made(name, from_logits=False)(given, backend.asarray(labels))
    np.testing.assert_allclose(value, made(name)(scores, labels), rtol=1e-12)
    if name != "perplexity":
        one = made(name, from_logits=False)(1 / (1 + np.exp(-scores[:, 0])), labels % 2)
        np.testing.assert_allclose(one, made(name)(scores[:, 0], labels % 2), rtol=1e-12)


def test_extreme_logits_are_exact_and_probabilities_are_held(backend):
    """No overflow and no infinity from what is finite; warnings are errors here."""
    z = backend.asarray(np.asarray([[1e4, -1e4], [-1e4, 1e4]]))
    right, wrong = (backend.asarray(np.asarray(y)) for y in ([0, 1], [1, 0]))
    assert metrics.LogLoss()(z, right) == 0.0
    assert metrics.LogLoss()(z, wrong) == 2e4
    assert metrics.LogLoss()(z[:, 0], right) == 1e4
    assert metrics.Perplexity()(z, wrong) == np.inf
    assert metrics.Brier()(z, wrong) == 1.0
    assert metrics.CalibrationError()(z, wrong) == 1.0
    p = backend.asarray(np.asarray([[1.0, 0.0], [0.0, 1.0]]), "float64")
    held = metrics.LogLoss(from_logits=False)
    assert held(p, right) == pytest.approx(2.220446049250313e-16)
    assert held(p, wrong) == pytest.approx(36.04365338911715)
    single = backend.asarray(np.asarray([[1.0, 0.0], [0.0, 1.0]]), "float32")
    assert held(single, wrong) == pytest.approx(15.942385152878742)


def test_soft_targets():
    """Log loss and Brier score compare distributions; a weight of 0 hides an infinite loss."""
    logits, soft = np.log(np.asarray([[0.2, 0.8], [0.5, 0.5]])), np.asarray([[0.3, 0.7], [1.0, 0.0]])
    p = np.exp(logits)
    assert metrics.LogLoss()(logits, soft) == pytest.approx(-(soft * logits).sum() / 2, rel=1e-14)
    assert metrics.Brier()(logits, soft) == pytest.approx(((p - soft) ** 2).sum() / 4, rel=1e-14)
    one = metrics.LogLoss()(logits[:, 1] - logits[:, 0], soft[:, 1])
    assert one == pytest.approx(metrics.LogLoss()(logits, soft), rel=1e-14)
    masked = np.asarray([[0.0, -np.inf, 0.0], [0.0, 0.0, 0.0]])
    assert metrics.LogLoss()(masked, np.asarray([0, 0])) == pytest.approx((np.log(2) + np.log(3)) / 2)
    assert metrics.LogLoss()(masked, np.eye(3)[[0, 0]]) == pytest.approx((np.log(2) + np.log(3)) / 2)
    assert metrics.LogLoss()(masked, np.asarray([1, 0]), np.asarray([0.0, 1.0])) == pytest.approx(np.log(3))


def test_bins_of_calibration_end_at_their_upper_edge():
    """((b - 1)/n, b/n], and 0 in the first: a confidence on an edge belongs to the bin below it."""
    p = np.asarray([0.0, 0.25, 0.5, 0.75, 1.0])
    counts = metrics.CalibrationError(n_bins=4, from_logits=False).sums(p, np.asarray([0, 1, 0, 1, 1]))[0]
    np.testing.assert_array_equal(counts[0], [2.0, 1.0, 1.0, 1.0])


# What does not count


@pytest.mark.parametrize("name", [*ALL, "top_k_accuracy", "perplexity"])
@pytest.mark.parametrize("ignored", [255, -100, 1])
def test_ignored_targets_are_left_out(backend, name, ignored):
    scores, labels, weight = example(seed=3)
    labels[::3] = ignored
    kept = labels != ignored
    metric = made(name, ignore_index=ignored)
    given = [
        backend.asarray(a) if a.dtype.kind == "i" else backend.asarray(a, "float64")
        for a in (scores, labels, weight)
    ]
    with backend.no_sync():
        sums_of(metric, *given)
    wanted = made(name)(scores[kept], labels[kept])
    np.testing.assert_allclose(metric(*given[:2]), wanted, rtol=1e-12, atol=1e-15)
    wanted = made(name)(scores[kept], labels[kept], weight[kept])
    np.testing.assert_allclose(metric(*given), wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ALL)
def test_ignored_targets_of_single_scores(name):
    scores, labels, _ = example(seed=4)
    yes = labels % 2
    given = np.where(np.arange(12) % 4 == 0, -100, yes)
    kept = given != -100
    value = made(name, ignore_index=-100)(scores[:, 0], given)
    np.testing.assert_allclose(value, made(name)(scores[kept, 0], yes[kept]), rtol=1e-12)


@pytest.mark.parametrize("name", [*COUNTING, *SINGLE, *LIKELY, *RANKING, "perplexity"])
def test_class_numbers_out_of_range_are_said_at_the_end(backend, name):
    """Looking at them at once would wait for the device; so they are counted first."""
    scores, labels, _ = example()
    labels[[2, 5]] = 4, -1
    metric = made(name)
    with backend.no_sync():
        sums = metric.sums(backend.asarray(scores, "float64"), backend.asarray(labels))
    assert sums
    with pytest.raises(DataError, match=rf"{name}: 2 targets are out of range, expected") as caught:
        metric(backend.asarray(scores, "float64"), backend.asarray(labels))
    assert "ignore_index" in str(caught.value)


def test_single_scores_want_two_classes():
    for name in (*COUNTING, *SINGLE, *LIKELY, *RANKING):
        with pytest.raises(DataError, match=f"{name}: 1 targets are out of range"):
            made(name)(np.zeros(3), np.asarray([0, 1, 2]))
    assert metrics.Accuracy()(np.ones(3), np.asarray([1, 1, 2])) == 2 / 3


# Averages and undefined values


def test_classes_that_do_not_occur():
    """They are no part of a mean; average=None has a place for each of them."""
    scores, labels = np.eye(5)[[0, 1, 1]], np.asarray([0, 1, 3])
    assert metrics.Recall(average="macro")(scores, labels) == pytest.approx(2 / 3)
    each = metrics.Recall(average=None, zero_division="nan")(scores, labels)
    np.testing.assert_array_equal(each, [1.0, 1.0, np.nan, 0.0, np.nan])
    assert metrics.Recall(average="macro", zero_division=1.0)(scores, np.asarray([0, 0, 3])) == 0.5
    assert np.isnan(metrics.ROCAUC()(scores, labels))
    assert metrics.ROCAUC(average="weighted")(scores, labels) > 0


def test_undefined_values():
    nothing, never = np.zeros(3, dtype=int), -np.ones(3)
    for value in (0.0, 1.0, float("nan")):
        for name in ("precision", "recall", "f1", "iou", "dice"):
            metric = made(name, average="binary", zero_division=value)
            np.testing.assert_array_equal(metric(never, nothing), value)
    assert metrics.MCC()(never, nothing) == 0.0
    assert np.isnan(metrics.CohenKappa()(never, nothing))
    assert metrics.CohenKappa(replace_undefined_by=0.5)(never, nothing) == 0.5
    assert np.isnan(metrics.BalancedAccuracy(adjusted=True)(never, nothing))
    assert metrics.BalancedAccuracy()(never, nothing) == 1.0
    assert np.isnan(metrics.ROCAUC()(never, nothing))
    assert metrics.AveragePrecision()(never, nothing) == 0.0


def test_weights_of_zero_are_no_rows():
    scores, labels, _ = example()
    for name in (*ALL, "mae", "mse", "r2", "explained_variance"):
        metric = made(name)
        y = scores if name in ("mae", "mse", "r2", "explained_variance") else labels
        value = metric(scores, y, np.zeros(12))
        assert np.all(np.isnan(value) | (np.asarray(value) == 0)), name


# Order


def test_few_pieces_are_kept_and_each_is_copied_few_times():
    """As carries of a binary number: after 1000 batches ten pieces at most, longest first."""
    metric = metrics.ROCAUC()
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=4000), rng.integers(0, 2, size=4000)
    sums = metric.sums(scores[:4], labels[:4])
    for start in range(4, 4000, 4):
        sums = metric.combine(sums, metric.sums(scores[start : start + 4], labels[start : start + 4]))
    lengths = [len(s) for s in sums[::3]]
    assert len(lengths) <= 10
    assert lengths == sorted(lengths, reverse=True)
    assert sum(lengths) == 4000
    np.testing.assert_array_equal(np.concatenate(sums[::3]), scores)


def test_single_scores_need_no_scale():
    """A sigmoid would make ties of large logits."""
    z = np.asarray([50.0, 60.0, 70.0, 80.0])
    assert metrics.ROCAUC()(z, np.asarray([0, 0, 1, 1])) == 1.0
    assert metrics.ROCAUC()(np.stack([-z, z], axis=1), np.asarray([0, 0, 1, 1])) == 1.0


# Options


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("accuracy:task=binry", "accuracy: task is 'binry' (did you mean 'binary'?), expected 'auto', "),
        ("accuracy:threshold=1.0", "accuracy: threshold is 1.0, expected a probability in (0, 1)"),
        ("accuracy:threshold=x", "accuracy: threshold is 'x', expected a number"),
        ("accuracy:ignore_index=1.5", "accuracy: ignore_index is 1.5, expected an integer or None"),
        ("accuracy:axis=0", "accuracy: axis is 0, expected an integer other than 0"),
        ("accuracy:from_logits=1", "accuracy: from_logits is 1, expected True or False"),
        ("top_k_accuracy:k=0", "top_k_accuracy: k is 0, expected an integer >= 1"),
        ("top_k_accuracy:ties=any", "top_k_accuracy: ties is 'any', expected 'last' or 'first'"),
        ("top_k_accuracy:task=multilabel", "expected 'auto' or 'multiclass'"),
        ("f1:average=mean", "f1: average is 'mean', expected 'binary', 'micro', 'macro', 'weighted' or None"),
        ("f1:zero_division=0.5", "f1: zero_division is 0.5, expected 0, 1 or nan"),
        ("f1:pos_label=2", "f1: pos_label is 2, expected 0 or 1"),
        ("f_beta:beta=-1", "f_beta: beta is -1, expected a number >= 0"),
        ("balanced_accuracy:adjusted=2", "balanced_accuracy: adjusted is 2, expected True or False"),
        ("confusion_matrix:normalize=rows", "confusion_matrix: normalize is 'rows'"),
        (
            "cohen_kappa:weights=cubic",
            "cohen_kappa: weights is 'cubic', expected None, 'linear' or 'quadratic'",
        ),
        (
            "cohen_kappa:replace_undefined_by=2",
            "replace_undefined_by is 2, expected a number in [-1, 1] or nan",
        ),
        ("roc_auc:average=binary", "roc_auc: average is 'binary'"),
        (
            "roc_auc:multi_class=ovo,average=micro",
            "roc_auc: average is 'micro', expected 'macro' or 'weighted'",
        ),
        ("roc_auc:max_fpr=0", "roc_auc: max_fpr is 0, expected a number in (0, 1] or None"),
        ("brier:scale_by_half=half", "brier: scale_by_half is 'half', expected 'auto', True or False"),
        ("calibration_error:n_bins=0", "calibration_error: n_bins is 0, expected an integer >= 1"),
        ("calibration_error:norm=l3", "calibration_error: norm is 'l3'"),
        (
            "log_loss:task=multilabel",
            "expected 'auto', 'binary' or 'multiclass'",
        ),
        ("mae:multioutput=mean", "mae: multioutput is 'mean', expected 'uniform_average', 'raw_values'"),
        ("mae:multioutput=(0.0,0.0)", "mae: multioutput is (0.0, 0.0), expected finite weights"),
        ("r2:force_finite=1", "r2: force_finite is 1, expected True or False"),
    ],
)
def test_options_out_of_range_are_refused(spec, text):
    with pytest.raises(ArgumentError) as caught:
        registry.create("metric", spec)
    assert text in str(caught.value)


def test_options_that_do_not_go_with_the_data_are_refused():
    scores, labels, weight = example()
    with pytest.raises(
        ArgumentError, match=r"f1: average is 'binary' and y_pred of shape \(12, 4\) has 4 classes"
    ):
        metrics.F1()(scores, labels)
    with pytest.raises(ArgumentError, match="4 labels, expected two classes"):
        metrics.F1(task="multilabel")(scores, scores > 0)
    with pytest.raises(ArgumentError, match="multi_class='ovo' takes no sample_weight"):
        metrics.ROCAUC(multi_class="ovo")(scores, labels, weight)
    with pytest.raises(ArgumentError, match=r"max_fpr is 0\.5, expected None for more than two classes"):
        metrics.ROCAUC(max_fpr=0.5)(scores, labels)
