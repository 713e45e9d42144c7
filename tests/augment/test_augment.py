"""Augmentations: what they compute, that they follow from seed and step, and that a run holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import learnkit as lk
from learnkit.augment import Augmentation, Compose, Jitter, Mixup, RandomFlip, RandomShift, augmentation
from learnkit.augment.base import normal, uniform
from learnkit.backends.random import philox_beta
from learnkit.errors import ArgumentError, DataError, ShapeError, UnknownNameError
from learnkit.plugins import registry
from learnkit.training import Trainer

RNG = np.random.default_rng(5)
IMAGES = RNG.normal(size=(6, 2, 4, 5)).astype(np.float32)

#: Each built-in augmentation by name, with images that it takes.
CASES: dict[str, tuple[Augmentation, Any]] = {
    "flip": (RandomFlip(), IMAGES),
    "shift": (RandomShift(2), IMAGES),
    "jitter": (Jitter(0.5), IMAGES),
    "mixup": (Mixup(2.0), IMAGES),
    "compose": (Compose("jitter:std=0.5", "flip:p=0.9"), IMAGES),
}


def test_each_built_in_augmentation_is_in_the_table() -> None:
    assert set(CASES) == set(registry.names("augmentation", third_party=False))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Augmentation, Any]:
    return CASES[request.param]


def test_shape_dtype_device_and_library_stay(case: Any, backend: Any) -> None:
    made, images = case
    x = backend.asarray(images)
    made(x, seed=1, step=0)  # what is compiled or kept waits once
    with backend.no_sync():
        got = made(x, seed=1, step=2)
    backend.assert_here(got)
    assert (got.dtype, tuple(got.shape)) == (x.dtype, images.shape)
    np.testing.assert_array_equal(backend.to_numpy(x), images)  # the batch itself is left alone
    np.testing.assert_allclose(backend.to_numpy(got), made(images, seed=1, step=2), rtol=1e-5, atol=2e-6)


def test_it_follows_from_seed_and_step(case: Any) -> None:
    made, x = case
    first = made(x, seed=3, step=7)
    np.testing.assert_array_equal(first, made(x, seed=3, step=7))
    others = [made(x, seed=3, step=step) for step in range(8, 14)]
    others += [made(x, seed=seed, step=7) for seed in range(4, 10)]
    assert not all(np.array_equal(first, other) for other in others[:6])
    assert not all(np.array_equal(first, other) for other in others[6:])


def test_float64_and_an_empty_batch(case: Any) -> None:
    made, x = case
    assert made(x.astype(np.float64), seed=0, step=0).dtype == np.float64
    assert made(x[:0], seed=0, step=0).shape == x[:0].shape


def test_it_is_described_and_made_again(case: Any) -> None:
    made, _ = case
    again = registry.create("augmentation", registry.describe(made, "augmentation"))
    assert again == made
    assert repr(again) == repr(made)


# What each computes


def test_flip() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(RandomFlip(1.0)(x, seed=0, step=0), x[:, :, ::-1])
    np.testing.assert_array_equal(RandomFlip(1.0, "vertical")(x, seed=0, step=0), x[:, ::-1])
    np.testing.assert_array_equal(RandomFlip(0.0)(x, seed=0, step=0), x)
    flat = x.reshape(2, 12)
    flipped = RandomFlip(1.0, shape=(3, 4))(flat, seed=0, step=0)
    np.testing.assert_array_equal(flipped, x[:, :, ::-1].reshape(2, 12))
    many = np.tile(np.asarray([[[0.0, 1.0]]]), (4000, 1, 1))
    share = RandomFlip(0.3)(many, seed=0, step=0)[:, 0, 0].mean()
    assert abs(share - 0.3) < 0.03


def test_channels_of_an_image_are_flipped_and_moved_together() -> None:
    x = np.tile(np.arange(12.0).reshape(1, 1, 3, 4), (5, 3, 1, 1))
    for made in (RandomFlip(), RandomShift(1)):
        y = made(x, seed=0, step=0)
        assert (y == y[:, :1]).all()
        assert not (y == x).all()


def moved(image: Any, a: int, b: int, fill: Any) -> Any:
    """``y[i, j] = x[i + a, j + b]``, pixel by pixel."""
    h, w = image.shape
    out = np.empty_like(image)
    for i in range(h):
        for j in range(w):
            inside = 0 <= i + a < h and 0 <= j + b < w
            edge = image[min(max(i + a, 0), h - 1), min(max(j + b, 0), w - 1)]
            out[i, j] = edge if inside or fill == "edge" else fill
    return out


@pytest.mark.parametrize("fill", ["edge", 0.0, -1.5])
def test_shift(fill: Any) -> None:
    x = RNG.normal(size=(300, 3, 4))
    y = RandomShift(2, fill)(x, seed=1, step=1)
    found = []
    for before, after in zip(x, y, strict=True):
        fits = [
            (a, b)
            for a in range(-2, 3)
            for b in range(-2, 3)
            if np.array_equal(moved(before, a, b, fill), after)
        ]
        assert fits
        found += fits[:1]
    assert len(set(found)) == 25 if fill != "edge" else len(set(found)) > 15
    np.testing.assert_array_equal(RandomShift(0)(x, seed=0, step=0), x)


def test_shift_of_flattened_images() -> None:
    x = RNG.normal(size=(20, 2, 3, 4))
    flat = RandomShift(1, shape=(2, 3, 4))(x.reshape(20, 24), seed=0, step=0)
    np.testing.assert_array_equal(flat, RandomShift(1)(x, seed=0, step=0).reshape(20, 24))


def test_jitter() -> None:
    x = np.full((2000, 20), 3.0)
    y = Jitter(0.25)(x, seed=0, step=0)
    np.testing.assert_allclose([y.mean(), y.std()], [3.0, 0.25], atol=0.01)
    np.testing.assert_array_equal(Jitter(0.0)(x, seed=0, step=0), x)


def test_mixup_is_the_equation() -> None:
    x, y, w = RNG.normal(size=(7, 3)), np.asarray([0, 1, 2, 1, 0, 2, 2]), np.arange(1.0, 8.0)
    got_x, got_y, got_w = Mixup(0.7, classes=3).rows(x, y, w, seed=2, step=5)
    from learnkit.augment import mixing

    share = philox_beta(0.7, seed=2, stream=mixing._SHARE, step=5)
    partner = np.argsort(uniform(x, (7,), seed=2, stream=mixing._PARTNER, step=5))
    assert 0 < share < 1
    assert sorted(partner) == list(range(7))
    onehot = np.eye(3)[y]
    np.testing.assert_allclose(got_x, share * x + (1 - share) * x[partner], rtol=1e-14)
    np.testing.assert_allclose(got_y, share * onehot + (1 - share) * onehot[partner], rtol=1e-14)
    np.testing.assert_allclose(got_w, share * w + (1 - share) * w[partner], rtol=1e-14)


def test_the_share_of_mixup_is_drawn_from_a_beta_distribution() -> None:
    for alpha in (0.2, 1.0, 4.0):
        shares = np.asarray([philox_beta(alpha, seed=0, stream=1, step=step) for step in range(4000)])
        variance = 1 / (4 * (2 * alpha + 1))
        np.testing.assert_allclose([shares.mean(), shares.var()], [0.5, variance], atol=0.02)


def test_mixup_of_numbers() -> None:
    x, y = RNG.normal(size=(6, 2)), RNG.normal(size=(6, 1))
    _, got, _ = Mixup(1.0).rows(x, y, None, seed=0, step=0)
    np.testing.assert_allclose(got.mean(), y.mean(), rtol=1e-12)
    _, binary, _ = Mixup(1.0, classes=1).rows(x, np.asarray([0, 1, 1, 0, 1, 0]), None, seed=0, step=0)
    assert binary.dtype == x.dtype
    assert ((binary >= 0) & (binary <= 1)).all()


def test_parts_of_a_row_draw_numbers_of_their_own() -> None:
    x = np.zeros((4, 5))
    twice = Compose(Jitter(1.0), Jitter(1.0))(x, seed=0, step=0)
    once = Jitter(1.0)(x, seed=0, step=0)
    assert not np.allclose(twice, 2 * once)
    np.testing.assert_array_equal(Compose(Jitter(1.0))(x, seed=0, step=0), once)


# Mistakes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomFlip(1.5), r"RandomFlip: p is 1\.5, expected a probability in \[0, 1\]"),
        (lambda: RandomFlip(direction="up"), "RandomFlip: direction is 'up'"),
        (lambda: RandomFlip(shape=(64,)), r"RandomFlip: shape is \(64,\), expected \(h, w\)"),
        (lambda: RandomShift(-1), "RandomShift: pixels is -1"),
        (lambda: RandomShift(fill="mirror"), "RandomShift: fill is 'mirror', expected a number or 'edge'"),
        (lambda: RandomShift(shape=(3, 0)), r"RandomShift: shape is \(3, 0\)"),
        (lambda: Jitter(-0.1), r"Jitter: std is -0\.1"),
        (lambda: Mixup(0.0), r"Mixup: alpha is 0\.0"),
        (lambda: Mixup(classes=0), "Mixup: classes is 0"),
        (lambda: Compose("jiter"), r"unknown augmentation 'jiter' \(did you mean 'jitter'\?\)"),
        (lambda: augmentation(3), "augmentation 3 is neither a name nor a component"),
        (lambda: augmentation(Trainer.fit.__class__), "expected an Augmentation|needs the option"),
    ],
)
def test_wrong_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises((ArgumentError, UnknownNameError), match=message):
        make()


@pytest.mark.parametrize("made", [RandomFlip(), RandomShift()])
def test_what_is_no_image_is_refused(made: Augmentation) -> None:
    with pytest.raises(ShapeError, match=r"x has shape \(2, 64\), expected images.*\n.*give their shape"):
        made(np.zeros((2, 64)), seed=0, step=0)


@pytest.mark.parametrize("cls", [RandomFlip, RandomShift])
def test_a_shape_that_does_not_fit_is_refused(cls: Any) -> None:
    with pytest.raises(ShapeError, match=r"x has shape \(2, 60\), expected \(n, 64\) for images of shape"):
        cls(shape=(8, 8))(np.zeros((2, 60)), seed=0, step=0)


# In training

X, Y = RNG.normal(size=(48, 16)).astype(np.float32), RNG.integers(0, 3, 48)


def trained(epochs: int = 2, made: Trainer | None = None, **options: Any) -> Trainer:
    if made is None:
        made = Trainer(lk.nn.Linear(16, 3), "cross_entropy", "sgd:lr=0.1", **options)
    made.fit(X, Y, epochs=epochs, batch_size=16, verbose=False)
    return made


def same(a: Trainer, b: Trainer) -> bool:
    pairs = zip(a.copy_arrays().values(), b.copy_arrays().values(), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


EACH = ["flip:shape=(4,4)", "shift:shape=(4,4)", "jitter", "mixup", ["jitter", "mixup:alpha=1"]]


@pytest.mark.parametrize("spec", EACH, ids=str)
def test_a_run_repeats_and_differs_from_one_without(spec: Any) -> None:
    assert same(trained(augment=spec), trained(augment=spec))
    assert not same(trained(augment=spec), trained())


@pytest.mark.parametrize("spec", EACH, ids=str)
def test_a_run_that_was_saved_goes_on_exactly(spec: Any, tmp_path: Any) -> None:
    pytest.importorskip("safetensors")
    whole = trained(4, augment=spec)
    half = trained(2, augment=spec)
    half.total_steps = whole.total_steps
    loaded = Trainer.load(half.save(tmp_path / "a.safetensors"))
    assert loaded.augment == half.augment
    assert same(trained(2, loaded), whole)


def test_each_batch_of_an_update_gets_numbers_of_its_own() -> None:
    seen: list[int] = []

    @dataclass(frozen=True)
    class Steps(Augmentation):
        def __call__(self, x: Any, *, seed: int, step: int) -> Any:
            seen.append(step)
            return x

    trained(augment=Steps(), accumulate=2)
    assert seen[1:] == [0, 1, 2, 4, 5, 6]  # after the one row that is tried; an epoch ends with an update
    assert len(seen) == 7


def test_only_training_sees_it() -> None:
    made = trained(augment=Jitter(100.0))
    plain = Trainer(made.model, "cross_entropy")
    np.testing.assert_array_equal(made.predict(X), plain.predict(X))
    assert made.evaluate(X, Y) == plain.evaluate(X, Y)


def test_the_number_of_classes_follows_from_the_model() -> None:
    assert trained(augment="mixup").augment == Mixup(classes=3)
    one = Trainer(lk.nn.Linear(16, 1), "mse", augment="mixup")
    one.fit(X, Y, verbose=False)
    assert one.augment == Mixup(classes=1)
    loose = Trainer(lk.nn.Linear(16, 3), "cross_entropy", augment="mixup")
    with pytest.raises(ArgumentError, match=r"the targets are class numbers.*\n  .*Mixup\(classes=10\)"):
        loose.step(X, Y)


def test_a_loss_without_soft_targets_is_refused_before_the_first_step() -> None:
    made = Trainer(lk.nn.Linear(16, 1), "hinge", augment="mixup")
    y = Y % 2
    Trainer(lk.nn.Linear(16, 1), "hinge").fit(X, y, verbose=False)
    with pytest.raises(DataError, match=r"hinge: targets hold .*, expected -1 and 1"):
        made.fit(X, y, verbose=False)
    assert made.steps_done == 0


def test_an_augmentation_that_changes_the_shape_is_refused() -> None:
    with (
        lk.registered(augmentation={"half": lambda x, *, seed, step: x[:, :8]}),
        pytest.raises(ShapeError, match=r"half: a batch of shape \(48, 16\) became"),
    ):
        trained(augment="half")


def test_a_plain_function_is_one() -> None:
    def scaled(x: Any, *, seed: int, step: int, by: float = 2.0) -> Any:
        return x * (by + step)

    def negative(x: Any) -> Any:
        return -x

    with lk.registered(augmentation={"scaled": scaled, "negative": negative}):
        made = augmentation(["scaled:by=3", "negative"])
        np.testing.assert_array_equal(made(X, seed=0, step=1), -4 * X)
        assert registry.create("augmentation", registry.describe(made)) == made
        assert not same(trained(augment="negative"), trained())


def test_an_author_has_numbers_of_the_dtype_of_the_batch(backend: Any) -> None:
    x = backend.asarray(X)
    for draw in (uniform, normal):
        got = draw(x, (3, 2), seed=0, stream=1, step=2)
        backend.assert_here(got)
        assert (got.dtype, tuple(got.shape)) == (x.dtype, (3, 2))
