"""The loss and the metric against SciPy's exact distance transform, and as learnkit's components."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from learnkit_medical import BoundaryCrossEntropy, SurfaceDice, squared_distance
from scipy import ndimage

import learnkit as lk
from learnkit.errors import ArgumentError, DataError, ShapeError
from learnkit.plugins import records, registry
from learnkit.testing import checks_for

RNG = np.random.default_rng(0)


def blobs(*shape: int, classes: int = 2) -> Any:
    """Regions with smooth borders, (batch, *space)."""
    noise = RNG.standard_normal(shape)
    smooth = np.stack([ndimage.gaussian_filter(image, 2.0) for image in noise])
    edges = np.quantile(smooth, np.linspace(0, 1, classes + 1)[1:-1])
    return np.searchsorted(edges, smooth).astype(np.int64)


TRUTH, SCORES = blobs(4, 5, 7, classes=3), RNG.standard_normal((4, 3, 5, 7))

test_they_keep_the_rules_of_losses = checks_for(
    BoundaryCrossEntropy(sigma=0.7, spacing=(0.5, 2.0)), y_pred=SCORES, y_true=TRUTH
)
test_binary_too = checks_for(
    BoundaryCrossEntropy(sigma=1.0), y_pred=SCORES[:, 0], y_true=(TRUTH == 1).astype(np.float64)
)
test_they_keep_the_rules_of_metrics = checks_for(SurfaceDice(), y_pred=SCORES, y_true=TRUTH)


def cross(ndim: int) -> Any:
    return ndimage.generate_binary_structure(ndim, 1)


def weights_by_scipy(labels: Any, w0: float, sigma: float, spacing: Any, truncate: float = 4.0) -> Any:
    out = []
    for image in labels:
        low = ndimage.grey_erosion(image, footprint=cross(image.ndim))
        high = ndimage.grey_dilation(image, footprint=cross(image.ndim))
        if (low == high).all():
            out.append(np.ones(image.shape))
            continue
        d = ndimage.distance_transform_edt(low == high, sampling=spacing)
        near = np.where(d <= truncate * sigma, np.exp(-(d**2) / (2 * sigma**2)), 0)
        out.append(1 + w0 * near)
    return np.stack(out)


def surface_dice_by_scipy(guess: Any, truth: Any, tolerance: float, spacing: Any) -> list[float]:
    """Of each image that has a surface; regions are booleans (batch, *space)."""
    scores = []
    for a, b in zip(guess, truth, strict=True):
        a, b = (x & ~ndimage.binary_erosion(x, cross(x.ndim)) for x in (a, b))
        if not a.any() and not b.any():
            continue
        close = 0
        for x, other in ((a, b), (b, a)):
            if other.any():
                d = ndimage.distance_transform_edt(~other, sampling=spacing)
                close += (d[x] <= tolerance).sum()
        scores.append(close / (a.sum() + b.sum()))
    return scores


def test_the_plugin_is_installed() -> None:
    (record,) = (record for record in records() if record.distribution == "learnkit-medical")
    assert (record.status, record.detail) == ("ok", "")
    assert record.components == {"loss": ("boundary_cross_entropy",), "metric": ("surface_dice",)}


@pytest.mark.parametrize("shape", [(3, 50), (3, 20, 31), (2, 9, 14, 11)])
@pytest.mark.parametrize("radius", [0.5, 1.0, 4.0, 100.0])
def test_distances_are_those_of_scipy(shape: tuple[int, ...], radius: float) -> None:
    spacing = (1.0, 0.75, 2.5)[: len(shape) - 1]
    sites = RNG.random(shape) < 0.05
    got = squared_distance(sites, spacing, radius, np.float64)
    for image, squares in zip(sites, got, strict=True):
        if image.any():
            want = ndimage.distance_transform_edt(~image, sampling=spacing)
            np.testing.assert_allclose(np.sqrt(squares), np.where(want <= radius, want, np.inf), rtol=1e-12)
        else:
            assert np.isinf(squares).all()


@pytest.mark.parametrize("shape", [(2, 40), (2, 24, 30), (2, 8, 12, 10)])
@pytest.mark.parametrize("sigma", [0.7, 2.0, 5.0])
def test_binary_loss_is_the_formula(shape: tuple[int, ...], sigma: float) -> None:
    spacing = (1.5, 1.0, 0.5)[: len(shape) - 1]
    t, z = blobs(*shape), RNG.standard_normal(shape) * 3
    loss = BoundaryCrossEntropy(w0=4.0, sigma=sigma, spacing=spacing)
    w = weights_by_scipy(t, 4.0, sigma, spacing)
    want = w * (np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - z * t)
    np.testing.assert_allclose(loss(z, t), want.mean(), rtol=1e-12)
    np.testing.assert_allclose(loss(z[:, None], t), want.mean(), rtol=1e-12)
    np.testing.assert_allclose(loss(z[:, None], t[:, None]), want.mean(), rtol=1e-12)
    np.testing.assert_allclose(loss.per_example(z, t), want.reshape(len(z), -1).mean(axis=1), rtol=1e-12)


def test_loss_of_classes_is_the_formula_and_ignores_what_is_not_known() -> None:
    y, z = blobs(3, 20, 26, classes=4), RNG.standard_normal((3, 4, 20, 26))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    ce = -np.log(np.take_along_axis(p, y[:, None], axis=1))[:, 0]
    want = weights_by_scipy(y, 10.0, 5.0, None) * ce
    np.testing.assert_allclose(BoundaryCrossEntropy()(z, y), want.mean(), rtol=1e-12)

    # A corner without labels neither counts nor has a border of its own; a mask says the same.
    known = np.ones(y.shape, bool)
    known[:, :6, :9] = False
    first = BoundaryCrossEntropy()(z, y, mask=known)
    marked = np.where(known, y, -100)
    np.testing.assert_allclose(BoundaryCrossEntropy()(z, marked), first, rtol=1e-12)
    np.testing.assert_allclose(
        BoundaryCrossEntropy(ignore_index=255)(z, np.where(known, y, 255).astype(np.uint8)), first, rtol=1e-12
    )
    blank = np.zeros_like(y)
    np.testing.assert_allclose(  # one class everywhere, up to the edge of what is known: no border
        BoundaryCrossEntropy()(z, np.where(known, blank, -100)), -np.log(p[:, 0])[known].mean(), rtol=1e-12
    )


def test_a_region_without_a_border_is_plain_cross_entropy() -> None:
    z = RNG.standard_normal((2, 5, 5))
    want = np.log1p(np.exp(z)).mean()
    np.testing.assert_allclose(BoundaryCrossEntropy()(z, np.zeros((2, 5, 5))), want, rtol=1e-12)


@pytest.mark.parametrize("tolerance", [0.0, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("spacing", [None, (0.1, 2.0)])
def test_surface_dice_is_the_formula(tolerance: float, spacing: Any) -> None:
    truth = blobs(4, 25, 32)
    truth[3] = 0
    score = truth * 2.0 - 1 + RNG.standard_normal(truth.shape)
    score[3] = -1
    metric = SurfaceDice(tolerance, spacing)
    want = surface_dice_by_scipy(score > 0, truth > 0, tolerance * (1 + 1e-12), spacing)
    assert len(want) == 3
    assert metric(score, truth) == pytest.approx(np.mean(want), rel=1e-12)
    assert metric(score[:, None], truth[:, None]) == pytest.approx(np.mean(want), rel=1e-12)
    p = 1 / (1 + np.exp(-score))
    same = SurfaceDice(tolerance, spacing, from_logits=False)
    assert same(p, truth) == pytest.approx(np.mean(want), rel=1e-12)
    weighted = metric(score, truth, np.asarray([1.0, 3.0, 0.0, 7.0]))
    assert weighted == pytest.approx((want[0] + 3 * want[1]) / 4, rel=1e-12)


def test_surface_dice_of_classes_is_a_mean_over_regions_without_the_background() -> None:
    truth, z = blobs(3, 14, 16, classes=3), RNG.standard_normal((3, 3, 14, 16))
    chosen = z.argmax(axis=1)
    of = [surface_dice_by_scipy(chosen == c, truth == c, 1.0, None) for c in range(3)]
    assert SurfaceDice()(z, truth) == pytest.approx(np.mean(of[1:]), rel=1e-12)
    assert SurfaceDice(include_background=True)(z, truth) == pytest.approx(np.mean(of), rel=1e-12)


def test_surface_dice_does_not_depend_on_the_batches_and_is_nan_without_a_region() -> None:
    truth, score = blobs(5, 12, 12), RNG.standard_normal((5, 12, 12))
    metric = SurfaceDice()
    parts = metric.combine(metric.sums(score[:2], truth[:2]), metric.sums(score[2:], truth[2:]))
    assert metric.compute(parts) == pytest.approx(metric(score, truth), rel=1e-14)
    nothing = np.zeros((2, 4, 4))
    assert np.isnan(metric(nothing - 1, nothing))
    assert np.isnan(metric(nothing[:0], nothing[:0]))


def test_a_network_is_trained_with_both() -> None:
    truth = blobs(24, 16, 16)
    x = (truth + 0.4 * RNG.standard_normal(truth.shape))[:, None].astype(np.float32)
    model = lk.nn.Conv2d(1, 1, 3, padding=1)
    trainer = lk.Trainer(
        model, "boundary_cross_entropy:sigma=2", "adam:lr=0.05", metrics=["surface_dice"], seed=0
    )
    history = trainer.fit(x, truth, epochs=15, batch_size=8, verbose=False)
    assert history["surface_dice"][0] < 0.9 < history["surface_dice"][-1]
    assert history["loss"][-1] < 0.5 * history["loss"][0]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("loss", {"w0": -1.0}, "BoundaryCrossEntropy: w0 is -1.0, expected a number >= 0"),
        ("loss", {"sigma": 0.0}, "BoundaryCrossEntropy: sigma is 0.0, expected a number > 0"),
        ("loss", {"truncate": "far"}, "BoundaryCrossEntropy: truncate is 'far', expected a number > 0"),
        ("loss", {"spacing": (1.0, 0.0)}, "BoundaryCrossEntropy: spacing is (1.0, 0.0), expected a tuple"),
        ("loss", {"ignore_index": 0.5}, "BoundaryCrossEntropy: ignore_index is 0.5, expected an integer"),
        ("metric", {"tolerance": -1.0}, "SurfaceDice: tolerance is -1.0, expected a number >= 0"),
        ("metric", {"threshold": 1.0}, "SurfaceDice: threshold is 1.0, expected a number in (0, 1)"),
        ("metric", {"include_background": 1}, "SurfaceDice: include_background is 1, expected True or False"),
    ],
)
def test_a_value_out_of_range_is_refused(kind: str, options: dict[str, Any], message: str) -> None:
    name = {"loss": "boundary_cross_entropy", "metric": "surface_dice"}[kind]
    with pytest.raises(ArgumentError) as info:
        registry.create(kind, {"name": name, **options})
    assert str(info.value).startswith(message)


def test_shapes_and_targets_that_do_not_fit_are_refused() -> None:
    z, y = np.zeros((2, 3, 4, 4)), np.zeros((2, 4, 4), np.int64)
    with pytest.raises(ShapeError, match="spacing has 3 entries, and the targets of shape"):
        BoundaryCrossEntropy(spacing=(1.0, 1.0, 1.0))(z, y)
    with pytest.raises(ShapeError, match="cross_entropy: y_pred has shape"):
        BoundaryCrossEntropy()(z, y[:, :3])
    with pytest.raises(ShapeError, match=r"expected images \(batch, height, width\)"):
        BoundaryCrossEntropy()(np.zeros(3), np.zeros(3))
    with pytest.raises(ShapeError, match="SurfaceDice: y_pred has shape"):
        SurfaceDice()(z, y * 1.0)
    with pytest.raises(ShapeError, match=r"sample_weight has shape \(3,\), expected \(2,\)"):
        SurfaceDice()(z, y, np.ones(3))
    with pytest.raises(DataError, match="class numbers range from 0 to 3"):
        BoundaryCrossEntropy().check_targets(
            (2, 3, 4, 4), np.full((2, 4, 4), 3) * (y == 0) * np.eye(4, dtype=int)
        )
    with pytest.raises(DataError, match="expected"):
        BoundaryCrossEntropy().check_targets((2, 4, 4), np.full((2, 4, 4), 2))
    BoundaryCrossEntropy().check_targets((2, 4, 4), np.full((2, 4, 4), -100))


@pytest.mark.parametrize("text", ["boundary_cross_entropy:w0=3,spacing=(2.0,1.0)", "boundary_cross_entropy"])
def test_the_loss_is_described(text: str) -> None:
    loss = registry.create("loss", text)
    assert registry.create("loss", registry.describe(loss)) == loss
