"""Gradients beside those of ``torch.autograd``, to 1e-12: every row of the tables that PyTorch can run.

A row is a function of a namespace, so it runs twice on the same tensors: on learnkit's variables over
torch, and in torch itself with ``requires_grad``. For complex numbers the two share their convention.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import array_api_compat.torch as torch_xp  # noqa: E402

from learnkit.autodiff import grad, vjp  # noqa: E402
from learnkit.autodiff.rules.special import SPECIAL  # noqa: E402
from learnkit.backends import array_namespace  # noqa: E402

TABLES = ("rules", "standard", "linalg", "fft", "complex")


def _table(name):
    path = Path(__file__).parents[1] / "autodiff" / f"test_{name}.py"
    spec = importlib.util.spec_from_file_location(f"peer_table_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES


CASES = {f"{table}: {row}": case for table in TABLES for row, case in _table(table).items()}

#: Rows that torch, or array-api-compat over it, does otherwise, and why.
DIFFERENT = {
    "standard: asarray": "torch.asarray of a list of tensors leaves the tape",
    "standard: asarray copy": "torch.asarray warns about tensors on the tape",
    "standard: asarray dtype": "torch.asarray warns about tensors on the tape",
    "standard: roll one shift": "torch wants one shift for each axis",
    "standard: setitem twice": "torch cannot write to what a product has saved",
    "complex: where complex and real": "torch has no gradient for it",
    "rules: remainder of a number": "torch has no gradient for it",
    "rules: getitem backwards": "torch does not read backwards",
    **{
        f"standard: {row}": "torch has no gradient for unique values"
        for row in _table("standard")
        if row.startswith("unique_")
    },
}
#: learnkit's own functions, of which test_torch.py compares the layers.
OWN = (
    "bce_with_logits",
    "index_add",
    "linear",
    "log_softmax",
    "relu",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
)

GROUPS: dict[str, list[str]] = {}
for _row in CASES:
    if _row.split()[1] in OWN:
        continue
    GROUPS.setdefault(" ".join(_row.split()[:2]), []).append(_row)


def _listed(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _weights(y):
    w = torch.cos(1.0 + torch.arange(y.numel(), dtype=torch.float64)).reshape(y.shape)
    return (w * (1.0 + 0.3j) + 0.2j) if y.is_complex() else w


def _theirs(fn, arrays):
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    outputs = [y for y in _listed(fn(torch_xp, *tensors)) if y.requires_grad]
    gradients = torch.autograd.grad(
        outputs,
        tensors,
        [_weights(y).to(y.dtype) for y in outputs],
        allow_unused=True,
        materialize_grads=True,
    )
    return [g.detach().resolve_conj().numpy() for g in gradients]


def _ours(fn, arrays):
    value, pullback = vjp(
        lambda *a: _listed(fn(array_namespace(*a), *a)), *(torch.tensor(np.array(a)) for a in arrays)
    )
    return [g.resolve_conj().numpy() for g in pullback([_weights(y).to(y.dtype) for y in value])]


def _agree(ours, theirs, rtol=1e-12):
    for got, want in zip(ours, theirs, strict=True):
        assert got.dtype == want.dtype
        scale = max(1.0, float(np.max(np.abs(want), initial=0.0)))
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("group", GROUPS)
def test_gradient_is_that_of_torch(group):
    """To 1e-12 of the largest entry, in float64 and complex128."""
    for row in GROUPS[group]:
        if row in DIFFERENT:
            continue
        fn, *arrays = CASES[row]
        _agree(_ours(fn, arrays), _theirs(fn, arrays))


SECOND_ORDER = [
    "rules: tanh",
    "rules: pow of (2, 1) and (1, 3)",
    "rules: divide of (2, 3) and (3,)",
    "rules: atan2 of (2, 3) and (2, 3)",
    "rules: hypot of (2, 3) and (2, 3)",
    "rules: logaddexp of (2, 3) and (2, 3)",
    "standard: std None",
    "rules: matmul (2, 2, 3) (3, 2)",
    "standard: prod two zeros",
    "standard: cumulative_prod zeros",
    "standard: setitem slice",
    "linalg: det",
    "linalg: inv",
    "linalg: solve matrix",
    "linalg: cholesky",
    "linalg: eigh",
    "linalg: svd tall",
    "linalg: qr tall",
    "linalg: pinv tall",
    "linalg: slogdet complex",
    "linalg: vector_norm 3 None False",
    "linalg: matrix_norm nuc",
    "complex: tan",
    "complex: pow",
    "complex: abs",
]


@pytest.mark.parametrize("row", SECOND_ORDER)
def test_second_order_is_that_of_torch(row):
    """The gradient of a weighted sum of gradients, to 1e-10."""
    fn, *arrays = CASES[row]

    def slope(gradients):
        total = 0.0
        for g in gradients:
            part = g * g.conj() if g.is_complex() else g * g
            total = total + (part.real if g.is_complex() else part).sum()
        return total

    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    outputs = [y for y in _listed(fn(torch_xp, *tensors)) if y.requires_grad]
    first = torch.autograd.grad(
        outputs, tensors, [_weights(y).to(y.dtype) for y in outputs], create_graph=True
    )
    theirs = torch.autograd.grad(slope(first), tensors)

    def ours(*tensors):
        value, pullback = vjp(lambda *a: _listed(fn(array_namespace(*a), *a)), *tensors)
        weights = [_weights(torch.empty(y.shape, dtype=y.dtype)).to(y.dtype) for y in value]
        total = 0.0
        for g in pullback(weights):
            xp = array_namespace(g)
            total = total + xp.sum(xp.square(xp.abs(g)))
        return total

    found = grad(ours, tuple(range(len(arrays))))(*(torch.tensor(np.array(a)) for a in arrays))
    _agree(
        [g.resolve_conj().numpy() for g in found],
        [g.detach().resolve_conj().numpy() for g in theirs],
        rtol=1e-10,
    )


_x = np.linspace(0.15, 0.9, 6)
SPECIAL_CASES = {
    "digamma": (torch.special.digamma, [4 * _x, -0.4 - _x / 3]),
    "entr": (torch.special.entr, [3 * _x]),
    "erf": (torch.special.erf, [5 * _x - 2, np.asarray([-7.0, 0.0, 0.46875, 4.0])]),
    "erfc": (torch.special.erfc, [5 * _x - 2, np.asarray([-7.0, 0.0, 0.46875, 4.0, 12.0])]),
    "expit": (torch.special.expit, [9 * _x - 4, np.asarray([-40.0, 0.0, 40.0])]),
    "gammaln": (torch.special.gammaln, [4 * _x, -0.4 - _x / 3, np.asarray([50.0, 1e5])]),
    "log_expit": (torch.nn.functional.logsigmoid, [9 * _x - 4, np.asarray([-40.0, 0.0, 40.0])]),
    "log_ndtr": (torch.special.log_ndtr, [9 * _x - 4, np.asarray([-30.0, -8.0])]),
    "logit": (torch.special.logit, [_x]),
    "ndtr": (torch.special.ndtr, [9 * _x - 4]),
}


@pytest.mark.parametrize("name", SPECIAL_CASES)
def test_special_functions(name):
    """Values and gradients are those of ``torch.special``."""
    theirs, points = SPECIAL_CASES[name]
    for at in points:
        tensor = torch.tensor(at, requires_grad=True)
        wanted = theirs(tensor)
        (slope,) = torch.autograd.grad(wanted.sum(), tensor)
        value, pullback = vjp(SPECIAL[name], torch.tensor(at))
        np.testing.assert_allclose(value.numpy(), wanted.detach().numpy(), rtol=1e-12, atol=1e-14)
        got = pullback(torch.ones_like(value))[0].numpy()
        rtol = 1e-8 if name == "digamma" else 1e-12  # torch's trigamma has ten digits
        np.testing.assert_allclose(got, slope.numpy(), rtol=rtol, atol=1e-14)


def test_xlogy():
    """Also where x is 0, but where y is too: there torch's gradient is NaN or infinite, ours 0."""
    at = np.asarray([0.0, 0.5, 2.0]), np.asarray([2.0, 0.3, 4.0])
    tensors = [torch.tensor(a, requires_grad=True) for a in at]
    wanted = torch.special.xlogy(*tensors)
    slopes = torch.autograd.grad(wanted.sum(), tensors)
    value, pullback = vjp(SPECIAL["xlogy"], *(torch.tensor(a) for a in at))
    np.testing.assert_allclose(value.numpy(), wanted.detach().numpy(), rtol=1e-13)
    for got, want in zip(pullback(torch.ones_like(value)), slopes, strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-13)


TIES = {
    "maximum": lambda xp, a, b: xp.maximum(a, b),
    "minimum": lambda xp, a, b: xp.minimum(a, b),
    "max": lambda xp, a, b: xp.max(xp.concat([a, b])),
    "min": lambda xp, a, b: xp.min(xp.concat([a, b])),
    "abs": lambda xp, a, b: xp.abs(a - b),
    "norm": lambda xp, a, b: xp.linalg.vector_norm(a - b),
    "norm 1": lambda xp, a, b: xp.linalg.vector_norm(a - b, ord=1),
    "std": lambda xp, a, b: xp.std(xp.concat([a, b])),
    "clip": lambda xp, a, b: xp.clip(a, 1.0, 2.0) + xp.clip(b, 0.0, 1.0),
    "logaddexp": lambda xp, a, b: xp.logaddexp(a, b),
    "sort": lambda xp, a, b: xp.sort(xp.concat([a, b]))[0],
    "prod": lambda xp, a, b: xp.prod(xp.concat([a - b, a])),
}


@pytest.mark.parametrize("name", TIES)
def test_subgradients_at_ties(name):
    """The same choice at corners."""
    one = np.asarray([1.0])
    _agree(_ours(TIES[name], [one, one]), _theirs(TIES[name], [one, one]), rtol=1e-14)


def _array(*x):
    return np.asarray(x, dtype=np.float64)


inf, nan = float("inf"), float("nan")
_eye, _ones, _none = np.eye(2), np.ones((2, 2)), np.zeros((2, 2))
_lines = np.asarray([[1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 3.0, 4.0], [1.0, 0.0, 3.0, 0.0], [0.0] * 4])


def _norm(name, ord, x):
    return f"{name} {ord} of {x.tolist()}", (lambda xp, x: getattr(xp.linalg, name)(x, ord=ord), x)


SINGULAR_POINTS = {
    "atan2 on the axes": (
        lambda xp, a, b: xp.atan2(a, b),
        _array(0.0, 0.0, 1.0, -1.0),
        _array(1.0, -1.0, 0.0, -0.0),
    ),
    "hypot with one 0": (lambda xp, a, b: xp.hypot(a, b), _array(0.0, 3.0, 1e200), _array(1.0, 0.0, 1e200)),
    "logaddexp with infinities": (
        lambda xp, a, b: xp.logaddexp(a, b),
        _array(-inf, 0.0, inf, 700.0, -800.0, inf),
        _array(0.0, -inf, 0.0, -700.0, -800.0, -inf),
    ),
    "pow at 0": (
        lambda xp, a, b: xp.pow(a, b),
        _array(0.0, 0.0, 0.0, 0.0, -1.0, 2.0),
        _array(0.0, 1.0, 2.0, 3.0, 2.0, 0.0),
    ),
    "powers of 0": (lambda xp, b: xp.pow(0.0, b), _array(0.0, 1.0, 0.5, 2.0)),
    **{
        f"pow {n} at 0": (lambda xp, a, n=n: xp.pow(a, n), _array(0.0, 1.0, 2.0))
        for n in (0.0, 1.0, 2.0, 1.5)
    },
    "cumulative_prod": (lambda xp, x: xp.cumulative_prod(x, axis=1), _lines),
    "prod": (lambda xp, x: xp.prod(x, axis=1), _lines),
    "std of equal values, rounded or not": (lambda xp, x: xp.std(x, axis=1), _array([0.1] * 3, [2.0] * 3)),
    "std with correction": (lambda xp, x: xp.std(x, correction=1), _array(2.0, 2.0, 2.0)),
    "var of equal values": (lambda xp, x: xp.var(x, axis=1), _array([0.1] * 3, [2.0] * 3)),
    "max": (lambda xp, x: xp.max(x, axis=1), _array([2.0, 2.0], [2.0, 0.0], [inf, inf], [-inf, -inf])),
    "min": (lambda xp, x: xp.min(x), _array([1.0, 2.0], [1.0, 1.0])),
    "sort": (lambda xp, x: xp.sort(x, stable=True), _array(1.0, 0.0, 1.0, 0.0, 1.0)),
    "maximum and NaN": (lambda xp, a, b: xp.maximum(a, b), _array(nan, 1.0, 2.0), _array(1.0, nan, 2.0)),
    "minimum and NaN": (lambda xp, a, b: xp.minimum(a, b), _array(nan, 1.0, 2.0), _array(1.0, nan, 2.0)),
    "clip, bounds crossed": (
        lambda xp, x, a, b: xp.clip(x, a, b),
        _array(-1.0, 0.0, 0.5, 1.0, 2.0),
        _array(1.0, 1.0, 1.0, 1.0, 1.0),
        _array(0.0, 0.0, 0.0, 0.0, 0.0),
    ),
    "copysign of 0": (
        lambda xp, a, b: xp.copysign(a, b),
        _array(0.0, -0.0, 1.0, -1.0),
        _array(1.0, -1.0, -0.0, 0.0),
    ),
    "remainder": (
        lambda xp, a, b: xp.remainder(a, b),
        _array(5.0, -5.0, 5.0, -5.0),
        _array(3.0, 3.0, -3.0, 2.5),
    ),
    "complex abs at 0": (lambda xp, z: xp.abs(z), np.zeros(2, dtype=complex)),
    "pinv of rank 1": (lambda xp, x: xp.linalg.pinv(x), _array([1.0, 2.0], [2.0, 4.0])),
    "eigvalsh of equal values": (lambda xp, x: xp.linalg.eigvalsh(x), np.eye(3)),
    "eigenvectors": (
        lambda xp, x: xp.linalg.eigh(x)[1],
        _array([2.0, 0.5, 0.1], [0.5, 1.0, 0.3], [0.1, 0.3, 4.0]),
    ),
    **dict(
        _norm("matrix_norm", o, x)
        for o in ("fro", 1, -1, 2, -2, inf, -inf)
        for x in (_eye, _ones, _none)
        if not (o == -2 and x is _ones)  # where the vectors of the value 0 are arbitrary
    ),
    **dict(
        _norm("vector_norm", o, x)
        for o in (0, 1, 2, 3, 0.5, 1.5, inf, -inf)
        for x in (_array(1.0, -1.0, 1.0), _array(0.0, 0.0), _array(0.0, 1.0, -2.0))
    ),
}


@pytest.mark.parametrize("name", SINGULAR_POINTS)
def test_singular_points(name):
    """At ties, zeros and infinities the choice is torch's, wherever torch's is a number."""
    fn, *arrays = SINGULAR_POINTS[name]
    _agree(_ours(fn, arrays), _theirs(fn, arrays))


@pytest.mark.parametrize(
    "a", [_array([1.0, 2.0], [2.0, 4.0]), _array([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 1.0])]
)
def test_determinants_of_singular_matrices(a):
    """torch's is right only while its own gradient is recorded; ours is so always."""
    tensor = torch.tensor(a, requires_grad=True)
    (first,) = torch.autograd.grad(torch.linalg.det(tensor), tensor, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), tensor)

    def det(x):
        return array_namespace(x).linalg.det(x)

    def slope(x):
        return array_namespace(x).sum(array_namespace(x).square(grad(det)(x)))

    _agree([grad(det)(torch.tensor(a)).numpy()], [first.detach().numpy()])
    _agree([grad(slope)(torch.tensor(a)).numpy()], [second.numpy()], rtol=1e-10)
