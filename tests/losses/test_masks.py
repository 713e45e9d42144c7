"""Masks and weights of single elements: of the steps of a sequence, of the pixels of an image."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import losses
from learnkit.autodiff import value_and_grad
from learnkit.errors import ShapeError

rng = np.random.default_rng(5)
KEPT = np.asarray(
    [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]], dtype=bool
)  # three sequences of 2, 4 and 1 steps
P, T = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
P3, T3 = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 4, 5))
STEPS = rng.integers(0, 5, size=(3, 4))


def filled(x, kept=KEPT):
    """``x`` with NaN, or a label that there is not, where it does not count."""
    x = x.copy()
    x[~kept] = np.nan if x.dtype.kind == "f" else 10**6
    return x


#: loss, predictions, targets, the mean over what counts
ELEMENTS = {
    "mse": (losses.MSE(), P, T, lambda: ((P - T) ** 2)[KEPT].mean()),
    "features too": (losses.MSE(), P3, T3, lambda: ((P3 - T3) ** 2)[KEPT].mean()),
    "mae": (losses.MAE(), P, T, lambda: np.abs(P - T)[KEPT].mean()),
    "bce": (losses.BinaryCrossEntropy(), P, T > 0, lambda: losses.BinaryCrossEntropy()(P[KEPT], T[KEPT] > 0)),
    "quantiles": (
        losses.Quantile((0.1, 0.2, 0.5, 0.8, 0.9)),
        P3,
        T,
        lambda: losses.Quantile((0.1, 0.2, 0.5, 0.8, 0.9))(P3[KEPT], T[KEPT]),
    ),
    "classes last": (
        losses.CrossEntropy(axis=-1),
        P3,
        STEPS,
        lambda: losses.CrossEntropy()(P3[KEPT], STEPS[KEPT]),
    ),
    "classes second, weighted": (
        losses.CrossEntropy((1.0, 2.0, 3.0, 4.0, 5.0)),
        P3.transpose(0, 2, 1),
        STEPS,
        lambda: losses.CrossEntropy((1.0, 2.0, 3.0, 4.0, 5.0))(P3[KEPT], STEPS[KEPT]),
    ),
    "focal": (losses.Focal(axis=-1), P3, STEPS, lambda: losses.Focal()(P3[KEPT], STEPS[KEPT])),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_elements_that_are_masked_do_not_count(backend, name):
    """The mean is over the others, whatever the masked ones hold, and their gradient is 0."""
    loss, y_pred, y_true, expected = ELEMENTS[name]
    full = KEPT if y_pred.shape[:2] == KEPT.shape else None
    p = filled(y_pred) if full is not None else filled(y_pred.transpose(0, 2, 1)).transpose(0, 2, 1).copy()
    t = filled(y_true) if y_true.dtype.kind != "b" else y_true
    p = backend.asarray(p, "float64")
    t = backend.asarray(t, "float64" if t.dtype.kind == "f" else None)
    for mask in (KEPT, KEPT.astype("float64"), KEPT.astype("int32")):
        m = backend.asarray(mask, None if mask.dtype.kind != "f" else "float64")
        value, gradient = value_and_grad(lambda p: loss(p, t, None, m))(p)  # noqa: B023
        backend.assert_array(value, expected(), like=p, rtol=1e-12, atol=1e-14)
        slope = backend.to_numpy(gradient)
        slope = slope if full is not None else slope.transpose(0, 2, 1)
        assert not slope[~KEPT].any()
        assert slope[KEPT].all()


def test_weights_of_elements():
    w = rng.uniform(size=(3, 4))
    loss = losses.MSE()
    squares = (P - T) ** 2
    np.testing.assert_allclose(loss(P, T, w), (w * squares).sum() / w.sum(), rtol=1e-13)
    np.testing.assert_allclose(
        loss(P, T, w[:, 0], KEPT),
        (w[:, :1] * KEPT * squares).sum() / (w[:, :1] * KEPT).sum(),
        rtol=1e-13,
    )
    np.testing.assert_allclose(
        losses.MSE(reduction="sum")(P, T, w, KEPT), (w * KEPT * squares).sum(), rtol=1e-13
    )
    np.testing.assert_allclose(losses.MSE(reduction="none")(P, T, w, KEPT), w * KEPT * squares, rtol=1e-13)
    w3 = np.broadcast_to(w[:, :, None], P3.shape)
    np.testing.assert_allclose(loss(P3, T3, w), loss(P3, T3, w3), rtol=1e-13)


def test_a_weight_of_0_hides_an_infinite_loss():
    p, w = np.asarray([1.0, np.inf]), np.asarray([1.0, 0.0])
    assert losses.MSE()(p, np.zeros(2), w) == 1.0


def test_columns_of_one():
    """(n, 1) beside (n,), masked by (n,)."""
    mask = np.asarray([True, False, True, True])
    for p, t in ((P[0][:, None], T[0]), (P[0], T[0][:, None]), (P[0], T[0])):
        value = losses.MSE()(p, t, None, mask)
        np.testing.assert_allclose(value, ((P[0] - T[0]) ** 2)[mask].mean(), rtol=1e-13)


REGION_LOSSES = [losses.Dice(), losses.IoU(smooth=0.5), losses.FocalTversky(), losses.Tversky(batch=True)]


@pytest.mark.parametrize("loss", REGION_LOSSES, ids=str)
def test_pixels_outside_of_the_mask(loss):
    """A masked region is the region without those pixels."""
    kept = np.asarray([True, True, False, True, False, True])
    z, t = rng.normal(size=(2, 6)), rng.integers(0, 2, size=(2, 6))
    mask = np.stack([kept, kept])
    np.testing.assert_allclose(loss(filled(z, mask), t, None, mask), loss(z[:, kept], t[:, kept]), rtol=1e-12)
    images = (a.reshape(2, 1, 2, 3) for a in (filled(z, mask), t))
    np.testing.assert_allclose(
        loss(*images, None, mask.reshape(2, 1, 2, 3)), loss(z[:, kept], t[:, kept]), rtol=1e-12
    )
    beside = loss(filled(z, mask).reshape(2, 1, 2, 3), t.reshape(2, 2, 3), None, mask.reshape(2, 2, 3))
    np.testing.assert_allclose(beside, loss(z[:, kept], t[:, kept]), rtol=1e-12)
    logits, classes = rng.normal(size=(2, 3, 6)), rng.integers(0, 3, size=(2, 6))
    np.testing.assert_allclose(
        loss(logits, classes, None, mask), loss(logits[:, :, kept], classes[:, kept]), rtol=1e-12
    )


def test_distributions_that_are_masked():
    q = rng.dirichlet(np.ones(5), size=(3, 4))
    for loss in (losses.KLDivergence(), losses.JSDivergence()):
        kept = KEPT.copy()
        kept[2] = False  # an example without any does not count
        value = loss(filled(P3, kept), filled(q, kept), None, kept)
        alone = [loss(P3[i][kept[i]], q[i][kept[i]]) * kept[i].sum() for i in range(2)]
        np.testing.assert_allclose(value, np.mean(alone), rtol=1e-12)


def test_masked_examples_are_no_negatives():
    z, kept = rng.normal(size=(6, 3)), np.asarray([1, 1, 0, 1, 1, 0], dtype=bool)
    classes = np.asarray([0, 1, 0, 1, 0, 1])
    loss = losses.NTXent(0.5)
    np.testing.assert_allclose(
        loss(filled(z, kept), classes, None, kept), loss(z[kept], classes[kept]), rtol=1e-12
    )
    views = rng.normal(size=(6, 2, 3))
    np.testing.assert_allclose(
        loss(filled(views, kept), None, None, kept), loss(views[kept], None), rtol=1e-12
    )


def test_ignored_and_masked_steps():
    labels = STEPS.copy()
    labels[1, 0] = -100
    both = KEPT & (labels >= 0)
    loss = losses.CrossEntropy(axis=-1)
    np.testing.assert_allclose(
        loss(P3, labels, None, KEPT), losses.CrossEntropy()(P3[both], labels[both]), rtol=1e-12
    )


@pytest.mark.parametrize("weight", [None, (1.0, 2.0, 3.0, 4.0, 5.0)])
def test_all_ignored_is_exactly_0(backend, weight):
    """PyTorch gives NaN."""
    z = backend.asarray(P3[0], "float64")
    t = backend.asarray(np.full(4, -100))
    for smoothing in (0.0, 0.1):
        loss = losses.CrossEntropy(weight, label_smoothing=smoothing)
        value, gradient = value_and_grad(lambda z: loss(z, t))(z)  # noqa: B023
        backend.assert_array(value, 0.0, like=z, rtol=0, atol=0)
        backend.assert_array(gradient, np.zeros((4, 5)), like=z, rtol=0, atol=0)


def test_masks_of_other_shapes_are_refused():
    with pytest.raises(
        ShapeError, match=r"mask has shape \(4,\), expected \(3,\): one mark for each example, or \(3, 4\)"
    ):
        losses.MSE()(P, T, None, KEPT[0])
    with pytest.raises(
        ShapeError, match=r"mask has shape \(3, 4\), expected \(3,\): MarginRanking gives one"
    ):
        losses.MarginRanking()(P[:, :2], np.ones(3), None, KEPT)
    with pytest.raises(ShapeError, match=r"sample_weight has shape \(3, 2\), expected \(3,\): one weight"):
        losses.MSE()(P, T, np.ones((3, 2)))
