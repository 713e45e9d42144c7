"""The stand-in for CuPy: as strict as the real one, and it notices what the real one lets pass."""

from __future__ import annotations

import copy
import operator
import pickle
import sys
import types

import numpy as np
import pytest

from learnkit.testing import fakecupy, matrix

if not matrix.under_fake_cupy():
    pytest.skip("runs where LEARNKIT_FAKE_CUPY=1", allow_module_level=True)

pytestmark = pytest.mark.matrix


@pytest.fixture
def cp():
    import cupy

    return cupy


@pytest.fixture
def x(cp):
    return cp.asarray(np.arange(6.0, dtype=np.float32).reshape(2, 3))


HOST = np.ones((2, 3), np.float32)

REFUSED = {
    "numpy.asarray": (lambda cp, x: np.asarray(x), TypeError, "Implicit conversion to a NumPy array"),
    "an array of NumPy added": (
        lambda cp, x: x + HOST,
        TypeError,
        "Unsupported type <class 'numpy.ndarray'>",
    ),
    "an array of NumPy in a function": (lambda cp, x: cp.add(x, HOST), TypeError, "Unsupported type"),
    "an array of NumPy in a reduction": (lambda cp, x: cp.sum(HOST), TypeError, "Unsupported type"),
    "an array of NumPy multiplied": (lambda cp, x: x @ HOST.T, TypeError, "has incorrect type"),
    "an array of NumPy assigned": (lambda cp, x: x.__setitem__(0, HOST[0]), TypeError, "Unsupported type"),
    "an array of NumPy as an index": (lambda cp, x: x[np.array([0])], TypeError, "NumPy array as an index"),
    "an array as the bound of a slice": (lambda cp, x: x[: cp.asarray(1)], TypeError, "slice indices"),
    "an array as a length": (lambda cp, x: range(cp.asarray(1)), TypeError, "cannot be interpreted"),
    "a list added": (lambda cp, x: operator.add(x, [1]), TypeError, "unsupported operand"),
    "where= of a ufunc": (lambda cp, x: cp.exp(x, where=x > 0), TypeError, "Wrong arguments"),
    "a parameter that CuPy lacks": (lambda cp, x: cp.sum(x, where=x > 0), TypeError, "unexpected keyword"),
    "a function that CuPy lacks": (lambda cp, x: cp.einsum_path, AttributeError, "einsum_path"),
    "a method that CuPy lacks": (lambda cp, x: x.to_device, AttributeError, "has no attribute 'to_device'"),
    "a hash": (lambda cp, x: hash(x), TypeError, "unhashable"),
    "an index out of range": (lambda cp, x: x[:, cp.asarray([3])], IndexError, "CuPy wraps around"),
    "take out of range": (
        lambda cp, x: cp.take(x, cp.asarray([-4]), axis=1),
        IndexError,
        "CuPy wraps around",
    ),
    "a repeated index assigned": (lambda cp, x: x.__setitem__(cp.asarray([0, 0]), 1), IndexError, "repeated"),
    "an array of the host by DLPack": (lambda cp, x: cp.from_dlpack(HOST), TypeError, "CPU arrays cannot"),
    "a second device": (lambda cp, x: cp.cuda.Device(1).use(), RuntimeError, "cudaErrorInvalidDevice"),
    "a cast that loses": (lambda cp, x: cp.asarray([1]).__iadd__(x[0, :1]), TypeError, "cast"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_as_on_the_device(cp, x, case):
    """The same code passes on NumPy; most of it fails on a GPU, and the rest goes wrong there."""
    act, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        act(cp, x)


WAITS = {
    "float": lambda cp, x: float(x[0, 0]),
    "int": lambda cp, x: int(x[0, 0]),
    "bool": lambda cp, x: bool(x[0, 0]),
    "complex": lambda cp, x: complex(x[0, 0]),
    "if": lambda cp, x: 1 if cp.any(x) else 2,
    "repr": lambda cp, x: repr(x),
    "format": lambda cp, x: f"{x[0, 0]:.3f}",
    "get": lambda cp, x: x.get(),
    "item": lambda cp, x: x[0, 0].item(),
    "tolist": lambda cp, x: x.tolist(),
    "asnumpy": lambda cp, x: cp.asnumpy(x),
    "a mask that reads": lambda cp, x: x[x > 1],
    "a mask that writes": lambda cp, x: x.__setitem__(x > 1, 0),
    "nonzero": lambda cp, x: cp.nonzero(x),
    "where with one argument": lambda cp, x: cp.where(x),
    "unique": lambda cp, x: cp.unique(x),
    "synchronize": lambda cp, x: cp.cuda.Device(0).synchronize(),
    "a stream": lambda cp, x: cp.cuda.Stream().synchronize(),
    "an event": lambda cp, x: cp.cuda.Event().synchronize(),
    "pickle": lambda cp, x: pickle.dumps(x),
}


@pytest.mark.parametrize("case", WAITS)
def test_waits_are_noted_and_can_be_forbidden(cp, x, case):
    """Each is one entry in the record; inside ``no_sync`` each is an error."""
    before = len(cp.audit.syncs)
    WAITS[case](cp, x)
    assert len(cp.audit.syncs) == before + 1
    with pytest.raises(cp.HiddenSync, match="the host would wait for the device"), cp.audit.no_sync():
        WAITS[case](cp, x)


def test_clip_of_the_compatibility_layer_waits(cp, x):
    """It selects by masks; that is why the library never calls it."""
    from array_api_compat import cupy as xp

    with pytest.raises(cp.HiddenSync), cp.audit.no_sync():
        xp.clip(x, 1.0, 2.0)


LAUNCHES = {
    "x + 1": ["add"],
    "1 - x": ["subtract"],
    "x.T @ x": ["matmul"],
    "x.sum(axis=0)": ["sum"],
    "cp.exp(-x) * 2": ["negative", "exp", "multiply"],
    "x.reshape(3, 2)": [],
    "x.T.reshape(6)": ["reshape"],
    "x[0]": [],
    "x[:, None].transpose(2, 0, 1)": [],
    "x[cp.asarray([0, 0])]": ["array", "getitem"],
    "cp.zeros(3)": ["zeros"],
    "cp.empty(3)": [],
    "cp.where(x > 1, x, 0)": ["greater", "where"],
    "cp.std(x)": ["std", "std", "std"],
    "x.astype('float32', copy=False)": [],
    "x.astype('float64')": ["astype"],
    "cp.asarray(x)": [],
    "cp.ascontiguousarray(x)": [],
    "cp.ascontiguousarray(x.T)": ["ascontiguousarray"],
}


@pytest.mark.parametrize("expression", LAUNCHES)
def test_launches_are_counted_by_name(cp, x, expression):
    before = cp.audit.launches
    with cp.audit.counting() as launched:
        eval(expression, {"cp": cp, "x": x})
    assert launched == LAUNCHES[expression]
    assert cp.audit.launches == before + len(launched)


def test_in_place_operations_write_into_the_array(cp, x):
    y, view = x, x[0]
    x += 1
    x *= cp.asarray(np.float32(2))
    cp.exp(view, out=view)
    assert y is x
    np.testing.assert_allclose(y.get(), [np.exp([2, 4, 6]), [8, 10, 12]], rtol=1e-6)


def test_reductions_give_arrays_without_dimensions(cp, x):
    total = cp.sum(x)
    assert type(total) is cp.ndarray
    assert total.shape == ()
    assert x[0, 0].shape == ()


def test_functions_of_numpy_dispatch(cp, x):
    """As in CuPy, ``numpy.f(x)`` calls ``cupy.f(x)``."""
    assert type(np.exp(x)) is cp.ndarray
    assert type(np.mean(x)) is cp.ndarray
    assert type(np.float32(2) * x) is cp.ndarray


def test_copies_are_copies(cp, x):
    for made in (copy.copy(x), copy.deepcopy(x), x.copy(), pickle.loads(pickle.dumps(x)), x.flatten()):
        made.fill(7)
    assert x.get().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_values_leave_by_dlpack_only_for_the_host(cp, x):
    assert np.from_dlpack(x, device="cpu").tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(BufferError):
        x.__dlpack__()


def test_special_functions_have_the_dtypes_of_cupy(cp, x):
    from cupyx.scipy.special import erf

    assert erf(x).dtype == np.float32
    assert erf(x.astype("float16")).dtype == np.float64


# Kernels from source

SCALE = 'extern "C" __global__ void scale(const float *x, float *y, long long n, float a)\n' + (
    "{ long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; if (i < n) y[i] = a * x[i]; }"
)


@pytest.fixture
def compiler(cp):
    if cp._compiler.compiler() is None:
        pytest.skip("no C++ compiler")


@pytest.mark.usefixtures("compiler")
def test_raw_kernels_run_their_source(cp, x):
    y = cp.empty(6, dtype="float32")
    kernel = cp.RawKernel(SCALE, "scale")
    with cp.audit.counting() as launched:
        kernel((2,), (4,), (x, y, np.int64(6), np.float32(3)))
    assert launched == ["scale"]
    assert y.get().tolist() == [0, 3, 6, 9, 12, 15]
    module = cp.RawModule(code=SCALE)
    module.get_function("scale")((6,), (1,), (x, y, 6, np.float32(-1)))
    assert y.get().tolist() == [0, -1, -2, -3, -4, -5]


@pytest.mark.usefixtures("compiler")
def test_raw_kernels_share_memory_within_a_block(cp):
    """Every thread sees what the others wrote before the barrier."""
    source = r"""
    extern "C" __global__ void reverse(const int *x, int *y)
    {
        __shared__ int part[8];
        part[threadIdx.x] = x[blockIdx.x * 8 + threadIdx.x];
        __syncthreads();
        y[blockIdx.x * 8 + threadIdx.x] = part[7 - threadIdx.x];
    }"""
    x, y = cp.arange(16, dtype="int32"), cp.empty(16, dtype="int32")
    cp.RawKernel(source, "reverse")((2,), (8,), (x, y))
    assert y.get().tolist() == [*range(7, -1, -1), *range(15, 7, -1)]


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({2: np.int32(6)}, r"parameter 2: expected 'long long', got a number of int32"),
        ({3: 3.0}, r"parameter 3: expected 'float', got a number of float64"),
        ({0: 1.0}, r"parameter 0: expected 'const float \*', got a number of float64"),
        ({0: "f64"}, r"parameter 0: expected 'const float \*', got an array of float64"),
        ({0: HOST}, r"numpy.ndarray of shape \(2, 3\) as a kernel parameter"),
    ],
)
def test_arguments_must_match_the_source(cp, x, change, message):
    """A device takes the bytes as they come, and computes nonsense."""
    args = dict(enumerate((x, cp.empty(6, dtype="float32"), np.int64(6), np.float32(3)))) | change
    args = [x.astype("float64") if isinstance(a, str) else a for a in args.values()]
    with pytest.raises(TypeError, match=message):
        cp.RawKernel(SCALE, "scale")((1,), (6,), tuple(args))


@pytest.mark.usefixtures("compiler")
def test_wrong_calls_of_raw_kernels(cp, x):
    kernel = cp.RawKernel(SCALE, "scale")
    with pytest.raises(TypeError, match="expected tuple, got int"):
        kernel(1, (6,), ())
    with pytest.raises(TypeError, match="has 4 parameters and got 1 arguments"):
        kernel((1,), (6,), (x,))
    with pytest.raises(ValueError, match="2048 threads"):
        kernel((1,), (2048,), ())
    with pytest.raises(cp._compiler.CompileError, match="no kernel named 'other'"):
        cp.RawKernel(SCALE, "other")((1,), (6,), ())
    with pytest.raises(cp._compiler.CompileError, match="error"):
        cp.RawKernel(SCALE.replace("if (i < n)", "if (i < m)"), "scale").compile()


@pytest.mark.usefixtures("compiler")
def test_elementwise_kernels(cp, x):
    """Generic letters, numbers, broadcasting, outputs given and read, several outputs."""
    axpy = cp.ElementwiseKernel("T x, T y, float64 a", "T z", "z = (T)(a * x) + y", "axpy")
    column = cp.asarray(np.array([[10.0], [20.0]], np.float32))
    got = axpy(x, column, 2.0)
    assert got.dtype == np.float32
    assert got.get().tolist() == [[10, 12, 14], [26, 28, 30]]
    add = cp.ElementwiseKernel("T x", "T total, T twice", "total += x; twice = 2 * x", "add")
    total = cp.ones((3, 2), dtype="float32").T
    total, twice = add(x, total, cp.empty((2, 3), dtype="float32"))
    assert total.get().tolist() == [[1, 2, 3], [4, 5, 6]]
    assert twice.get().tolist() == [[0, 2, 4], [6, 8, 10]]
    raw = cp.ElementwiseKernel("raw T x, int64 n", "T y", "y = x[n - 1 - i]", "backwards")
    assert raw(x, 6, size=6).get().tolist() == [5, 4, 3, 2, 1, 0]
    with pytest.raises(TypeError, match="Type is mismatched"):
        axpy(x, column.astype("float64"), 2.0)
    with pytest.raises(TypeError, match="Wrong number of arguments"):
        axpy(x)
    with pytest.raises(ValueError, match="Out shape is mismatched"):
        axpy(x, column, 2.0, cp.empty((3,), dtype="float32"))


def test_without_a_compiler_the_librarys_kernels_are_imitated(cp, monkeypatch):
    """The imitations agree with the sources compiled."""
    from learnkit.backends import get_backend
    from learnkit.backends.windows import Window

    kernels = get_backend("cupy").kernels
    z, labels = cp.asarray(np.random.default_rng(0).normal(size=(5, 7))), cp.asarray([0, 6, 3, 3, 1])
    g = cp.asarray(np.arange(5.0))
    x = cp.asarray(np.random.default_rng(1).integers(0, 4, size=(2, 4, 5, 6)).astype("float64"))
    w = cp.asarray(np.random.default_rng(2).normal(size=(3, 2, 4, 4)))
    padding = ((1, 1), (0, 1))
    windows = [(Window((3, 2), (2, 1), padding, (1, 2)), 2), (Window((3, 2), (1, 2), padding, (2, 1)), 1)]

    def everything():
        losses, p = kernels.softmax_cross_entropy(z, labels)
        uniform = kernels.random_uniform((11,), seed=1, stream=2, step=3, device=None)
        dz = kernels.softmax_cross_entropy_backward(g, p, labels)
        made = [losses, p, dz, kernels.softmax(z), kernels.relu_backward(z, z), uniform]
        for window, groups in windows:
            y = kernels.conv2d(x, w[:, :, : 4 // groups], None, window, groups)
            back = kernels.conv2d_input(y, w[:, :, : 4 // groups], window, groups, (5, 6))
            columns = kernels.im2col(x, window, groups)
            largest = kernels.max_pool2d(x, window)
            made += [y, back, columns, kernels.col2im(columns, window, (5, 6)), largest]
            made += [kernels.max_pool2d_backward(largest, x, largest, window)]
            made += [kernels.max_pool2d_select(back, x, largest, window), kernels.window_sum(x, window)]
            made += [kernels.window_spread(largest, window, (5, 6))]
        return [cp.asnumpy(a) for a in made]

    compiled = everything()
    monkeypatch.setattr(cp._compiler, "compiler", lambda: None)
    for a, b in zip(compiled, everything(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    with pytest.raises(NotImplementedError, match=r"kernel 'other' needs a C\+\+ compiler"):
        cp.RawKernel("", "other")((1,), (1,), ())


def test_path_and_install(monkeypatch):
    assert (fakecupy.path() / "cupy" / "__init__.py").is_file()
    fakecupy.install()
    assert sys.path.count(str(fakecupy.path())) == 1
    monkeypatch.setitem(sys.modules, "cupy", types.ModuleType("cupy"))
    with pytest.raises(RuntimeError, match="cupy is imported already"):
        fakecupy.install()
