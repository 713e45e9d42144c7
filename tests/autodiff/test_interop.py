"""Variables in other people's array code: array-api-compat, array-api-extra, SciPy, DLPack."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import array_api_compat
import numpy as np
import pytest

from learnkit.autodiff import check_grads, grad, is_variable, namespace, value_and_grad
from learnkit.backends import array_namespace
from learnkit.errors import LearnkitError

X = np.asarray([0.5, 1.5, 2.5])


def total(x):
    return array_namespace(x).sum(x)


def on_tape(look, x):
    return value_and_grad(lambda v: (total(v * 1.0), look(v)), has_aux=True)(x)[0][1]


def test_array_api_compat_knows_a_variable(backend):
    x = backend.asarray([[1.0, 2.0, 3.0]])

    def look(v):
        xp = array_api_compat.array_namespace(v)
        assert xp is array_namespace(v)
        assert array_api_compat.array_namespace(v, v * 2.0, xp.zeros_like(v)) is xp
        assert array_api_compat.device(v) == array_api_compat.device(x)
        assert array_api_compat.size(v) == 3
        assert array_api_compat.is_array_api_obj(v)
        assert not array_api_compat.is_numpy_array(v)
        moved = array_api_compat.to_device(v, array_api_compat.device(v))
        assert is_variable(moved)

    on_tape(look, x)


def test_namespaces_can_be_keys_and_have_names(backend):
    xp = namespace(backend.xp)
    assert {xp: 1}[namespace(backend.xp)] == 1
    assert isinstance(xp.__name__, str)
    assert xp != backend.xp
    assert xp == xp
    info = xp.__array_namespace_info__()
    assert info.default_device() is not None


MIXED = {
    "array on the left": (lambda v, a: a * v, lambda a: a),
    "array on the right": (lambda v, a: v * a, lambda a: a),
    "array minus variable": (lambda v, a: a - v, lambda a: -np.ones(3)),
    "array over variable": (lambda v, a: a / v, lambda a: -a / X**2),
    "array to the power": (lambda v, a: a**v, lambda a: a**X * np.log(a)),
    "variable to the power": (lambda v, a: v**a, lambda a: a * X ** (a - 1)),
    "array modulo variable": (lambda v, a: a % v, lambda a: -np.floor(a / X)),
    "matrix product": (lambda v, a: a @ v, lambda a: a),
    "number on the left": (lambda v, a: 3.0 - v, lambda a: -np.ones(3)),
    "integer on the right": (lambda v, a: v**2, lambda a: 2 * X),
    "number of NumPy on the left": (lambda v, a: np.float64(3.0) * v, lambda a: np.full(3, 3.0)),
    "number of NumPy on the right": (lambda v, a: v / np.float64(4.0), lambda a: np.full(3, 0.25)),
    "array with axes on the left": (lambda v, a: a[:, None] * v, lambda a: np.full(3, a.sum())),
    "comparison": (lambda v, a: v * (a < v), lambda a: (a < X) * 1.0),
    "function of NumPy's with an operator": (lambda v, a: np.multiply(a, v), lambda a: a),
}


@pytest.mark.parametrize("name", MIXED)
def test_operators_between_variables_and_numpy(name):
    fn, slope = MIXED[name]
    a = np.asarray([1.25, 0.75, 3.0])
    result = on_tape(lambda v: fn(v, a), X)
    np.testing.assert_allclose(result, fn(X, a))
    np.testing.assert_allclose(grad(lambda v: total(fn(v, a) * 1.0))(X), slope(a))


def test_arrays_of_two_libraries_are_refused_with_both_names():
    torch = pytest.importorskip("torch")
    for mix in (lambda v: v * X, lambda v: X * v, lambda v: array_namespace(v).add(v, X)):
        with pytest.raises(LearnkitError, match="arrays of two libraries are mixed") as caught:
            grad(lambda v, mix=mix: total(mix(v)))(torch.ones(3, dtype=torch.float64))
        assert "torch" in str(caught.value)
        assert "numpy" in str(caught.value)
        assert "bring both to one backend first" in str(caught.value)


def test_dlpack_both_ways():
    def look(v):
        out = np.from_dlpack(v)
        assert isinstance(out, np.ndarray)
        assert out.tolist() == X.tolist()
        assert v.__dlpack_device__() == X.__dlpack_device__()
        back = array_namespace(v).from_dlpack(X)
        assert array_namespace(back) is array_namespace(v)
        assert not is_variable(back)
        return back

    assert on_tape(look, X.copy()).tolist() == X.tolist()


def test_torch_reads_a_variable_by_dlpack():
    torch = pytest.importorskip("torch")
    assert on_tape(lambda v: torch.from_dlpack(v).tolist(), X.copy()) == X.tolist()


M = np.asarray([[0.5, -1.0, 2.0, 0.3], [1.5, 0.2, -0.7, 1.1], [0.1, 0.9, 0.4, -1.2]])

#: array-api-extra by name: the function, and what it is called on.
EXTRA = {
    "cov": lambda xpx, x: xpx.cov(x),
    "kron": lambda xpx, x: xpx.kron(x, x[:2, :2]),
    "pad": lambda xpx, x: xpx.pad(x, 2),
    "at set": lambda xpx, x: xpx.at(x * 1.0, (0, slice(None))).set(x[1, :] * 2.0),
    "at add": lambda xpx, x: xpx.at(x * 1.0, (slice(None), 1)).add(x[:, 0]),
    "at multiply": lambda xpx, x: xpx.at(x * 1.0)[1, :].multiply(3.0),
    "sinc": lambda xpx, x: xpx.sinc(x),
    "create_diagonal": lambda xpx, x: xpx.create_diagonal(x[0, :]),
    "expand_dims": lambda xpx, x: xpx.expand_dims(x, axis=(0, 2)),
    "apply_where": lambda xpx, x: xpx.apply_where(
        x > 0.0, x, lambda a: array_namespace(a).log(a), lambda a: a * a
    ),
    "nan_to_num": lambda xpx, x: xpx.nan_to_num(x) * x,
}


@pytest.mark.filterwarnings("ignore:.*is deprecated")
@pytest.mark.parametrize("name", EXTRA)
def test_array_api_extra(name):
    """Its functions, written for no library in particular, have right gradients."""
    xpx = pytest.importorskip("array_api_extra")
    check_grads(lambda x: EXTRA[name](xpx, x), M, order=2, rtol=1e-5)


#: SciPy by name, called with ``x`` of shape (3, 4) and positive entries.
SCIPY = {
    "logsumexp": "special.logsumexp(x, axis=1)",
    "softmax": "special.softmax(x, axis=1)",
    "log_softmax": "special.log_softmax(x, axis=1)",
    "expit": "special.expit(x)",
    "logit": "special.logit(x / 4)",
    "xlogy": "special.xlogy(x, x + 1)",
    "entr": "special.entr(x)",
    "gammaln": "special.gammaln(x)",
    "erf": "special.erf(x)",
    "ndtr": "special.ndtr(x)",
    "log_ndtr": "special.log_ndtr(x)",
    "logsumexp with weights": "special.logsumexp(x, axis=1, b=x)",
    "circmean": "stats.circmean(x, axis=1)",
    "circvar": "stats.circvar(x, axis=1)",
    "pmean": "stats.pmean(x, 3, axis=1)",
    "variation": "stats.variation(x, axis=1)",
    "directional_stats": "stats.directional_stats(x).mean_direction",
    "cumulative_trapezoid": "integrate.cumulative_trapezoid(x, axis=1)",
    "hilbert": "abs(signal.hilbert(x, axis=1))",
    "fftconvolve": "signal.fftconvolve(x, x)",
    "whiten": "cluster.vq.whiten(x)",
    "rosen": "optimize.rosen(x)",
    "rotation": "spatial.transform.Rotation.from_rotvec(x[:, :3]).as_matrix()",
    "rel_entr": "special.rel_entr(x, x * x + 1)",
    "zscore": "stats.zscore(x, axis=1)",
    "gmean": "stats.gmean(x, axis=1)",
    "kurtosis": "stats.kurtosis(x, axis=1)",
    "entropy": "stats.entropy(x, axis=1)",
    "trapezoid": "integrate.trapezoid(x, axis=1)",
    "fft": "abs(fft.fft(x, axis=1))",
}

SCRIPT = """
import json, sys, traceback
import numpy as np
from scipy import cluster, fft, integrate, optimize, signal, spatial, special, stats
from learnkit.autodiff import check_grads

x = np.asarray([[0.5, 1.0, 2.0, 0.3], [1.5, 0.2, 0.7, 1.1], [0.1, 0.9, 0.4, 1.2]])
found = {}
for name, text in json.loads(sys.argv[1]).items():
    fn = eval("lambda x: " + text)
    try:
        check_grads(fn, x, order=2, rtol=1e-5, atol=1e-6)
        found[name] = "right"
    except Exception:
        found[name] = traceback.format_exc(limit=-3)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def scipy_results():
    """What a process with SciPy's support for the standard finds; it must be set before SciPy is imported."""
    if importlib.util.find_spec("scipy") is None:
        pytest.skip("scipy is not installed")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, json.dumps(SCIPY)],
        env={**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", SCIPY)
def test_scipy(scipy_results, name):
    """Functions of SciPy run on variables unchanged and have right gradients."""
    assert scipy_results[name] == "right", scipy_results[name]
