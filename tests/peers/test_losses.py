"""Losses against PyTorch, and against Optax and scikit-learn where PyTorch has none, on random data."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import losses
from learnkit.autodiff import value_and_grad
from learnkit.plugins import registry


def random_case(rng, n, k):
    """Predictions and targets of every kind that the losses below take."""
    labels = rng.integers(0, k, size=n)
    signs = 2 * rng.integers(0, 2, size=n) - 1
    return {
        "z": rng.normal(size=(n, k)) * 5,
        "line": rng.normal(size=(n, k)) * 5,
        "rates": rng.exponential(size=(n, k)),
        "labels": labels,
        "ignored": np.where(rng.uniform(size=n) < 0.3, -100, labels),
        "soft": rng.dirichlet(np.ones(k), size=n),
        "soft2": rng.dirichlet(np.ones(k), size=n),
        "yes": rng.integers(0, 2, size=(n, k)) * 1.0,
        "counts": rng.poisson(3.0, size=(n, k)) * 1.0,
        "weight": rng.uniform(0.1, 3.0, size=k).tolist(),
        "spread": np.concatenate([rng.normal(size=(n, k)), rng.exponential(size=(n, k))], axis=1),
        "pairs": rng.normal(size=(n, 2, k)),
        "triples": rng.normal(size=(n, 3, k)),
        "signs": signs,
    }


#: loss, options, predictions, targets
TORCH = [
    ("cross_entropy", {}, "z", "labels"),
    ("cross_entropy", {"label_smoothing": 0.3}, "z", "labels"),
    ("cross_entropy", {"weight": ...}, "z", "ignored"),
    ("cross_entropy", {"weight": ..., "label_smoothing": 0.1}, "z", "ignored"),
    ("cross_entropy", {"weight": ..., "label_smoothing": 0.1}, "z", "soft"),
    ("nll", {"weight": ...}, "z", "ignored"),
    ("multi_margin", {}, "z", "labels"),
    ("multi_margin", {"p": 2, "margin": 2.0, "weight": ...}, "z", "labels"),
    ("huber", {"delta": 2.0}, "z", "line"),
    ("smooth_l1", {"beta": 3.0}, "z", "line"),
    ("smooth_l1", {"beta": 0.0}, "z", "line"),
    ("poisson_nll", {"full": True}, "z", "counts"),
    ("poisson_nll", {"log_input": False}, "rates", "counts"),
    ("gaussian_nll", {"full": True}, "spread", "line"),
    ("gaussian_nll", {"eps": 0.5}, "spread", "line"),
    ("binary_cross_entropy", {"pos_weight": ...}, "z", "yes"),
    ("binary_cross_entropy", {"from_logits": False}, "soft", "yes"),
    ("kl_divergence", {"from_logits": False}, "z", "soft"),
    ("kl_divergence", {"from_logits": False, "log_target": True}, "z", "line"),
    ("triplet", {}, "triples", None),
    ("triplet", {"margin": 2.0, "p": 1.0, "swap": True}, "triples", None),
    ("margin_ranking", {"margin": 1.0}, "scores", "signs"),
    ("cosine_embedding", {"margin": 0.2}, "pairs", "signs"),
]


@pytest.mark.parametrize("case", TORCH, ids=str)
def test_pytorch(made, case):
    """Value and gradient to 1e-12 in float64 and 1e-5 in float32."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    name, options, predicted, wanted = case
    rng = np.random.default_rng(8)
    for n, k in ((1, 2), (7, 3), (32, 10)):
        data = random_case(rng, n, k)
        data["scores"] = data["z"][:, :2]
        if wanted == "ignored":
            data["ignored"][0] = data["labels"][0]  # PyTorch gives NaN if none is left
        given = {key: data["weight"] if value is ... else value for key, value in options.items()}
        loss = registry.create("loss", {"name": name, **given})
        y_pred, y_true = data[predicted], None if wanted is None else data[wanted]
        for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
            p = torch.tensor(y_pred, dtype=dtype, requires_grad=True)
            t = None if y_true is None else torch.tensor(y_true)
            t = t.to(dtype) if t is not None and t.is_floating_point() else t
            theirs = made.torch_mean(name, given, p, t)
            theirs.backward()
            value, gradient = value_and_grad(lambda p: loss(p, t))(p.detach())  # noqa: B023
            scale = max(1.0, abs(theirs.item()))
            np.testing.assert_allclose(float(value), theirs.item(), rtol=tolerance, atol=tolerance * scale)
            np.testing.assert_allclose(
                gradient.numpy(), p.grad.numpy(), rtol=10 * tolerance, atol=tolerance * scale
            )


@pytest.mark.parametrize("reduction", ["sum", "none"])
@pytest.mark.parametrize(
    ("name", "torch_name", "options", "predicted", "wanted"),
    [
        ("cross_entropy", "cross_entropy", {"label_smoothing": 0.1}, "z", "ignored"),
        ("mse", "mse_loss", {}, "z", "line"),
        ("huber", "huber_loss", {"delta": 2.0}, "z", "line"),
        ("multi_margin", "multi_margin_loss", {}, "z", "labels"),
        ("binary_cross_entropy", "binary_cross_entropy_with_logits", {}, "z", "yes"),
    ],
)
def test_reductions_of_pytorch(name, torch_name, options, predicted, wanted, reduction):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    data = random_case(np.random.default_rng(1), 9, 4)
    p, t = data[predicted], data[wanted]
    loss = registry.create("loss", {"name": name, "reduction": reduction, **options})
    function = getattr(torch.nn.functional, torch_name)
    theirs = function(torch.tensor(p), torch.tensor(t), reduction=reduction, **options)
    np.testing.assert_allclose(loss(p, t), theirs.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("zero_infinity", [False, True])
def test_ctc_of_pytorch(seed, zero_infinity):
    """Repeated labels, all lengths from 0 on, impossible alignments: values and gradients to 1e-10."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    rng = np.random.default_rng(seed)
    n, time, classes, length = 8, 9, 3 + seed, 5
    z = rng.normal(size=(n, time, classes)) * 3
    targets = rng.integers(1, classes, size=(n, length))
    steps, lengths = rng.integers(1, time + 1, size=n), rng.integers(0, length + 1, size=n)
    p = torch.tensor(z, requires_grad=True)
    log_p = torch.log_softmax(p, dim=2)
    theirs = torch.nn.functional.ctc_loss(
        log_p.transpose(0, 1),
        torch.tensor(targets),
        torch.tensor(steps),
        torch.tensor(lengths),
        reduction="none",
        zero_infinity=zero_infinity,
    )
    ours = losses.ctc_loss(log_p.detach().numpy(), targets, steps, lengths, zero_infinity=zero_infinity)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)

    padded = np.where(np.arange(length) < lengths[:, None], targets, -1)
    mask = np.arange(time) < steps[:, None]
    possible = np.isfinite(theirs.detach().numpy())
    value, gradient = value_and_grad(
        lambda z: losses.CTC(zero_infinity=zero_infinity)(z, padded, possible * 1.0, mask)
    )(z)
    scaled = theirs / torch.clamp(torch.tensor(lengths), min=1)
    mean = torch.where(torch.tensor(possible), scaled, 0.0).sum() / possible.sum()
    mean.backward()
    np.testing.assert_allclose(value, mean.item(), rtol=1e-10)
    slope = p.grad.numpy()
    np.testing.assert_allclose(gradient[possible], slope[possible], rtol=1e-8, atol=1e-10)


def test_optax():
    """Each formula that PyTorch lacks, in float32, which is JAX's own."""
    optax = pytest.importorskip("optax", reason="optax is not installed")
    rng = np.random.default_rng(4)
    data = {key: np.asarray(value) for key, value in random_case(rng, 12, 4).items()}
    z, t, yes = (data[key].astype("float32") for key in ("z", "line", "yes"))
    soft, labels = data["soft"].astype("float32"), data["labels"]
    binary = {"alpha": 0.3, "gamma": 1.5}
    pairs = [
        (losses.LogCosh(), (z, t), optax.losses.log_cosh(z, t)),
        (losses.MSE(half=True), (z, t), optax.losses.l2_loss(z, t)),
        (losses.Huber(0.5), (z, t), optax.losses.huber_loss(z, t, delta=0.5)),
        (losses.BinaryFocal(**binary), (z, yes), optax.losses.sigmoid_focal_loss(z, yes, **binary)),
        (losses.BinaryFocal(**binary), (z, soft), optax.losses.sigmoid_focal_loss(z, soft, **binary)),
        (losses.Hinge(), (z, 2 * yes - 1), optax.losses.hinge_loss(z, 2 * yes - 1)),
        (losses.CategoricalHinge(), (z, labels), optax.losses.multiclass_hinge_loss(z, labels)),
        (losses.CosineEmbedding(), (z, t), optax.losses.cosine_distance(z, t)),
        (losses.KLDivergence(from_logits=False), (z, soft), optax.losses.kl_divergence(z, soft)),
        (losses.NTXent(), (z, labels), optax.losses.ntxent(z, labels)),
        (losses.NTXent(0.5), (z, labels), optax.losses.ntxent(z, labels, 0.5)),
    ]
    for loss, given, theirs in pairs:
        np.testing.assert_allclose(loss(*given), np.asarray(theirs).mean(), rtol=2e-5, err_msg=str(loss))


def test_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    from sklearn.utils.class_weight import compute_class_weight

    rng = np.random.default_rng(4)
    data = random_case(rng, 30, 4)
    p, t, z, labels = data["z"][:, 0], data["line"][:, 0], data["z"], data["labels"]
    up, ut = data["rates"][:, 0], data["rates"][:, 1]
    signs = np.where(t > 0, 1, -1)
    pairs = [
        (losses.Quantile(0.9)(p, t), metrics.mean_pinball_loss(t, p, alpha=0.9)),
        (losses.Quantile(0.2)(p, t), metrics.mean_pinball_loss(t, p, alpha=0.2)),
        (losses.MSLE()(up, ut), metrics.mean_squared_log_error(ut, up)),
        (losses.MAPE()(p, t), metrics.mean_absolute_percentage_error(t, p)),
        (losses.Hinge()(p, signs), metrics.hinge_loss(signs, p)),
        (losses.CategoricalHinge()(z, labels), metrics.hinge_loss(labels, z, labels=[0, 1, 2, 3])),
        (losses.NLL()(np.log(data["soft"]), labels), metrics.log_loss(labels, data["soft"], labels=range(4))),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    weights = losses.WeightedCrossEntropy().resolve(z.shape, labels).weight
    np.testing.assert_allclose(
        weights, compute_class_weight("balanced", classes=np.arange(4), y=labels), rtol=1e-14
    )


def test_the_distance_of_probabilities_of_scipy():
    """The Jensen-Shannon distance is the root of the divergence."""
    distance = pytest.importorskip("scipy.spatial.distance", reason="scipy is not installed")
    data = random_case(np.random.default_rng(4), 6, 5)
    ours = losses.JSDivergence(from_logits=False).per_example(data["soft"], data["soft2"])
    theirs = distance.jensenshannon(data["soft"], data["soft2"], axis=1) ** 2
    np.testing.assert_allclose(ours, theirs, rtol=1e-11)
