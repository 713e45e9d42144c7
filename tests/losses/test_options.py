"""Options of losses: what is refused, what is filled in from the training targets, what targets may be."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import losses
from learnkit.errors import ArgumentError, DataError, ShapeError
from learnkit.plugins import registry

WRONG = {
    "huber:delta=0": "Huber: delta is 0, expected a number > 0",
    "huber:delta=nan": "Huber: delta is 'nan', expected a number > 0",
    "huber:delta=true": "delta is True, expected a number > 0",
    "smooth_l1:beta=-1": "SmoothL1: beta is -1, expected a number >= 0",
    "mse:half=1": "MSE: half is 1, expected True or False",
    "mse:reduction=avg": "MSE: reduction is 'avg', expected 'mean', 'sum' or 'none'",
    "mse:delta=2": "loss 'mse' has no option 'delta'",
    "mape:eps=0": "MAPE: eps is 0, expected a number > 0",
    "quantile:quantile=1": "Quantile: quantile is 1, expected a number in (0, 1)",
    "quantile:quantile=[0.1,1.5]": "Quantile: quantile is (0.1, 1.5), expected a tuple of numbers in (0, 1)",
    "quantile:quantile=[]": "Quantile: quantile is (), expected a tuple of numbers in (0, 1)",
    "poisson_nll:eps=-1": "PoissonNLL: eps is -1, expected a number > 0",
    "poisson_nll:full=yes": "PoissonNLL: full is 'yes', expected True or False",
    "gaussian_nll:eps=0": "GaussianNLL: eps is 0, expected a number > 0",
    "cross_entropy:weight=heavy": "CrossEntropy: weight is 'heavy', expected balanced, None or one number",
    "cross_entropy:weight=[1,-1]": "CrossEntropy: weight is (1, -1), expected a tuple of numbers >= 0",
    "cross_entropy:weight=2": "CrossEntropy: weight is 2, expected a tuple of numbers >= 0",
    "cross_entropy:label_smoothing=1.1": "CrossEntropy: label_smoothing is 1.1, expected a number in [0, 1]",
    "cross_entropy:ignore_index=0.5": "CrossEntropy: ignore_index is 0.5, expected an integer",
    "cross_entropy:axis=0": "CrossEntropy: axis is 0, which is that of the batch; expected 1 or -1",
    "nll:weight=[]": "NLL: weight is (), expected a tuple of numbers >= 0",
    "focal:gamma=-1": "Focal: gamma is -1, expected a number >= 0",
    "focal:alpha=0": "Focal: alpha is 0, expected a number > 0",
    "binary_focal:alpha=2": "BinaryFocal: alpha is 2, expected a number in [0, 1]",
    "binary_cross_entropy:pos_weight=-1": "BinaryCrossEntropy: pos_weight is -1, expected a number >= 0",
    "binary_cross_entropy:pos_weight=many": "BinaryCrossEntropy: pos_weight is 'many', expected a number",
    "hinge:margin=0": "Hinge: margin is 0, expected a number > 0",
    "squared_hinge:margin=0": "SquaredHinge: margin is 0, expected a number > 0",
    "multi_margin:p=3": "MultiMargin: p is 3, expected one of 1, 2",
    "kl_divergence:log_target=0": "KLDivergence: log_target is 0, expected True or False",
    "dice:smooth=-1": "Dice: smooth is -1, expected a number >= 0",
    "tversky:alpha=-1": "Tversky: alpha is -1, expected a number >= 0",
    "focal_tversky:gamma=0": "FocalTversky: gamma is 0, expected a number > 0",
    "triplet:p=0.5": "Triplet: p is 0.5, expected a number >= 1",
    "contrastive:margin=0": "Contrastive: margin is 0, expected a number > 0",
    "cosine_embedding:margin=2": "CosineEmbedding: margin is 2, expected a number in [-1, 1]",
    "margin_ranking:margin=much": "MarginRanking: margin is 'much', expected a number",
    "nt_xent:temperature=0": "NTXent: temperature is 0, expected a number > 0",
}


@pytest.mark.parametrize("spec", WRONG)
def test_options_out_of_range_are_refused_at_once(spec):
    with pytest.raises(ArgumentError) as caught:
        registry.create("loss", spec)
    assert WRONG[spec] in str(caught.value)


Z, Y = np.zeros((4, 3)), np.asarray([0, 1, 2, 0])
MISFITS = {
    "weights of other classes": (
        losses.CrossEntropy((1.0, 2.0)),
        Z,
        Y,
        "weight has 2 entries, but y_pred has 3",
    ),
    "alpha of other classes": (
        losses.Focal((1.0, 2.0)),
        Z,
        Y,
        "Focal: alpha has 2 entries, but y_pred has 3 cl",
    ),
    "pos_weight of other columns": (losses.BinaryCrossEntropy(pos_weight=(1.0, 2.0)), Z, Z, "has 3 columns"),
    "axis beyond the axes": (losses.CrossEntropy(axis=2), Z, Y, "cross_entropy: y_pred has shape (4, 3)"),
    "classes along another axis": (
        losses.CrossEntropy(),
        np.zeros((4, 5, 3)),
        np.zeros((4, 5), dtype=int),
        "(4, 5) of int64, expected logits (batch, classes) and integers (batch,), or probabilities of the "
        "shape of y_pred, with the classes along axis 1",
    ),
    "one mean, no variance": (
        losses.GaussianNLL(),
        Z[:, :1],
        Y,
        "y_pred has shape (4, 1) and y_true (4,), exp",
    ),
    "quantiles": (
        losses.Quantile((0.1, 0.9)),
        Z,
        Y,
        "expected (4, 2) and (4,): one output column for each of",
    ),
    "kl": (
        losses.KLDivergence(),
        Z,
        Y,
        "kl_divergence: y_pred has shape (4, 3) and y_true (4,), expected equal",
    ),
    "dice": (
        losses.Dice(),
        np.zeros((4, 3, 2)),
        Y,
        "dice: y_pred has shape (4, 3, 2) and y_true (4,) of int64",
    ),
    "dice of floats": (
        losses.Dice(),
        np.zeros((4, 3, 2)),
        np.zeros((4, 2)),
        "(4, 2) of float64, expected equal",
    ),
    "pairs": (
        losses.Contrastive(),
        Z,
        Y,
        "contrastive: y_pred has shape (4, 3), expected (batch, 2, features)",
    ),
    "triples": (
        losses.Triplet(),
        Z,
        None,
        "expected (batch, 3, features): anchor, positive and negative stacked",
    ),
    "labels of pairs": (
        losses.Contrastive(),
        np.zeros((4, 2, 3)),
        Y[:3],
        "y_true has shape (3,), expected (4,)",
    ),
    "scores": (losses.MarginRanking(), Z, Y, "margin_ranking: y_pred has shape (4, 3), expected (batch, 2)"),
    "no labels": (losses.NTXent(), Z, None, "nt_xent: y_pred has shape (4, 3) and y_true None, expected"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_shapes_that_do_not_fit_are_refused(name):
    loss, y_pred, y_true, text = MISFITS[name]
    with pytest.raises(ShapeError) as caught:
        loss(y_pred, y_true)
    assert text in str(caught.value)


TARGETS = [
    (
        losses.BinaryFocal(),
        (3, 1),
        [0, 1, 2],
        "binary_focal: targets range from 0.0 to 2.0, expected values in [0, 1]",
    ),
    (losses.MSLE(), (3, 1), [0.0, -0.5, 1.0], "msle: targets range from -0.5 to 1, expected values >= 0"),
    (
        losses.PoissonNLL(),
        (3, 1),
        [0, -1, 2],
        "poisson_nll: targets range from -1 to 2, expected counts >= 0",
    ),
    (losses.Hinge(), (3, 1), [0, -1, 1], "hinge: targets hold -1, 0, 1, expected -1 and 1, or 0 and 1"),
    (losses.NLL(), (3, 2), [0, 1, 2], "nll: class numbers range from 0 to 2, but the model has 2 outputs"),
    (losses.CrossEntropy(ignore_index=None), (3, 2), [0, 1, -100], "class numbers range from -100 to 1"),
    (losses.Dice(), (3, 1), [[0], [2], [1]], "dice: targets range from 0 to 2, expected values in [0, 1]"),
    (losses.Dice(), (3, 2, 1), [[0], [2], [1]], "dice: targets range from 0 to 2, expected values in [0, 1]"),
]


@pytest.mark.parametrize("case", TARGETS, ids=lambda case: str(case[0]))
def test_targets_are_checked_on_request(backend, case):
    loss, shape, y_true, text = case
    with pytest.raises(DataError) as caught:
        loss.check_targets(shape, backend.asarray(np.asarray(y_true)))
    assert text in str(caught.value)


def test_targets_that_fit_pass():
    losses.CrossEntropy().check_targets((3, 2), np.asarray([0, -100, 1]))
    losses.CrossEntropy().check_targets((2, 3, 4), np.asarray([[0, 1, 2, 2], [0, 0, 0, -100]]))
    losses.CrossEntropy(axis=-1).check_targets((1, 2, 5), np.asarray([[4, 0]]))
    losses.Hinge().check_targets((2, 1), np.asarray([0.0, 1.0]))
    losses.Dice().check_targets((2, 3, 4), np.asarray([[0, 1, 2, 2], [0, 0, 0, 1]]))
    losses.CTC().check_targets((1, 5, 4), np.asarray([[1, 3, -1]]))


CLASS_LOSSES = [
    losses.CrossEntropy(),
    losses.CrossEntropy(weight=tuple(range(200)), label_smoothing=0.1),
    losses.NLL(),
    losses.Focal(),
    losses.MultiMargin(weight=tuple(range(200))),
    losses.CategoricalHinge(),
]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32"])
@pytest.mark.parametrize(
    "loss", CLASS_LOSSES, ids=lambda loss: f"{loss.label} {bool(vars(loss).get('weight'))}"
)
def test_class_numbers_of_few_bytes(backend, loss, dtype):
    """Images' labels are uint8, which cannot hold the -100 that they are compared with; 156 is no -100."""
    z = np.random.default_rng(2).normal(size=(3, 200))
    y_pred, labels = backend.asarray(z, "float64"), np.asarray([3, 156, 0])
    y_true = backend.asarray(labels, dtype)
    value = float(loss(y_pred, y_true))
    assert value == pytest.approx(float(loss(y_pred, backend.asarray(labels, "int64"))), rel=1e-12)
    loss.check_targets((3, 200), y_true)
    with pytest.raises(DataError, match="range from 0 to 156"):
        loss.check_targets((3, 156), y_true)


def test_balanced_weights_are_those_of_scikit_learn(backend):
    """n / (k n_c), counted among the targets: class numbers, or probabilities of any axis."""
    y = backend.asarray(np.asarray([0, 0, 0, 2, 2, -100]))
    loss = losses.WeightedCrossEntropy()
    found = loss.resolve((6, 3), y)
    assert found.weight == pytest.approx((5 / 6, 1.0, 5 / 4))
    assert type(found) is losses.WeightedCrossEntropy
    assert found.resolve((1, 3), y) is found
    assert losses.CrossEntropy().resolve((6, 3), y) == losses.CrossEntropy()
    onehot = backend.asarray(np.eye(2)[[0, 0, 0, 1]])
    assert losses.NLL("balanced").resolve((4, 2), onehot).weight == pytest.approx((4 / 6, 4 / 2))
    assert losses.Focal("balanced").resolve((4, 2), onehot).alpha == pytest.approx((4 / 6, 4 / 2))
    y = backend.asarray(np.asarray([0, 0, 1]))
    assert losses.MultiMargin(weight="balanced").resolve((3, 2), y).weight == pytest.approx((3 / 4, 3 / 2))


def test_balanced_answers(backend):
    """Negatives over positives, for one question or each of several."""
    loss = losses.BinaryCrossEntropy(pos_weight="balanced")
    assert loss.resolve((4, 1), backend.asarray(np.asarray([0, 0, 0, 1]))).pos_weight == pytest.approx(3.0)
    several = backend.asarray(np.asarray([[0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]]))
    assert loss.resolve((4, 3), several).pos_weight == pytest.approx((3.0, 1 / 3, 1.0))


def test_balanced_without_the_targets_is_refused():
    with pytest.raises(ArgumentError, match=r"weight is 'balanced', which needs the training targets"):
        losses.WeightedCrossEntropy()(Z, Y)
    with pytest.raises(ArgumentError, match=r"pos_weight is 'balanced', which needs the training targets"):
        losses.BinaryCrossEntropy(pos_weight="balanced")(Z, Z)


def test_training_fills_in_what_is_balanced():
    """From the training rows, once; and it is saved with the model."""
    from learnkit import nn
    from learnkit.training import Trainer

    x, y = np.random.default_rng(0).normal(size=(40, 2)), np.asarray([0] * 30 + [1] * 10)
    trainer = Trainer(nn.Linear(2, 2), "weighted_cross_entropy")
    trainer.fit(x, y, epochs=1, validation_data=(x[25:], y[25:]), verbose=False)
    assert trainer.loss.weight == pytest.approx((40 / 60, 40 / 20))
    assert registry.create("loss", registry.describe(trainer.loss)) == trainer.loss
    with pytest.raises(ArgumentError, match=r"the loss MSE\(reduction='none', half=False\) gives an array"):
        Trainer(nn.Linear(2, 1), losses.MSE(reduction="none")).fit(x, x[:, 0], verbose=False)


def test_lists_become_tuples():
    assert losses.CrossEntropy([1, 2]).weight == (1.0, 2.0)
    assert losses.Quantile([0.1, 0.9]).quantile == (0.1, 0.9)
    assert hash(registry.create("loss", "binary_cross_entropy:pos_weight=[1,2]"))
