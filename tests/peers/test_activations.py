"""Activations against PyTorch, and against JAX where PyTorch has none: value, slope, second derivative."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
F = torch.nn.functional

from learnkit import nn  # noqa: E402
from learnkit.autodiff import vjp  # noqa: E402
from learnkit.backends import array_namespace  # noqa: E402
from learnkit.plugins import registry  # noqa: E402


def halves(x):
    return torch.chunk(x, 2, dim=-1)


#: specification of ours: the same in PyTorch, and the corners of the function
PEERS = {
    "identity": (torch.nn.Identity(), ()),
    "relu": (F.relu, (0.0,)),
    "relu6": (F.relu6, (0.0, 6.0)),
    "leaky_relu": (F.leaky_relu, (0.0,)),
    "leaky_relu:negative_slope=0.3": (lambda x: F.leaky_relu(x, 0.3), (0.0,)),
    "elu": (F.elu, (0.0,)),
    "elu:alpha=0.3": (lambda x: F.elu(x, 0.3), (0.0,)),
    "celu": (F.celu, (0.0,)),
    "celu:alpha=2.5": (lambda x: F.celu(x, 2.5), (0.0,)),
    "selu": (F.selu, (0.0,)),
    "gelu": (F.gelu, ()),
    "gelu:approximate=tanh": (lambda x: F.gelu(x, approximate="tanh"), ()),
    "silu": (F.silu, ()),
    "mish": (F.mish, ()),
    "softplus": (F.softplus, ()),
    "softplus:beta=2,threshold=3": (lambda x: F.softplus(x, 2, 3), ()),
    "sigmoid": (torch.sigmoid, ()),
    "log_sigmoid": (F.logsigmoid, ()),
    "tanh": (torch.tanh, ()),
    "softsign": (F.softsign, (0.0,)),
    "hard_sigmoid": (F.hardsigmoid, (-3.0, 3.0)),
    "hard_swish": (F.hardswish, (-3.0, 3.0)),
    "hard_tanh": (F.hardtanh, (-1.0, 1.0)),
    "hard_tanh:min_val=-0.5,max_val=2": (lambda x: F.hardtanh(x, -0.5, 2.0), (-0.5, 2.0)),
    "hardshrink": (F.hardshrink, (-0.5, 0.5)),
    "hardshrink:lambd=1": (lambda x: F.hardshrink(x, 1.0), (-1.0, 1.0)),
    "softshrink": (F.softshrink, (-0.5, 0.5)),
    "softshrink:lambd=1": (lambda x: F.softshrink(x, 1.0), (-1.0, 1.0)),
    "threshold": (lambda x: F.threshold(x, 0.0, 0.0), (0.0,)),
    "threshold:threshold=0.25,value=-7": (lambda x: F.threshold(x, 0.25, -7.0), (0.25,)),
    "softmax": (lambda x: F.softmax(x, -1), ()),
    "log_softmax": (lambda x: F.log_softmax(x, -1), ()),
    "softmin": (lambda x: F.softmin(x, -1), ()),
    "glu": (F.glu, ()),
    "swiglu": (lambda x: F.silu(halves(x)[0]) * halves(x)[1], ()),
    "geglu": (lambda x: F.gelu(halves(x)[0]) * halves(x)[1], ()),
    "maxout": (lambda x: torch.amax(x.reshape(*x.shape[:-1], -1, 2), dim=-1), ()),
}
ALIASES = {"swish", "hard_silu"}
ROWWISE = {"softmax", "log_softmax", "softmin", "glu", "swiglu", "geglu", "maxout"}


def ours(fn, x, weights):
    """Value, weighted gradient, and gradient of the weighted sum of that."""

    def first(x):
        return vjp(fn, x)[1](weights[0])[0]

    _, pullback = vjp(first, x)
    return fn(x), first(x), pullback(weights[1])[0]


def theirs(fn, x, weights):
    x = x.clone().requires_grad_()
    y = fn(x)
    (g,) = torch.autograd.grad(y, x, weights[0], create_graph=True)
    gg = torch.zeros_like(x)
    if g.requires_grad:
        try:
            (found,) = torch.autograd.grad(g, x, weights[1], allow_unused=True)
        except RuntimeError:  # hardsigmoid has no second derivative there: it is 0
            found = None
        gg = gg if found is None else found
    return y.detach(), g.detach(), gg


def compare(name, x, dtype):
    layer = registry.create("activation", name)
    generator = torch.Generator().manual_seed(0)
    shape = PEERS[name][0](x).shape
    weights = [torch.rand(s, generator=generator, dtype=dtype) + 0.5 for s in (shape, x.shape)]
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    if name == "hard_sigmoid":  # whose slope in PyTorch is the float32 next to 1/6, in float64 too
        tolerance = max(tolerance, 1e-7)
    found, want = ours(layer, x, weights), theirs(PEERS[name][0], x, weights)
    for a, b in zip(found, want, strict=True):
        assert torch.isfinite(a).all()
        b = torch.where(torch.isnan(b), a, b)  # where PyTorch has no number, as for mish'' far out
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
    on_numpy = ours(layer, x.numpy(), [w.numpy() for w in weights])
    for a, b in zip(on_numpy, found, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=tolerance, atol=tolerance)


def test_every_activation_is_compared():
    assert {name.partition(":")[0] for name in PEERS} | {"prelu", "squareplus"} | ALIASES == set(
        registry.names("activation", third_party=False)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", PEERS)
def test_values_and_derivatives(name, dtype):
    """On random numbers of several sizes, in rows."""
    generator = torch.Generator().manual_seed(1)
    for scale in (0.1, 1.0, 4.0):
        compare(name, torch.randn(5, 8, generator=generator, dtype=dtype) * scale, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", [n for n in PEERS if n.partition(":")[0] not in ROWWISE])
def test_far_out_at_zero_and_at_corners(name, dtype):
    """To +-1e4, at zeros of both signs, and with PyTorch's subgradient at each corner and beside it."""
    points = [0.0, -0.0, *PEERS[name][1]]
    for corner in PEERS[name][1]:
        near = np.float32(corner) if dtype == torch.float32 else corner
        points += [float(np.nextafter(near, near + side, dtype=type(near))) for side in (-1, 1)]
    for p in (1e-30, 1e-3, 1.4, 5.0, 9.0, 19.0, 21.0, 30.0, 50.0, 90.0, 800.0, 1e4):
        points += [p, -p]
    compare(name, torch.asarray(points, dtype=dtype), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(
    ("shape", "n"), [((6, 3), 1), ((6, 3), 3), ((2, 3, 4), 3), ((2, 3, 4, 2), 1), ((5,), 1)]
)
def test_prelu(shape, n, dtype):
    """Channels on axis 1, with the gradient of the slopes; at 0 PyTorch takes the slope of the left."""
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(2), dtype=dtype)
    x.view(-1)[0] = 0.0
    weight = torch.linspace(-0.5, 0.5, n, dtype=dtype)
    y, pullback = vjp(nn.prelu, x, weight)
    g = torch.rand(shape, generator=torch.Generator().manual_seed(3), dtype=dtype)
    copies = x.clone().requires_grad_(), weight.clone().requires_grad_()
    want = F.prelu(*copies)
    tolerance = {"rtol": 1e-12, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(y, want.detach(), **tolerance)
    for a, b in zip(pullback(g), torch.autograd.grad(want, copies, g), strict=True):
        torch.testing.assert_close(a, b, **tolerance)


def test_the_same_as_jax():
    """squareplus, which PyTorch lacks, and the approximate gelu, which is JAX's default."""
    jax = pytest.importorskip("jax", reason="jax is not installed")
    x = np.linspace(-30, 30, 301).astype("float32")
    for fn, theirs in (
        (nn.squareplus, jax.nn.squareplus),
        (lambda x: nn.squareplus(x, 0.5), lambda x: jax.nn.squareplus(x, 0.5)),
        (lambda x: nn.gelu(x, "tanh"), jax.nn.gelu),
        (lambda x: nn.hard_sigmoid(x), jax.nn.hard_sigmoid),
        (nn.mish, jax.nn.mish),
        (lambda x: nn.glu(x[:300]), lambda x: jax.nn.glu(x[:300])),
    ):
        y, pullback = vjp(fn, x)
        want, back = jax.vjp(theirs, x)
        np.testing.assert_allclose(y, want, rtol=1e-5, atol=2e-6)
        one = array_namespace(y).ones_like(y)
        np.testing.assert_allclose(pullback(one)[0], back(one)[0], rtol=1e-5, atol=1e-5)


def test_alpha_of_selu_keeps_the_variance():
    """Mean 0 and variance 1 of a normal x come back, by numerical integration of the definition."""
    x = np.linspace(-12, 12, 240001)
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) * (x[1] - x[0])
    y = nn.selu(x)
    assert abs((y * density).sum()) < 1e-9
    assert (y**2 * density).sum() == pytest.approx(1.0, abs=1e-9)
