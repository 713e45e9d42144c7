"""Initializers: one row each in ``INITIALIZERS``, exact properties, and the bits that they draw."""

from __future__ import annotations

import hashlib
import math
import pickle

import numpy as np
import pytest

from learnkit import nn
from learnkit.backends.random import philox_truncated_normal, stream_id
from learnkit.errors import ArgumentError
from learnkit.nn import init
from learnkit.plugins import registry


def density(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def distribution(x):
    return (1 + math.erf(x / math.sqrt(2))) / 2


def truncated(mean, std, a, b):
    """Mean and standard deviation of a truncated normal, from the textbook."""
    low, high = (a - mean) / std, (b - mean) / std
    mass = distribution(high) - distribution(low)
    shift = (density(low) - density(high)) / mass
    variance = 1 + (low * density(low) - high * density(high)) / mass - shift**2
    return mean + std * shift, std * math.sqrt(variance)


#: name of the row, whose first word is registered: options; mean and std for (fan_in, fan_out); largest |x|
INITIALIZERS = {
    "constant": ({"value": 1.5}, lambda i, o: (1.5, 0.0), 1.5),
    "zeros": ({}, lambda i, o: (0.0, 0.0), 0.0),
    "ones": ({}, lambda i, o: (1.0, 0.0), 1.0),
    "normal": ({}, lambda i, o: (0.0, 1.0), None),
    "normal moved": ({"mean": 3.0, "std": 0.1}, lambda i, o: (3.0, 0.1), None),
    "uniform": ({}, lambda i, o: (0.5, 1 / math.sqrt(12)), 1.0),
    "uniform moved": ({"low": -3, "high": -1}, lambda i, o: (-2.0, 2 / math.sqrt(12)), 3.0),
    "truncated_normal": ({}, lambda i, o: truncated(0, 1, -2, 2), 2.0),
    "truncated_normal narrow": (
        {"mean": 0.5, "std": 0.2, "a": 0.4, "b": 1.0},
        lambda i, o: truncated(0.5, 0.2, 0.4, 1.0),
        1.0,
    ),
    "truncated_normal wide": ({"std": 0.02}, lambda i, o: (0.0, 0.02), None),
    "he_normal": ({}, lambda i, o: (0.0, math.sqrt(2 / i)), None),
    "he_normal out": ({"mode": "fan_out"}, lambda i, o: (0.0, math.sqrt(2 / o)), None),
    "he_normal gain": ({"gain": 3}, lambda i, o: (0.0, 3 / math.sqrt(i)), None),
    "he_normal tanh": ({"nonlinearity": "tanh"}, lambda i, o: (0.0, 5 / 3 / math.sqrt(i)), None),
    "he_uniform": ({}, lambda i, o: (0.0, math.sqrt(2 / i)), "uniform"),
    "he_uniform a": ({"a": math.sqrt(5)}, lambda i, o: (0.0, 1 / math.sqrt(3 * i)), "uniform"),
    "kaiming_normal": ({}, lambda i, o: (0.0, math.sqrt(2 / i)), None),
    "kaiming_uniform": ({"mode": "fan_out"}, lambda i, o: (0.0, math.sqrt(2 / o)), "uniform"),
    "xavier_normal": ({"gain": 5 / 3}, lambda i, o: (0.0, 5 / 3 * math.sqrt(2 / (i + o))), None),
    "xavier_uniform": ({}, lambda i, o: (0.0, math.sqrt(2 / (i + o))), "uniform"),
    "glorot_normal": ({}, lambda i, o: (0.0, math.sqrt(2 / (i + o))), None),
    "glorot_uniform": ({"gain": 0.5}, lambda i, o: (0.0, 0.5 * math.sqrt(2 / (i + o))), "uniform"),
    "lecun_normal": ({}, lambda i, o: (0.0, 1 / math.sqrt(i)), None),
    "lecun_uniform": ({"mode": "fan_out", "gain": 2.0}, lambda i, o: (0.0, 2 / math.sqrt(o)), "uniform"),
    "variance_scaling": ({}, lambda i, o: (0.0, 1 / math.sqrt(i)), "two"),
    "variance_scaling normal": (
        {"scale": 2.0, "mode": "fan_out", "distribution": "normal"},
        lambda i, o: (0.0, math.sqrt(2 / o)),
        None,
    ),
    "variance_scaling uniform": (
        {"scale": 3.0, "mode": "fan_avg", "distribution": "uniform"},
        lambda i, o: (0.0, math.sqrt(6 / (i + o))),
        "uniform",
    ),
    "orthogonal": ({"gain": 2.0}, lambda i, o: (0.0, 2 / math.sqrt(max(i, o))), None),
    "identity": ({"gain": 2.0}, lambda i, o: (2 / i, 2 * math.sqrt((1 - 1 / i) / i)), 2.0),
    "sparse": ({}, lambda i, o: (0.0, 0.01 * math.sqrt(0.9)), None),
    "dirac": ({"groups": 2}, None, 1.0),
}
ALIASES = {
    "kaiming_normal": "he_normal",
    "kaiming_uniform": "he_uniform",
    "glorot_normal": "xavier_normal",
    "glorot_uniform": "xavier_uniform",
}
#: Rows that draw nothing.
FIXED = {"constant", "zeros", "ones", "identity", "dirac"}


def made(row):
    return registry.create("initializer", {"name": row.split()[0], **INITIALIZERS[row][0]})


def shape_for(row):
    """Few for dirac, a kernel, and for orthogonal, which is slow; else sixty thousand numbers."""
    return {"dirac": (3, 10, 20), "orthogonal": (60, 40)}.get(row.split()[0], (300, 200))


def test_every_registered_initializer_has_a_row():
    assert {row.split()[0] for row in INITIALIZERS} == set(registry.names("initializer", third_party=False))


def test_every_public_initializer_is_registered():
    classes = {getattr(init, n) for n in init.__all__ if isinstance(getattr(init, n), type)} - {
        init.Initializer
    }
    names = registry.names("initializer", third_party=False)
    assert classes == {registry.get("initializer", n) for n in names}


@pytest.mark.parametrize("row", [r for r in INITIALIZERS if INITIALIZERS[r][1] is not None])
def test_the_law_of_an_initializer(row):
    """Mean, standard deviation and bounds over many numbers."""
    initializer, shape = made(row), shape_for(row)
    values = initializer(shape, seed=1, stream=2)
    _, law, bound = INITIALIZERS[row]
    mean, std = law(*shape)
    assert values.mean() == pytest.approx(mean, abs=4 * max(std, 1e-9) / math.sqrt(values.size))
    assert values.std() == pytest.approx(std, rel=0.01, abs=1e-6)
    if bound == "uniform":
        bound = std * math.sqrt(3)
    elif bound == "two":
        bound = 2 * std / 0.87962566103423978
    if bound is not None:
        assert 0.99 * bound <= np.abs(values).max() <= bound * (1 + 1e-7)


@pytest.mark.parametrize("row", INITIALIZERS)
def test_draws_depend_on_seed_and_stream_alone(row):
    initializer, shape = made(row), shape_for(row)
    first = initializer(shape, seed=1, stream=2)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, initializer(shape, seed=1, stream=2))
    for other in (initializer(shape, seed=2, stream=2), initializer(shape, seed=1, stream=3)):
        assert (other != first).mean() > 0.8 or row in FIXED
        assert (other == first).all() or row not in FIXED
    double = initializer(shape, seed=1, stream=2, dtype="float64")
    assert double.dtype == np.float64
    assert double.std() == pytest.approx(first.std(), rel=0.01, abs=1e-7)


@pytest.mark.parametrize("row", INITIALIZERS)
def test_components_by_name(row):
    """They compare, hash, pickle, are made from their description, and cannot be changed."""
    initializer, name = made(row), row.split()[0]
    described = registry.describe(initializer)
    assert described["name"] == ALIASES.get(name, name)
    assert registry.create("initializer", described) == initializer
    assert pickle.loads(pickle.dumps(initializer)) == initializer
    assert hash(made(row)) == hash(initializer)
    with pytest.raises(AttributeError):
        initializer.gain = 7.0


@pytest.mark.parametrize("row", INITIALIZERS)
def test_start_values_are_the_same_on_every_backend(backend, row):
    """A leaf starts with the host's numbers for (seed, its path), and where its vector lives."""

    class Holder(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(shape_for(row), made(row))

    for dtype in ("float32", "float64"):
        model = nn.Sequential(nn.ReLU(), Holder())
        nn.initialize(model, seed=5, backend=backend.backend, dtype=dtype)
        want = made(row)(shape_for(row), seed=5, stream=stream_id("1.weight"), dtype=dtype)
        backend.assert_array(model[1].weight, want, dtype=dtype, rtol=0, atol=0)


@pytest.mark.parametrize(
    "row", [r for r in INITIALIZERS if r.split()[0] not in ("identity", "sparse", "dirac")]
)
def test_kernels_and_empty_weights(row):
    """The fans of a kernel count its window; an empty weight is no error."""
    initializer = made(row)
    kernel = initializer((3, 3, 16, 32), seed=0, stream=0)
    assert kernel.shape == (3, 3, 16, 32)
    if INITIALIZERS[row][1] is not None and row != "orthogonal":
        mean, std = INITIALIZERS[row][1](9 * 16, 9 * 32)
        assert kernel.std() == pytest.approx(std, rel=0.1, abs=1e-6)
        assert kernel.mean() == pytest.approx(mean, abs=5 * max(std, 1e-9) / math.sqrt(kernel.size))
    assert initializer((0, 3), seed=0, stream=0).shape == (0, 3)


# The bits


#: Name and options: of shape (4, 5), seed 7 and the stream of "0.weight", the first numbers in float64 and
#: the hash of all in float32. Numbers through LAPACK have no hash: their last bits are the machine's.
PINNED = {
    "constant:value=1.5": ([1.5, 1.5, 1.5], "4806a4ded5f4b8d1"),
    "normal": ([1.4278422156875603, 0.6118346430179695, -0.5188127909087852], "1328a891d2914564"),
    "uniform:low=-1,high=1": (
        [0.4669142872305625, 0.617018796184694, -0.37174511002907606],
        "c10b971fcc50ad8a",
    ),
    "truncated_normal": ([0.5179172761752748, 1.234037592369388, -0.7434902200581521], "bd17b9ba7460a357"),
    "truncated_normal:a=3,b=9": (
        [4.092282535489957, 5.55119308332829, 3.713630038222316],
        "6d94ed593cb8ef2b",
    ),
    "he_normal": ([1.009636913177099, 0.4326324250428568, -0.36685604261792043], "c6089433f5d3809d"),
    "he_uniform": ([0.5718508786650909, 0.7556906061794162, -0.4552929169730129], "5bf65e94e70085b2"),
    "kaiming_normal:mode=fan_out": (
        [0.9030467081828185, 0.38695820466656405, -0.328126019700092],
        "0ba17e51ac2741ae",
    ),
    "kaiming_uniform:a=2.23606797749979": (
        [0.2334571436152812, 0.30850939809234695, -0.18587255501453803],
        "f96b7a26df3007a8",
    ),
    "xavier_normal": ([0.6730912754513992, 0.28842161669523786, -0.2445706950786136], "40628b17c1e0e772"),
    "xavier_uniform": ([0.38123391911006055, 0.5037937374529441, -0.3035286113153419], "adc3c9ac7c82640a"),
    "glorot_normal:gain=2": (
        [1.3461825509027985, 0.5768432333904757, -0.4891413901572272],
        "5c15c9567142e56a",
    ),
    "glorot_uniform": ([0.38123391911006055, 0.5037937374529441, -0.3035286113153419], "adc3c9ac7c82640a"),
    "lecun_normal": ([0.7139211078437802, 0.30591732150898476, -0.2594063954543926], "09671e77db0ff015"),
    "lecun_uniform": ([0.40435963413157117, 0.534353952108438, -0.3219407090178211], "f7a4bbc37ddc644a"),
    "variance_scaling": ([0.29439641151800977, 0.7014561119774749, -0.42261740021543753], "604bf6fc7346deb6"),
    "variance_scaling:distribution=uniform": (
        [0.40435963413157117, 0.534353952108438, -0.3219407090178211],
        "f7a4bbc37ddc644a",
    ),
    "orthogonal": ([0.708660439969115, 0.20985025984129338, 0.6344490220826421], None),
    "identity": ([1.0, 0.0, 0.0], "a0eaafc684a8bcf5"),
    "sparse:sparsity=0.5": ([0.014278422156875603, 0.0, -0.005188127909087852], "4254e5f6e9a45d75"),
}


@pytest.mark.parametrize("spec", PINNED)
def test_numbers_are_those_of_every_earlier_version(spec):
    """A seed names a model for good: another number here is a change that breaks every recorded run."""
    first, wanted = PINNED[spec]
    initializer = registry.create("initializer", spec)
    stream = stream_id("0.weight")
    double = initializer((4, 5), seed=7, stream=stream, dtype="float64")
    np.testing.assert_allclose(double.ravel()[:3], first, rtol=1e-12, atol=1e-14)
    single = np.ascontiguousarray(initializer((4, 5), seed=7, stream=stream))
    assert wanted is None or hashlib.sha256(single.tobytes()).hexdigest()[:16] == wanted


def philox(seed, stream, step=0):
    key = np.asarray([seed, stream], dtype=np.uint64)
    return np.random.Generator(
        np.random.Philox(key=key, counter=np.asarray([0, step, 0, 0], dtype=np.uint64))
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_those_of_numpy(dtype):
    """Recomputed from NumPy's generator alone."""
    shape, where = (6, 4), {"seed": 3, "stream": 11, "dtype": dtype}
    normal = philox(3, 11).standard_normal(shape, dtype=dtype)
    uniform = philox(3, 11).random(shape, dtype=dtype)
    np.testing.assert_array_equal(init.Normal(2.0, 0.5)(shape, **where), normal * 0.5 + 2.0)
    np.testing.assert_array_equal(init.Uniform(-1.0, 3.0)(shape, **where), uniform * 4.0 - 1.0)
    np.testing.assert_array_equal(init.LecunNormal()(shape, **where), normal * (1 / math.sqrt(6)))
    np.testing.assert_array_equal(
        init.VarianceScaling(2.0, "fan_avg", "normal")(shape, **where), normal * math.sqrt(2 / 5)
    )
    q = init.Orthogonal()((6, 6), seed=3, stream=11, dtype="float64")
    g = philox(3, 11).standard_normal((6, 6))
    r = q.T @ g
    np.testing.assert_allclose(np.tril(r, -1), 0, atol=1e-13)
    assert (np.diag(r) > 0).all()
    sparse = init.Sparse(0.5, std=1.0)(shape, **where)
    chosen = philox(3, 11, step=1).random(shape)
    kept = chosen > np.sort(chosen, axis=0)[2]
    np.testing.assert_array_equal(sparse, np.where(kept, normal, 0))


# Exact properties


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(5, 5), (40, 7), (7, 40), (1, 6), (6, 1), (3, 3, 4, 8), (2, 4, 30)])
def test_orthogonal_matrices_are_orthogonal(shape, dtype):
    """Q^T Q = gain^2 I, over columns or, if there are fewer, rows."""
    q = init.Orthogonal(1.5)(shape, seed=0, stream=1, dtype=dtype).astype("float64").reshape(-1, shape[-1])
    gram = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
    np.testing.assert_allclose(gram, 1.5**2 * np.eye(len(gram)), atol=1e-6 if dtype == "float32" else 1e-13)


def test_orthogonal_matrices_are_all_equally_likely():
    """Haar measure: a 2 by 2 matrix turns by a uniform angle, and half of them are reflections."""
    many = np.stack([init.Orthogonal()((2, 2), seed=s, stream=0, dtype="float64") for s in range(2000)])
    assert np.linalg.det(many).mean() == pytest.approx(0.0, abs=0.09)
    angle = np.arctan2(many[:, 1, 0], many[:, 0, 0])
    counts, _ = np.histogram(angle, bins=8, range=(-math.pi, math.pi))
    assert ((counts - 250) ** 2 / 250).sum() < 24.3  # chi-square with 7 degrees, 0.1 %


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.35, 0.5, 0.99, 1.0])
def test_columns_are_exactly_as_sparse_as_asked(sparsity):
    weight = init.Sparse(sparsity, std=2.0)((37, 400), seed=0, stream=1)
    assert ((weight == 0).sum(axis=0) == math.ceil(sparsity * 37)).all()
    if 0 < sparsity < 1:
        per_row = (weight == 0).mean(axis=1)
        np.testing.assert_allclose(per_row, math.ceil(sparsity * 37) / 37, atol=0.12)
    if sparsity < 0.9:
        assert weight[weight != 0].std() == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [(0, 1, -2, 2), (0, 1, 1, 1.001), (0, 1, 6, 100), (0, 1, -41, -40), (5, 0.1, -2, 2), (-3, 2, -1e4, 1e4)],
)
def test_truncated_normal_numbers(mean, std, a, b):
    """In their bounds, with the moments of the textbook, also where the bounds are far out in a tail."""
    initializer = init.TruncatedNormal(mean, std, a, b)
    values = initializer((200, 100), seed=0, stream=1, dtype="float64")
    assert a <= values.min() < values.max() <= b
    single = initializer((200, 100), seed=0, stream=1)
    assert np.float32(a) <= single.min() <= single.max() <= np.float32(b)
    x = np.linspace(max(a, mean - 45 * std), min(b, mean + 45 * std), 2_000_001)
    peak = min(max(mean, a), b)
    weight = np.exp(((peak - mean) ** 2 - (x - mean) ** 2) / (2 * std**2))
    weight /= weight.sum()
    want = (weight * x).sum()
    deviation = math.sqrt((weight * (x - want) ** 2).sum())
    assert values.mean() == pytest.approx(want, abs=4 * deviation / math.sqrt(values.size))
    assert values.std() == pytest.approx(deviation, rel=0.03)
    # the distribution function at its quartiles
    quartiles = np.interp([0.25, 0.5, 0.75], np.cumsum(weight), x)
    below = (values[..., None] < quartiles).mean(axis=(0, 1))
    np.testing.assert_allclose(below, [0.25, 0.5, 0.75], atol=0.015)


def test_truncated_numbers_of_a_prefix_are_not_changed_by_float32():
    double = philox_truncated_normal((50,), -1.0, 3.0, seed=4, stream=5, dtype="float64")
    single = philox_truncated_normal((50,), -1.0, 3.0, seed=4, stream=5)
    np.testing.assert_array_equal(single, double.astype("float32"))
    with pytest.raises(ArgumentError, match=r"low is 2\.0 and high 2\.0, expected low < high"):
        philox_truncated_normal((50,), 2.0, 2.0, seed=0, stream=0)


@pytest.mark.parametrize(
    ("shape", "groups"), [((3, 4, 4), 1), ((3, 5, 4, 6), 1), ((5, 6, 2), 1), ((3, 2, 8), 4)]
)
def test_a_dirac_kernel_hands_its_channels_on(shape, groups):
    """Convolving with it gives the input channels, group by group, and 0 for outputs beyond them."""
    kernel = init.Dirac(groups)(shape, seed=0, stream=0)
    centre = kernel[tuple(n // 2 for n in shape[:-2])]
    assert kernel.sum() == centre.sum() == groups * min(shape[-2], shape[-1] // groups)
    for g in range(groups):
        each = shape[-1] // groups
        np.testing.assert_array_equal(centre[:, g * each : (g + 1) * each], np.eye(shape[-2], each))


def test_identity_hands_x_on():
    layer = nn.Linear(4, 4, weight_init="identity")
    nn.initialize(layer)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    np.testing.assert_array_equal(layer(x), x)


def test_signals_keep_their_size_through_deep_networks():
    """What gains are for: after thirty layers the mean square of a normal input is still near 1."""
    x = np.random.default_rng(0).normal(size=(200, 128)).astype("float32")
    for weight_init, activation in (
        ("he_normal", nn.ReLU()),
        ("he_uniform:a=0.2", nn.LeakyReLU(0.2)),
        ("lecun_normal", nn.SELU()),
        ("orthogonal", nn.Identity()),
    ):
        blocks = [b for _ in range(30) for b in (nn.Linear(128, 128, weight_init=weight_init), activation)]
        model = nn.Sequential(*blocks)
        nn.initialize(model, seed=0)
        assert 0.2 < (model(x) ** 2).mean() < 5.0, weight_init


def test_gains():
    for name, gain in (("linear", 1), ("identity", 1), ("sigmoid", 1), ("tanh", 5 / 3), ("selu", 3 / 4)):
        assert init.calculate_gain(name) == gain
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))
    assert init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    assert init.fans((7, 3)) == (7, 3)
    assert init.fans((5, 3, 7, 2)) == (105, 30)


WRONG = [
    (lambda: init.HeNormal(mode="fan"), "HeNormal: mode is 'fan', expected 'fan_in' or 'fan_out'"),
    (lambda: init.HeUniform(gain=0.0), "HeUniform: gain is 0.0, expected a number > 0"),
    (lambda: init.HeNormal(nonlinearity="rleu"), "nonlinearity is 'rleu', expected one with a known gain"),
    (lambda: init.HeNormal(nonlinearity="rleu"), "did you mean 'relu'?"),
    (lambda: init.HeNormal(nonlinearity=None), "nonlinearity is None, expected one with a known gain"),
    (lambda: init.HeNormal(a="0"), "HeNormal: a is '0', expected a number"),
    (
        lambda: init.HeNormal(nonlinearity="tanh", a=0.1),
        "only nonlinearity 'leaky_relu' has a negative slope",
    ),
    (lambda: init.HeNormal(gain=2.0, a=0.1), "gain is 2.0, but 'leaky_relu' with a=0.1 has one"),
    (lambda: init.XavierNormal(gain=-1.0), "XavierNormal: gain is -1.0, expected a number > 0"),
    (lambda: init.XavierUniform(gain=math.inf), "XavierUniform: gain is inf, expected a number > 0"),
    (
        lambda: init.LecunNormal(mode="fan_avg"),
        "LecunNormal: mode is 'fan_avg', expected 'fan_in' or",
    ),
    (lambda: init.LecunUniform(gain=None), "LecunUniform: gain is None, expected a number > 0"),
    (lambda: init.VarianceScaling(0.0), "VarianceScaling: scale is 0.0, expected a number > 0"),
    (lambda: init.VarianceScaling(mode="avg"), "mode is 'avg', expected 'fan_in', 'fan_out' or 'fan_avg'"),
    (
        lambda: init.VarianceScaling(distribution="flat"),
        "distribution is 'flat', expected 'normal', 'trunc",
    ),
    (lambda: init.Normal(std=-1.0), "Normal: std is -1.0, expected a number >= 0"),
    (lambda: init.Normal(mean=math.nan), "Normal: mean is nan, expected a number"),
    (lambda: init.Uniform(1.0, 0.0), "Uniform: low is 1.0 and high 0.0, expected a smaller low"),
    (lambda: init.Uniform(high="1"), "Uniform: high is '1', expected a number"),
    (lambda: init.TruncatedNormal(std=0.0), "TruncatedNormal: std is 0.0, expected a number > 0"),
    (lambda: init.TruncatedNormal(a=2.0), "TruncatedNormal: a is 2.0 and b 2.0, expected a smaller a"),
    (lambda: init.Orthogonal(0), "Orthogonal: gain is 0, expected a number > 0"),
    (lambda: init.Identity("one"), "Identity: gain is 'one', expected a number"),
    (lambda: init.Sparse(1.5), "Sparse: sparsity is 1.5, expected a number in [0, 1]"),
    (lambda: init.Sparse(-0.5), "Sparse: sparsity is -0.5, expected a number >= 0"),
    (lambda: init.Sparse(0.5, std=-1.0), "Sparse: std is -1.0, expected a number >= 0"),
    (lambda: init.Dirac(0), "Dirac: groups is 0, expected an integer >= 1"),
    (lambda: init.Dirac(1.0), "Dirac: groups is 1.0, expected an integer >= 1"),
    (lambda: init.calculate_gain("gelu"), "nonlinearity is 'gelu', expected one with a known gain"),
    (lambda: init.calculate_gain("relu", 0.1), "calculate_gain: param is 0.1, but relu has no parameter"),
    (lambda: init.calculate_gain("leaky_relu", True), "calculate_gain: param is True, expected a number"),
    (lambda: init.HeNormal()((3,), seed=0, stream=0), "shape (3,) has no fan-in and fan-out"),
    (lambda: init.VarianceScaling()((3,), seed=0, stream=0), "shape (3,) has no fan-in and fan-out"),
    (
        lambda: init.Orthogonal()((3,), seed=0, stream=0),
        "Orthogonal got shape (3,), expected a weight of",
    ),
    (
        lambda: init.Identity()((3, 3, 3), seed=0, stream=0),
        "Identity got shape (3, 3, 3), expected a weight",
    ),
    (
        lambda: init.Sparse(0.5)((3,), seed=0, stream=0),
        "Sparse got shape (3,), expected a weight of two",
    ),
    (
        lambda: init.Dirac()((3, 3), seed=0, stream=0),
        "Dirac got shape (3, 3), expected a kernel (*window",
    ),
    (
        lambda: init.Dirac(2)((3, 3, 3), seed=0, stream=0),
        "a number of outputs that is a multiple of 2 groups",
    ),
    (lambda: init.Normal()((3, 3), seed=-1, stream=0), "seed must not be negative, got -1"),
    (
        lambda: init.Normal()((3, 3), seed=0, stream=0, dtype="float16"),
        "or 'float64', got 'float16'",
    ),
    (lambda: registry.create("initializer", "kaimin_normal"), "did you mean 'kaiming_normal'?"),
    (lambda: registry.create("initializer", "orthogonal:gian=2"), "did you mean 'gain'?"),
]


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_values_out_of_range_are_refused(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)


def test_an_initializer_without_a_law_says_so():
    with pytest.raises(TypeError, match="Initializer defines no __call__"):
        init.Initializer()((2, 2), seed=0, stream=0)
