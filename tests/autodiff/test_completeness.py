"""The whole standard is there: every name of edition 2025.12, with its parameters, and a row in a table.

``STANDARD`` lists the functions of the standard. A leading dot marks a parameter that is given by name
only, a star one that takes the rest.
"""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import pytest

from learnkit.autodiff import is_variable, namespace, vjp
from learnkit.autodiff.composite import Composite
from learnkit.autodiff.namespace import VariableNamespace
from learnkit.autodiff.primitive import Primitive
from learnkit.autodiff.rules import layers
from learnkit.autodiff.rules.special import SPECIAL
from learnkit.backends import get_backend

STANDARD = {
    "": {
        "differentiable": """
            abs(x) acos(x) acosh(x) add(x1,x2) asin(x) asinh(x) atan(x) atan2(x1,x2) atanh(x)
            clip(x,min,max) conj(x) copysign(x1,x2) cos(x) cosh(x) divide(x1,x2) exp(x) expm1(x)
            hypot(x1,x2) imag(x) log(x) log10(x) log1p(x) log2(x) logaddexp(x1,x2) maximum(x1,x2)
            minimum(x1,x2) multiply(x1,x2) negative(x) positive(x) pow(x1,x2) real(x) reciprocal(x)
            remainder(x1,x2) sign(x) sin(x) sinh(x) sqrt(x) square(x) subtract(x1,x2) tan(x) tanh(x)
            cumulative_prod(x,.axis,.dtype,.include_initial) cumulative_sum(x,.axis,.dtype,.include_initial)
            max(x,.axis,.keepdims) mean(x,.axis,.keepdims) min(x,.axis,.keepdims)
            prod(x,.axis,.dtype,.keepdims) std(x,.axis,.correction,.keepdims) sum(x,.axis,.dtype,.keepdims)
            var(x,.axis,.correction,.keepdims) matmul(x1,x2) matrix_transpose(x) tensordot(x1,x2,.axes)
            vecdot(x1,x2,.axis) broadcast_arrays(*arrays) broadcast_to(x,shape) concat(arrays,.axis)
            expand_dims(x,axis) flip(x,.axis) moveaxis(x,source,destination) permute_dims(x,axes)
            repeat(x,repeats,.axis) reshape(x,shape,.copy) roll(x,shift,.axis) squeeze(x,axis)
            stack(arrays,.axis) tile(x,repetitions) unstack(x,.axis) tril(x,.k) triu(x,.k)
            meshgrid(*arrays,.indexing) diff(x,.axis,.n,.prepend,.append) sort(x,.axis,.descending,.stable)
            take(x,indices,.axis) take_along_axis(x,indices,.axis) where(condition,x1,x2)
            asarray(obj,.dtype,.device,.copy) astype(x,dtype,.copy,.device)
            unique_all(x) unique_counts(x) unique_inverse(x) unique_values(x)
        """,
        "constant": """
            all any argmax argmin argsort bitwise_and bitwise_invert bitwise_left_shift bitwise_or
            bitwise_right_shift bitwise_xor ceil count_nonzero equal floor floor_divide greater greater_equal
            isfinite isin isinf isnan less less_equal logical_and logical_not logical_or logical_xor nextafter
            nonzero not_equal round searchsorted signbit trunc arange empty empty_like eye
            from_dlpack full full_like linspace ones ones_like zeros
            zeros_like broadcast_shapes can_cast finfo iinfo isdtype result_type
        """,
        "other": """
            bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128
            e inf nan newaxis pi __array_namespace_info__ linalg fft
        """,
    },
    "linalg": {
        "differentiable": """
            cholesky(x,.upper) cross(x1,x2,.axis) det(x) diagonal(x,.offset) eig(x) eigh(x) eigvals(x)
            eigvalsh(x) inv(x) matmul(x1,x2) matrix_norm(x,.keepdims,.ord) matrix_power(x,n)
            matrix_transpose(x) outer(x1,x2) pinv(x,.rtol) qr(x,.mode) slogdet(x) solve(x1,x2)
            svd(x,.full_matrices) svdvals(x) tensordot(x1,x2,.axes) trace(x,.offset,.dtype)
            vecdot(x1,x2,.axis) vector_norm(x,.axis,.keepdims,.ord)
        """,
        "constant": "matrix_rank",
        "other": "",
    },
    "fft": {
        "differentiable": """
            fft(x,.n,.axis,.norm) ifft(x,.n,.axis,.norm) rfft(x,.n,.axis,.norm) irfft(x,.n,.axis,.norm)
            hfft(x,.n,.axis,.norm) ihfft(x,.n,.axis,.norm) fftn(x,.s,.axes,.norm) ifftn(x,.s,.axes,.norm)
            rfftn(x,.s,.axes,.norm) irfftn(x,.s,.axes,.norm) fftshift(x,.axes) ifftshift(x,.axes)
        """,
        "constant": "fftfreq rfftfreq",
        "other": "",
    },
}

#: The tests with a table CASES, and the extension that their rows are about ("" is the main namespace too).
TABLES = {
    "test_rules.py": ("",),
    "test_standard.py": ("",),
    "test_complex.py": ("",),
    "test_linalg.py": ("linalg",),
    "test_fft.py": ("fft",),
    "test_special.py": ("special",),
}

#: What the library has beyond the standard, and operations without a name in it.
BEYOND = {"getitem", "setitem", "index_add"}


def functions(extension, kind="differentiable"):
    """Names, with parameters for those that are differentiable."""
    listed = {}
    for entry in STANDARD[extension][kind].split():
        name, _, parameters = entry.rstrip(")").partition("(")
        listed[name] = parameters
    return listed


def over_numpy(extension=""):
    xp = namespace(get_backend("numpy").xp)
    return getattr(xp, extension) if extension else xp


def rows_of(file):
    """The names of functions that have a row in the table of a test module."""
    path = Path(__file__).with_name(file)
    spec = importlib.util.spec_from_file_location(f"table_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {row.split()[0] for row in module.CASES}


@pytest.fixture(scope="module")
def tested():
    """From an extension to the names with a row."""
    found = {"": set(), "linalg": set(), "fft": set(), "special": set()}
    for file, extensions in TABLES.items():
        for extension in extensions:
            found[extension] |= rows_of(file)
    return found


def written(function):
    """The parameters of a function in the notation of ``STANDARD``."""
    marks = {inspect.Parameter.KEYWORD_ONLY: ".", inspect.Parameter.VAR_POSITIONAL: "*"}
    parameters = inspect.signature(function).parameters.values()
    return ",".join(marks.get(p.kind, "") + p.name for p in parameters)


@pytest.mark.parametrize("extension", STANDARD)
def test_every_name_of_the_standard_is_there(extension):
    """Functions, constants and dtypes, and ``dir`` lists them."""
    xp = over_numpy(extension)
    names = {name for kind in STANDARD[extension] for name in functions(extension, kind)}
    assert {name for name in names if not hasattr(xp, name)} == set()
    assert {name for name in names if name not in dir(xp)} - {"newaxis"} == set()


def test_the_list_is_that_of_array_api_strict():
    """Nothing was forgotten in the list: array-api-strict has no function that is not in it."""
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    own = {"get_array_api_strict_flags", "set_array_api_strict_flags", "reset_array_api_strict_flags"}
    for extension in STANDARD:
        module = getattr(strict, extension) if extension else strict
        theirs = {n for n in getattr(module, "__all__", []) if inspect.isfunction(getattr(module, n))}
        names = {name for kind in STANDARD[extension] for name in functions(extension, kind)}
        assert theirs - own - names == set()


@pytest.mark.parametrize("extension", STANDARD)
def test_parameters_are_those_of_the_standard(extension):
    """Names, order, and which are given by name only, of every differentiable function."""
    xp = over_numpy(extension)
    wanted = functions(extension)
    assert {name: written(getattr(xp, name)) for name in wanted} == wanted


@pytest.mark.parametrize("extension", STANDARD)
def test_every_differentiable_function_has_a_row(extension, tested):
    """A function with a gradient and no row in a table of cases is not proven, and fails here."""
    xp = over_numpy(extension)
    differentiable = {
        name
        for name in dir(xp)
        if isinstance(getattr(xp, name, None), (Primitive, Composite)) or name in functions(extension)
    }
    assert differentiable >= set(functions(extension))
    assert differentiable - tested[extension] == set()


def test_every_special_function_and_layer_has_a_row(tested):
    assert set(SPECIAL) - tested["special"] == set()
    assert tested["special"] - set(SPECIAL) == set()
    assert {*layers.__all__, *BEYOND} - tested[""] == set()


def test_no_row_is_about_something_else(tested):
    """A misspelt row would prove nothing."""
    assert tested[""] - set(functions("")) - BEYOND - set(layers.__all__) == set()
    assert tested["linalg"] - set(functions("linalg")) == set()
    assert tested["fft"] - set(functions("fft")) == set()


def test_constant_functions_take_variables():
    """What has no gradient takes variables and gives constants; arrays never come out bare."""
    x = get_backend("numpy").asarray([[0.5, -1.5], [2.5, 0.5]], "float64")
    one = """all any argmax argmin argsort ceil count_nonzero floor isfinite isinf isnan logical_not nonzero
    round signbit trunc empty_like ones_like zeros_like""".split()
    two = """equal floor_divide greater greater_equal isin less less_equal logical_and logical_or logical_xor
    nextafter not_equal""".split()

    def fn(x):
        xp = x.__array_namespace__()
        assert isinstance(xp, VariableNamespace)
        found = [getattr(xp, name)(x) for name in one]
        found += [getattr(xp, name)(x, xp.flip(x)) for name in two]
        found += [
            xp.full_like(x, 2.0),
            xp.searchsorted(xp.reshape(x, (-1,))[:2], x),
            xp.linalg.matrix_rank(x),
        ]
        for y in found:
            for part in y if isinstance(y, tuple) else (y,):
                assert part.__array_namespace__() is xp
                assert not is_variable(part)
        assert xp.result_type(x, xp.float32) == xp.float64
        assert xp.can_cast(x, xp.float64)
        assert xp.finfo(x).bits == 64
        return x

    vjp(fn, x)


INTEGERS = {
    "prod": lambda xp, x: xp.prod(x),
    "prod of small integers": lambda xp, x: xp.prod(xp.astype(x, xp.uint8), axis=0),
    "cumulative_prod": lambda xp, x: xp.cumulative_prod(xp.astype(x, xp.int8), axis=1),
    "cumulative_prod in a dtype": lambda xp, x: xp.cumulative_prod(x, axis=1, dtype=xp.int16),
    "cumulative_sum": lambda xp, x: xp.cumulative_sum(xp.astype(x, xp.uint16), axis=0),
    "sum": lambda xp, x: xp.sum(xp.astype(x, xp.int8)),
    "vecdot": lambda xp, x: xp.vecdot(xp.astype(x, xp.uint8), xp.astype(x, xp.uint8)),
    "linalg.vecdot": lambda xp, x: xp.linalg.vecdot(x, x),
    "linalg.trace": lambda xp, x: xp.linalg.trace(xp.astype(x, xp.uint8)),
    "linalg.matrix_power": lambda xp, x: xp.linalg.matrix_power(xp.astype(x, xp.float64), 2),
    "tensordot": lambda xp, x: xp.tensordot(x, x),
    "diff": lambda xp, x: xp.diff(x, prepend=x),
    "sort": lambda xp, x: xp.sort(x, axis=0, descending=True),
    "clip": lambda xp, x: xp.clip(x, 2, 3),
    "tril": lambda xp, x: xp.tril(x),
    "unstack": lambda xp, x: xp.unstack(x)[1],
    "broadcast_arrays": lambda xp, x: xp.broadcast_arrays(x, x[:1, :])[1],
    "meshgrid": lambda xp, x: xp.meshgrid(x[0, :], x[1, :])[0],
}


@pytest.mark.parametrize("name", INTEGERS)
def test_functions_of_constants_are_those_of_the_library(backend, name):
    """Integers promote as the library has it: sums and products of small ones come in a wider dtype."""
    fn, over = INTEGERS[name], namespace(backend.xp)
    x = backend.asarray([[1, 2], [3, 4]], "int64")
    plain, found = fn(backend.xp, x), fn(over, over.asarray(x))
    assert found.__array_namespace__() is over
    assert not is_variable(found)
    assert found.dtype == plain.dtype
    assert tuple(found.shape) == tuple(plain.shape)
    assert backend.to_numpy(found.data).tolist() == backend.to_numpy(plain).tolist()


def test_unknown_names_are_attribute_errors():
    xp = over_numpy()
    for namespace_ in (xp, xp.linalg, xp.fft):
        with pytest.raises(AttributeError, match="has no function 'einsum'"):
            _ = namespace_.einsum
