"""Layers beside PyTorch's: values, gradients of input and parameters, running statistics, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from learnkit import nn  # noqa: E402
from learnkit.autodiff import value_and_grad, vjp  # noqa: E402
from learnkit.backends import array_namespace  # noqa: E402
from learnkit.optim import SGD  # noqa: E402
from learnkit.plugins import registry  # noqa: E402
from learnkit.training import Trainer  # noqa: E402


@dataclass(frozen=True)
class Row:
    """Our layer, theirs, the shape of the input (or shapes, or a number of ids), and which leaf is which.

    ``leaves`` maps our path to their name and how their array becomes ours.
    """

    ours: Callable[[], nn.Module]
    theirs: Callable[[], Any]
    x: Any
    leaves: dict[str, tuple[str, Callable[[Any], Any]]] | None = None


def same(a):
    return a


def turned(a):
    return a.T


LINEAR = {"weight": ("weight", turned), "bias": ("bias", same)}
AFFINE = {"weight": ("weight", same), "bias": ("bias", same)}
WEIGHT = {"weight": ("weight", same)}
STATISTICS = {"running_mean": ("running_mean", same), "running_var": ("running_var", same)}
BATCH = {**AFFINE, **STATISTICS}
T = torch.nn
CONV = {"weight": ("weight", lambda a: np.moveaxis(a, (0, 1), (-1, -2))), "bias": ("bias", same)}
CONV_WEIGHT = {"weight": CONV["weight"]}


def normed():
    return T.utils.parametrizations.weight_norm(T.Linear(3, 2), dim=0)


G, V = "parametrizations.weight.original0", "parametrizations.weight.original1"

#: The first word of a row is a registered name.
ROWS = {
    "linear": Row(lambda: nn.Linear(3, 2), lambda: T.Linear(3, 2), (4, 3), LINEAR),
    "linear lazy": Row(lambda: nn.Linear(None, 2), lambda: T.LazyLinear(2), (2, 4, 3), LINEAR),
    "linear without bias": Row(
        lambda: nn.Linear(3, 2, bias=False), lambda: T.Linear(3, 2, bias=False), (4, 3),
        {"weight": ("weight", turned)},
    ),
    "bilinear": Row(
        lambda: nn.Bilinear(3, 2, 4), lambda: T.Bilinear(3, 2, 4), [(5, 3), (5, 2)],
        {"weight": ("weight", lambda a: np.moveaxis(a, 0, -1)), "bias": ("bias", same)},
    ),
    "embedding": Row(lambda: nn.Embedding(6, 3), lambda: T.Embedding(6, 3), 6, WEIGHT),
    "embedding padded": Row(
        lambda: nn.Embedding(6, 3, padding_idx=2), lambda: T.Embedding(6, 3, padding_idx=2), 6, WEIGHT
    ),
    "embedding padded from the end": Row(
        lambda: nn.Embedding(6, 3, -1), lambda: T.Embedding(6, 3, -1), 6, WEIGHT
    ),
    "batch_norm1d": Row(lambda: nn.BatchNorm1d(3), lambda: T.BatchNorm1d(3), (5, 3), BATCH),
    "batch_norm1d of sequences": Row(lambda: nn.BatchNorm1d(3), lambda: T.BatchNorm1d(3), (4, 3, 5), BATCH),
    "batch_norm1d with options": Row(
        lambda: nn.BatchNorm1d(3, 0.1, 0.4), lambda: T.BatchNorm1d(3, 0.1, 0.4), (5, 3), BATCH
    ),
    "batch_norm1d cumulative": Row(
        lambda: nn.BatchNorm1d(3, momentum=None), lambda: T.BatchNorm1d(3, momentum=None), (5, 3),
        {**BATCH, "num_batches_tracked": ("num_batches_tracked", same)},
    ),
    "batch_norm1d without affine": Row(
        lambda: nn.BatchNorm1d(3, affine=False), lambda: T.BatchNorm1d(3, affine=False), (5, 3), STATISTICS
    ),
    "batch_norm1d without statistics": Row(
        lambda: nn.BatchNorm1d(3, track_running_stats=False),
        lambda: T.BatchNorm1d(3, track_running_stats=False), (5, 3), AFFINE,
    ),
    "batch_norm2d": Row(lambda: nn.BatchNorm2d(3), lambda: T.BatchNorm2d(3), (2, 3, 4, 2), BATCH),
    "instance_norm1d": Row(lambda: nn.InstanceNorm1d(3), lambda: T.InstanceNorm1d(3), (4, 3, 5)),
    "instance_norm2d": Row(
        lambda: nn.InstanceNorm2d(3, affine=True), lambda: T.InstanceNorm2d(3, affine=True), (2, 3, 4, 2),
        AFFINE,
    ),
    "instance_norm2d with statistics": Row(
        lambda: nn.InstanceNorm2d(3, affine=True, track_running_stats=True, momentum=0.3),
        lambda: T.InstanceNorm2d(3, affine=True, track_running_stats=True, momentum=0.3), (2, 3, 4, 2), BATCH,
    ),
    "conv1d": Row(lambda: nn.Conv1d(3, 4, 3), lambda: T.Conv1d(3, 4, 3), (4, 3, 7), CONV),
    "conv1d with all": Row(
        lambda: nn.Conv1d(4, 6, 3, 2, 3, 2, 2, False), lambda: T.Conv1d(4, 6, 3, 2, 3, 2, 2, False),
        (4, 4, 9), CONV_WEIGHT,
    ),
    "conv1d of the same length": Row(
        lambda: nn.Conv1d(3, 4, 4, padding="same"), lambda: T.Conv1d(3, 4, 4, padding="same"), (4, 3, 7), CONV
    ),
    "conv2d": Row(lambda: nn.Conv2d(3, 4, 3), lambda: T.Conv2d(3, 4, 3), (2, 3, 5, 6), CONV),
    "conv2d of many channels": Row(
        lambda: nn.Conv2d(16, 8, 3, padding=1), lambda: T.Conv2d(16, 8, 3, padding=1), (2, 16, 5, 6), CONV
    ),
    "conv2d lazy": Row(
        lambda: nn.Conv2d(None, 4, 3, groups=2), lambda: T.LazyConv2d(4, 3, groups=2), (2, 4, 5, 6), CONV
    ),
    "conv2d with all": Row(
        lambda: nn.Conv2d(4, 6, (3, 2), (2, 3), (1, 2), (2, 1), 2, False),
        lambda: T.Conv2d(4, 6, (3, 2), (2, 3), (1, 2), (2, 1), 2, False), (2, 4, 7, 6), CONV_WEIGHT,
    ),
    "conv2d of the same size": Row(
        lambda: nn.Conv2d(3, 4, (4, 2), padding="same", dilation=(1, 3)),
        lambda: T.Conv2d(3, 4, (4, 2), padding="same", dilation=(1, 3)), (2, 3, 5, 6), CONV,
    ),
    "conv2d of each channel": Row(
        lambda: nn.Conv2d(3, 6, 3, groups=3), lambda: T.Conv2d(3, 6, 3, groups=3), (2, 3, 5, 6), CONV
    ),
    "conv1d replicating": Row(
        lambda: nn.Conv1d(3, 4, 3, 2, 2, padding_mode="replicate"),
        lambda: T.Conv1d(3, 4, 3, 2, 2, padding_mode="replicate"), (2, 3, 5), CONV,
    ),
    "conv2d reflecting": Row(
        lambda: nn.Conv2d(3, 4, 3, 1, (2, 1), 1, 1, True, "reflect"),
        lambda: T.Conv2d(3, 4, 3, 1, (2, 1), 1, 1, True, "reflect"), (2, 3, 5, 6), CONV,
    ),
    "conv2d circular": Row(
        lambda: nn.Conv2d(3, 4, (4, 3), padding="same", padding_mode="circular"),
        lambda: T.Conv2d(3, 4, (4, 3), padding="same", padding_mode="circular"), (2, 3, 5, 6), CONV,
    ),
    "conv2d dilated": Row(
        lambda: nn.Conv2d(12, 4, 3, padding=2, dilation=2), lambda: T.Conv2d(12, 4, 3, padding=2, dilation=2),
        (2, 12, 5, 6), CONV,
    ),
    "conv_transpose2d": Row(
        lambda: nn.ConvTranspose2d(3, 4, 3, 2), lambda: T.ConvTranspose2d(3, 4, 3, 2), (2, 3, 4, 5), CONV
    ),
    "conv_transpose2d with all": Row(
        lambda: nn.ConvTranspose2d(4, 6, (3, 2), (2, 3), 1, (1, 2), 2, False, (2, 1)),
        lambda: T.ConvTranspose2d(4, 6, (3, 2), (2, 3), 1, (1, 2), 2, False, (2, 1)),
        (2, 4, 4, 5), CONV_WEIGHT,
    ),
    "conv_transpose2d of one step": Row(
        lambda: nn.ConvTranspose2d(16, 4, 3, padding=1), lambda: T.ConvTranspose2d(16, 4, 3, padding=1),
        (2, 16, 4, 5), CONV,
    ),
    "max_pool1d": Row(lambda: nn.MaxPool1d(3, 2, 1), lambda: T.MaxPool1d(3, 2, 1), (2, 3, 8)),
    "max_pool2d": Row(lambda: nn.MaxPool2d(2), lambda: T.MaxPool2d(2), (2, 3, 5, 6)),
    "max_pool2d with all": Row(
        lambda: nn.MaxPool2d((3, 2), (2, 1), 1, (1, 2), ceil_mode=True),
        lambda: T.MaxPool2d((3, 2), (2, 1), 1, (1, 2), ceil_mode=True), (2, 3, 6, 5),
    ),
    "avg_pool1d": Row(lambda: nn.AvgPool1d(3, 2, 1), lambda: T.AvgPool1d(3, 2, 1), (2, 3, 8)),
    "avg_pool2d": Row(lambda: nn.AvgPool2d(2), lambda: T.AvgPool2d(2), (2, 3, 5, 6)),
    "avg_pool2d without padding": Row(
        lambda: nn.AvgPool2d((3, 4), 2, (1, 2), count_include_pad=False),
        lambda: T.AvgPool2d((3, 4), 2, (1, 2), count_include_pad=False), (2, 3, 5, 6),
    ),
    "avg_pool2d to the end": Row(
        lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), lambda: T.AvgPool2d(3, 2, 1, ceil_mode=True),
        (2, 3, 6, 8),
    ),
    "avg_pool2d to the end without padding": Row(
        lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        lambda: T.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 3, 6, 8),
    ),
    "adaptive_avg_pool1d": Row(
        lambda: nn.AdaptiveAvgPool1d(3), lambda: T.AdaptiveAvgPool1d(3), (2, 3, 8)
    ),
    "adaptive_avg_pool2d": Row(
        lambda: nn.AdaptiveAvgPool2d((3, 4)), lambda: T.AdaptiveAvgPool2d((3, 4)), (2, 3, 5, 7)
    ),
    "adaptive_avg_pool2d of equal windows": Row(
        lambda: nn.AdaptiveAvgPool2d((None, 2)), lambda: T.AdaptiveAvgPool2d((None, 2)), (2, 3, 5, 6)
    ),
    "adaptive_avg_pool2d of all": Row(
        lambda: nn.AdaptiveAvgPool2d(1), lambda: T.AdaptiveAvgPool2d(1), (2, 3, 5, 6)
    ),
    "upsampling_nearest2d": Row(
        lambda: nn.UpsamplingNearest2d(3), lambda: T.UpsamplingNearest2d(scale_factor=3), (2, 3, 2, 4)
    ),
    "layer_norm": Row(lambda: nn.LayerNorm(5), lambda: T.LayerNorm(5), (4, 3, 5), AFFINE),
    "layer_norm of two axes": Row(
        lambda: nn.LayerNorm((3, 5)), lambda: T.LayerNorm((3, 5)), (4, 3, 5), AFFINE
    ),
    "layer_norm without bias": Row(
        lambda: nn.LayerNorm(5, 1e-3, bias=False), lambda: T.LayerNorm(5, 1e-3, bias=False), (4, 5), WEIGHT
    ),
    "layer_norm without affine": Row(
        lambda: nn.LayerNorm(5, elementwise_affine=False),
        lambda: T.LayerNorm(5, elementwise_affine=False), (4, 5),
    ),
    "rms_norm": Row(lambda: nn.RMSNorm(5), lambda: T.RMSNorm(5, eps=1e-6), (4, 5), WEIGHT),
    "rms_norm of two axes": Row(
        lambda: nn.RMSNorm((3, 5), None), lambda: T.RMSNorm((3, 5)), (4, 3, 5), WEIGHT
    ),
    "group_norm": Row(lambda: nn.GroupNorm(2, 6), lambda: T.GroupNorm(2, 6), (3, 6, 4), AFFINE),
    "group_norm of features": Row(lambda: nn.GroupNorm(2, 6), lambda: T.GroupNorm(2, 6), (4, 6), AFFINE),
    "group_norm of images": Row(
        lambda: nn.GroupNorm(1, 6, 0.1, affine=False),
        lambda: T.GroupNorm(1, 6, 0.1, affine=False), (2, 6, 2, 3),
    ),
    "weight_norm": Row(
        lambda: nn.WeightNorm(nn.Linear(3, 2)), normed, (4, 3),
        {"v": (V, turned), "g": (G, turned), "layer.bias": ("bias", same)},
    ),
    "flatten": Row(lambda: nn.Flatten(), lambda: T.Flatten(), (2, 3, 4)),
    "flatten of some axes": Row(lambda: nn.Flatten(0, 1), lambda: T.Flatten(0, 1), (2, 3, 4)),
    "reshape": Row(lambda: nn.Reshape((2, 6)), lambda: T.Unflatten(1, (2, 6)), (3, 12)),
    "sequential": Row(
        lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.GELU(), nn.Linear(4, 2)),
        lambda: T.Sequential(T.Linear(3, 4), T.BatchNorm1d(4), T.GELU(), T.Linear(4, 2)), (5, 3),
        {f"{i}.{ours}": (f"{i}.{theirs}", how)
         for i, leaves in ((0, LINEAR), (1, BATCH), (3, LINEAR)) for ours, (theirs, how) in leaves.items()},
    ),
}  # fmt: skip

#: What PyTorch has no layer for, or draws from numbers of its own; see the tests of layers.
ALONE = set(
    """dropout spatial_dropout alpha_dropout drop_path gaussian_noise gaussian_dropout permute lambda residual
    parallel concat add mlp""".split()
)


def test_every_registered_layer_has_a_row_or_a_reason():
    assert {row.split()[0] for row in ROWS} | ALONE == set(registry.names("layer", third_party=False))


def batches(row, dtype, count=4):
    """Inputs for some steps: a list of one or two arrays each."""
    rng = np.random.default_rng(5)
    for _ in range(count):
        if isinstance(row.x, int):
            yield [rng.integers(0, row.x, size=(3, 4))]
        else:
            shapes = row.x if isinstance(row.x, list) else [row.x]
            yield [(2.0 * rng.normal(size=s) + 0.5).astype(dtype) for s in shapes]


def assert_close(got, want, tolerance):
    """To ``tolerance`` of the largest entry."""
    size = max(1.0, np.abs(want).max(initial=0))
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * size)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("name", ROWS)
def test_layers_are_those_of_torch(name, dtype, tolerance):
    """Several steps of training with SGD, then inference; with the arrays of theirs at the start."""
    row = ROWS[name]
    ours, theirs = row.ours(), row.theirs().to(getattr(torch, dtype))
    first = next(batches(row, dtype))
    theirs.eval()(*map(torch.from_numpy, first))  # a lazy one needs to see a batch
    theirs.train()
    parameters = nn.initialize(ours, x=tuple(first), dtype=dtype)
    state = {**dict(theirs.named_parameters()), **dict(theirs.named_buffers())}
    leaves = {path: (state[name], how) for path, (name, how) in (row.leaves or {}).items()}
    assert set(leaves) == set(ours.arrays())
    noise = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for path, (p, how) in leaves.items():
            if path in ours.parameters() and "padded" not in name:
                p += 0.3 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
            ours.arrays()[path][...] = how(p.detach().numpy().astype(dtype))
    optimizer = torch.optim.SGD(list(theirs.parameters()) or [torch.zeros(1)], lr=0.02)
    for step, x in enumerate(batches(row, dtype)):
        given = [torch.from_numpy(a).requires_grad_(a.dtype.kind == "f") for a in x]
        y = theirs(*given)
        weights = np.sin(np.arange(y.numel())).reshape(y.shape).astype(dtype)
        optimizer.zero_grad()
        (y * y * torch.from_numpy(weights)).sum().backward()

        def objective(m, *x, weights=weights):
            out = m(*x)
            xp = array_namespace(out)
            return xp.sum(xp.multiply(xp.multiply(out, out), weights)), out

        floats = tuple(i + 1 for i, a in enumerate(x) if a.dtype.kind == "f")
        with nn.training(0, step):
            (_, out), (g, *dx) = value_and_grad(objective, (0, *floats), has_aux=True)(ours, *x)
        assert_close(out, y.detach().numpy(), tolerance)
        for i, d in zip(floats, dx, strict=True):
            assert_close(d, given[i - 1].grad.numpy(), tolerance)
        for path, (p, how) in leaves.items():
            if path in g:
                assert_close(g[path], how(p.grad.numpy()), tolerance)
                ours.arrays()[path][...] -= 0.02 * g[path]
        optimizer.step()
        for path, (p, how) in leaves.items():
            assert_close(ours.arrays()[path], how(p.detach().numpy()), tolerance)
    assert parameters.layout.size == sum(p.numel() for p in theirs.parameters())
    theirs.eval()
    with torch.no_grad():
        want = theirs(*map(torch.from_numpy, first)).numpy()
    assert_close(ours(*first), want, tolerance)


def test_a_trainer_beside_their_loop():
    """A network with batch normalisation, twenty steps of momentum SGD: weights and statistics."""
    ours = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3), nn.LayerNorm(3))
    trainer = Trainer(ours, "cross_entropy", SGD(0.1, momentum=0.9), dtype="float64", seed=2)
    theirs = T.Sequential(T.Linear(4, 6), T.BatchNorm1d(6), T.ReLU(), T.Linear(6, 3), T.LayerNorm(3)).double()
    names = dict(theirs.named_parameters()) | dict(theirs.named_buffers())
    with torch.no_grad():
        for path, a in ours.arrays().items():
            how = turned if path in ("0.weight", "3.weight") else same
            names[path].copy_(torch.from_numpy(how(a).copy()))
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.normal(size=(8, 4)) + 3.0, rng.integers(0, 3, 8)
        optimizer.zero_grad()
        loss = T.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        optimizer.step()
        assert float(trainer.step(x, y)) == pytest.approx(loss.item(), rel=1e-11)
    for path, a in ours.arrays().items():
        how = turned if path in ("0.weight", "3.weight") else same
        np.testing.assert_allclose(a, how(names[path].detach().numpy()), rtol=1e-10, atol=1e-11)
    theirs.eval()
    with torch.no_grad():
        want = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(trainer.predict(x), want, rtol=1e-10, atol=1e-11)


def test_averages_over_batches_are_those_of_update_bn():
    batches = [np.random.default_rng(k).normal(size=(6, 3)) + k for k in range(4)]
    ours, theirs = nn.Sequential(nn.BatchNorm1d(3)), T.Sequential(T.BatchNorm1d(3)).double()
    nn.initialize(ours, dtype="float64")
    torch.optim.swa_utils.update_bn([torch.from_numpy(x) for x in batches], theirs)
    nn.update_statistics(ours, batches)
    np.testing.assert_allclose(ours[0].running_mean, theirs[0].running_mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(ours[0].running_var, theirs[0].running_var.numpy(), rtol=1e-12)


def test_second_order_through_norms():
    """The gradient of a gradient's norm, as for a gradient penalty."""
    from learnkit.autodiff import grad

    for ours, theirs in ((nn.BatchNorm1d(4), T.BatchNorm1d(4)), (nn.LayerNorm(4), T.LayerNorm(4))):
        nn.initialize(ours, dtype="float64")
        theirs = theirs.double()
        x = np.random.default_rng(0).normal(size=(6, 4))

        def penalty(x, layer=ours):
            def cubes(x):
                with nn.training():
                    y = layer(x)
                return array_namespace(y).sum(y * y * y)

            g = grad(cubes)(x)
            return array_namespace(g).sum(g * g)

        t = torch.from_numpy(x).requires_grad_()
        (g,) = torch.autograd.grad((theirs(t) ** 3).sum(), t, create_graph=True)
        (want,) = torch.autograd.grad((g * g).sum(), t)
        np.testing.assert_allclose(grad(penalty)(x), want.numpy(), rtol=1e-10, atol=1e-10)


def test_alpha_dropout_has_their_constants():
    """Over many numbers the same mean and deviation, and the same two values for x = 0."""
    torch.manual_seed(0)
    x = np.zeros(20_000)
    with nn.training():
        ours = nn.AlphaDropout(0.2)(x)
    theirs = T.functional.alpha_dropout(torch.from_numpy(x), 0.2, training=True).numpy()
    np.testing.assert_allclose(np.unique(ours), np.unique(theirs), rtol=1e-12)
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.03)


def test_embeddings_start_with_their_law():
    table = nn.Embedding(500, 40)
    nn.initialize(table)
    theirs = T.Embedding(500, 40).weight.detach().numpy()
    assert table.weight.std() == pytest.approx(theirs.std(), rel=0.02)
    padded = nn.Embedding(5, 4, padding_idx=1)
    nn.initialize(padded)
    assert (padded.weight[1] == 0).all()
    assert (padded.weight[0] != 0).all()


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 1, 1), (3, 2, 1), (2, 3, 0)])
def test_of_equal_pixels_the_first_has_the_gradient(kernel, stride, padding, ceil_mode):
    """Of images with few different values, among them the smallest that there is."""
    x = np.random.default_rng(3).integers(0, 3, size=(4, 2, 6, 7)).astype("float64")
    x[0] = -np.inf
    t = torch.from_numpy(x).requires_grad_()
    y = T.functional.max_pool2d(t, kernel, stride, padding, ceil_mode=ceil_mode)
    g = np.random.default_rng(4).normal(size=y.shape)
    (want,) = torch.autograd.grad(y, t, torch.from_numpy(g))
    layer = nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)
    value, back = vjp(layer, x)
    np.testing.assert_array_equal(value, y.detach().numpy())
    np.testing.assert_allclose(back(g)[0], want.numpy(), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (nn.Conv1d(8, 300, 5), lambda: T.Conv1d(8, 300, 5)),
        (nn.Conv2d(8, 100, (3, 5), groups=4), lambda: T.Conv2d(8, 100, (3, 5), groups=4)),
        (nn.ConvTranspose2d(100, 8, (3, 5), groups=4), lambda: T.ConvTranspose2d(100, 8, (3, 5), groups=4)),
        (nn.Conv2d(None, 100, 3), lambda: T.Conv2d(8, 100, 3)),
    ],
)
def test_kernels_start_within_their_bounds(ours, theirs):
    """Uniform, with the same variance and the same ends, for weight and bias."""
    nn.initialize(ours, x=np.zeros((1, 8, 5, 5)) if ours.in_channels is None else None)
    state = theirs().state_dict()
    for path, array in ours.arrays().items():
        a, b = array, state[path].numpy()
        rel = 0.35 if path == "bias" and a.size < 50 else 0.06
        assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=rel)
        assert a.std() == pytest.approx(b.std(), rel=0.6 if path == "bias" and a.size < 50 else 0.12)
    bound = 1 / np.sqrt(np.prod(ours.weight.shape[:-1]))
    assert np.abs(ours.weight).max() <= bound
    assert np.abs(ours.bias).max() <= bound
