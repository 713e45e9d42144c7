"""What every backend does with data: in, out, dtype, device, description."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit.backends import get_backend
from learnkit.errors import ArgumentError

DTYPES = ["float32", "float64", "int32", "int64", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_arrays_go_in_and_come_out(backend, dtype):
    x = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    there = backend.backend.asarray(x)
    backend.assert_array(there, x, dtype=dtype, rtol=0, atol=0)
    back = backend.backend.to_numpy(there)
    assert type(back) is np.ndarray
    assert back.dtype == dtype
    assert np.array_equal(back, x)


@pytest.mark.parametrize("dtype", [None, *DTYPES])
@pytest.mark.parametrize("given", [[[1.0, 0.0], [1.0, 1.0]], 1.0, 1, True, [1, 0]])
def test_lists_and_numbers_go_in(backend, given, dtype):
    there = backend.backend.asarray(given, dtype)
    backend.assert_array(there, given, dtype=dtype)


@pytest.mark.parametrize("dtype", [None, *DTYPES])
def test_own_arrays_go_in(backend, dtype):
    x = backend.asarray(np.array([0.0, 1.0, 1.0]), "float32")
    backend.assert_array(backend.backend.asarray(x, dtype), [0, 1, 1], dtype=dtype or "float32")


def test_views_and_read_only_arrays_go_in(backend):
    x = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    x.flags.writeable = False
    backend.assert_array(backend.backend.asarray(x), x, dtype="float32")
    backend.assert_array(backend.backend.asarray(x.T), x.T, dtype="float32")
    backend.assert_array(backend.backend.asarray(x[::2, 1:]), x[::2, 1:], dtype="float32")


def test_numpy_scalars_go_in(backend):
    backend.assert_array(backend.backend.asarray(np.float32(1.5)), 1.5, dtype="float32")


def test_an_array_of_another_library_is_refused(backend):
    """Data moves when somebody says so."""
    other = "torch" if backend.name == "strict" else "array_api_strict"
    foreign = pytest.importorskip(other).zeros(2)
    kind = "torch.Tensor" if backend.name == "strict" else "array_api_strict._array_object.Array"
    with pytest.raises(ArgumentError) as caught:
        backend.backend.asarray(foreign)
    assert str(caught.value) == (
        f"backend {backend.backend.name!r} got an array of type {kind}\n"
        "  bring it to the host first: learnkit.backends.backend_of(x).to_numpy(x)"
    )


def test_an_unknown_dtype_is_named(backend):
    with pytest.raises(ArgumentError) as caught:
        backend.backend.asarray([1.0], "float12")
    assert str(caught.value).startswith(f"backend {backend.backend.name!r} has no dtype 'float12'")


def test_synchronize_activate_and_describe(backend):
    backend.backend.activate()
    backend.backend.synchronize()
    words = backend.backend.describe().split()
    assert words[0] == backend.backend.name
    assert words[1][0].isdigit()
    assert words[2] == "on"
    assert backend.backend.device_name(backend.device) in backend.backend.describe()
    assert repr(backend.backend).startswith(f"<backend {backend.backend.name}, device ")


def test_the_name_of_a_device_leads_back_to_it(backend):
    name = backend.backend.device_name(backend.device)
    assert get_backend(backend.backend.name, name).device == backend.device


def test_torch_tensors_are_detached():
    torch = pytest.importorskip("torch")
    backend = get_backend("torch")
    x = torch.ones(2, requires_grad=True)
    assert not backend.asarray(x).requires_grad
    assert backend.to_numpy(x).tolist() == [1, 1]


def test_strict_arrays_move_to_the_device_of_the_backend():
    strict = pytest.importorskip("array_api_strict")
    backend = get_backend("strict", "device1")
    x = strict.zeros(2, device=strict.Device("CPU_DEVICE"))
    assert backend.asarray(x).device == strict.Device("device1")
