"""Choosing a backend: names, devices, process, block, environment, and what goes wrong."""

from __future__ import annotations

import contextvars
import importlib.machinery
import sys
import threading
import types

import array_api_compat
import numpy as np
import pytest

from learnkit.backends import Backend, array_namespace, backend_of, base, get_backend, kernels_of, use_backend
from learnkit.backends.cupy import CupyBackend
from learnkit.backends.kernels import Kernels
from learnkit.errors import ArgumentError, BackendError, MissingDependencyError, UnknownNameError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("LEARNKIT_BACKEND", raising=False)


def test_numpy_is_the_default():
    assert get_backend().name == "numpy"


def test_a_backend_is_made_once():
    assert get_backend("numpy") is get_backend("numpy")


def test_a_backend_stands_for_itself():
    numpy = get_backend("numpy")
    assert get_backend(numpy) is numpy
    assert get_backend(numpy, "cpu") is numpy
    with pytest.raises(ArgumentError) as caught:
        get_backend(numpy, "cuda")
    assert str(caught.value) == "device 'cuda' was given beside <backend numpy, device cpu>"


def test_the_environment_names_a_default(monkeypatch):
    pytest.importorskip("array_api_strict")
    monkeypatch.setenv("LEARNKIT_BACKEND", "strict:device2")
    assert repr(get_backend()) == "<backend strict, device device2>"
    use_backend("numpy")
    assert get_backend().name == "numpy"


def test_use_backend_holds_for_the_process():
    pytest.importorskip("array_api_strict")
    use_backend("strict", "device2")
    assert repr(get_backend()) == "<backend strict, device device2>"
    seen = []
    thread = threading.Thread(target=lambda: seen.append(get_backend().name))
    thread.start()
    thread.join()
    assert seen == ["strict"]


def test_use_backend_holds_for_a_block_and_nests():
    pytest.importorskip("array_api_strict")
    with use_backend("strict") as outer:
        assert get_backend() is outer
        with use_backend("numpy") as inner:
            assert get_backend() is inner
        with use_backend("strict:device2"):
            assert repr(get_backend()) == "<backend strict, device device2>"
        assert get_backend() is outer
    assert get_backend().name == "numpy"


def test_a_block_ends_with_an_exception():
    pytest.importorskip("array_api_strict")
    with pytest.raises(KeyError), use_backend("strict"):
        raise KeyError
    assert get_backend().name == "numpy"


def test_a_block_holds_in_its_own_context_only():
    pytest.importorskip("array_api_strict")
    elsewhere = contextvars.copy_context()
    with use_backend("strict"):
        assert elsewhere.run(get_backend).name == "numpy"


def test_an_unknown_name_offers_the_closest():
    with pytest.raises(UnknownNameError) as caught:
        get_backend("numpi")
    assert "unknown backend 'numpi' (did you mean 'numpy'?)" in str(caught.value)
    assert "cupy, numpy, strict, torch" in str(caught.value)


def test_an_unknown_name_in_use_backend_changes_nothing():
    with pytest.raises(UnknownNameError):
        use_backend("nothing")
    assert get_backend().name == "numpy"


DEVICES = [
    ("numpy", "cuda", "backend 'numpy' has no device 'cuda': expected 'cpu'"),
    ("strict", "gpu", "backend 'strict' has no device 'gpu': expected one of CPU_DEVICE, device1, device2"),
    ("torch", "gpu", "backend 'torch' has no device 'gpu': expected 'cpu', 'cuda' or 'cuda:1'"),
    ("torch", "cuda:x", "backend 'torch' has no device 'cuda:x': expected 'cpu', 'cuda' or 'cuda:1'"),
]


@pytest.mark.parametrize(("name", "device", "message"), DEVICES)
def test_a_wrong_device_is_named_with_what_is_expected(name, device, message):
    pytest.importorskip({"strict": "array_api_strict"}.get(name, name))
    with pytest.raises(ArgumentError) as caught:
        get_backend(name, device)
    assert str(caught.value).splitlines()[0] == message


def test_torch_without_cuda_does_not_fall_back():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("torch has a device here")
    with pytest.raises(
        BackendError, match=r"found no CUDA device; nothing fell back to the CPU\n  check the driver"
    ):
        get_backend("torch", "cuda")


@pytest.mark.parametrize(
    ("name", "module", "message"),
    [
        (
            "cupy",
            "cupy",
            "backend 'cupy' needs CuPy, which is not installed\n"
            '  pip install "pylearnkit[cuda13]"   (or "pylearnkit[cuda12]" for a CUDA 12 driver)',
        ),
        (
            "torch",
            "torch",
            "backend 'torch' needs torch, which is not installed\n  pip install \"pylearnkit[torch]\"",
        ),
        (
            "strict",
            "array_api_strict",
            "backend 'strict' needs array-api-strict, which is not installed\n  pip install array-api-strict",
        ),
    ],
)
def test_a_missing_library_comes_with_the_line_that_installs_it(monkeypatch, name, module, message):
    from learnkit.plugins import registry

    class Absent:
        def find_spec(self, wanted, path=None, target=None):
            if wanted == module:
                raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    with pytest.raises(MissingDependencyError) as caught:
        registry.get("backend", name)(None)
    assert str(caught.value) == message
    assert isinstance(caught.value, ImportError)


class Loader:
    """Finds one module and runs ``make`` for its contents."""

    def __init__(self, name, make):
        self.name, self.make = name, make

    def find_spec(self, wanted, path=None, target=None):
        return importlib.machinery.ModuleSpec(wanted, self) if wanted == self.name else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        self.make(module)


def cupy_without(monkeypatch, make):
    """Let ``import cupy`` give what ``make`` puts into the module."""
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Loader("cupy", make), *sys.meta_path])


def no_driver(module):
    def fail():
        raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")

    module.__version__ = "14.2.0"
    module.cuda = types.SimpleNamespace(
        is_available=lambda: False, runtime=types.SimpleNamespace(getDeviceCount=fail, getDevice=fail)
    )


def test_cupy_without_a_driver_says_so_and_does_not_fall_back(monkeypatch):
    """CuPy imports without complaint on a machine that has no GPU."""
    cupy_without(monkeypatch, no_driver)
    with pytest.raises(BackendError) as caught:
        CupyBackend()
    assert str(caught.value) == (
        "CuPy 14.2.0 is installed, but found no CUDA device or driver; nothing was computed, and nothing "
        "fell back to NumPy\n  check the driver with `nvidia-smi`, or choose the backend 'numpy'"
    )
    sys.modules.pop("cupy", None)


def test_a_broken_cupy_is_told_from_a_missing_one(monkeypatch):
    def broken(module):
        raise ImportError("libcublas.so.13: cannot open shared object file\nmore lines")

    cupy_without(monkeypatch, broken)
    with pytest.raises(BackendError) as caught:
        CupyBackend()
    message = str(caught.value)
    assert message.startswith("CuPy is installed but cannot be imported: libcublas.so.13: cannot open shared")
    assert "more lines" not in message


def one_device(module):
    no_driver(module)
    module.cuda = types.SimpleNamespace(
        is_available=lambda: True,
        runtime=types.SimpleNamespace(getDeviceCount=lambda: 1, getDevice=lambda: 0),
    )


@pytest.mark.parametrize(
    ("device", "error", "message"),
    [
        ("gpu", ArgumentError, "backend 'cupy' has no device 'gpu': expected a number such as '0' or '1'"),
        ("-1", ArgumentError, "backend 'cupy' has no device '-1': expected a number such as '0' or '1'"),
        ("3", BackendError, "backend 'cupy' has no device 3: only device 0 is there"),
        ("cuda:1", BackendError, "backend 'cupy' has no device 1: only device 0 is there"),
    ],
)
def test_cupy_devices_are_numbers(monkeypatch, device, error, message):
    cupy_without(monkeypatch, one_device)
    with pytest.raises(error) as caught:
        CupyBackend(device)
    assert str(caught.value).splitlines()[0] == message
    sys.modules.pop("cupy", None)


def test_the_contract_itself_cannot_be_made():
    with pytest.raises(TypeError, match="Backend is the contract"):
        Backend()


# From arrays back to their library


def test_namespace_and_backend_of_an_array(backend):
    x = backend.asarray(np.zeros(2))
    assert array_namespace(x) is backend.xp
    assert array_namespace(x, 1.0, None, True) is backend.xp
    assert backend_of(x).name == backend.backend.name
    assert backend_of(x).device == backend.device


def test_backend_of_an_array_on_another_device():
    strict = pytest.importorskip("array_api_strict")
    x = strict.zeros(2, device=strict.Device("device2"))
    assert repr(backend_of(x)) == "<backend strict, device device2>"


def test_numpy_scalars_are_arrays_and_python_numbers_are_not():
    xp = array_api_compat.array_namespace(np.zeros(1))
    assert array_namespace(np.float32(1)) is xp
    for given, named in (((1.0, 2), "float, int"), ((), "nothing")):
        with pytest.raises(ArgumentError) as caught:
            array_namespace(*given)
        assert str(caught.value) == f"expected at least one array of the Array API standard, got {named}"


def test_what_is_no_array_is_named():
    with pytest.raises(ArgumentError) as caught:
        array_namespace([1.0])
    assert str(caught.value) == (
        "expected an array of the Array API standard, got list\n"
        "  convert it first, for example with numpy.asarray(...)"
    )


def test_arrays_of_two_libraries_do_not_mix():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(ArgumentError) as caught:
        array_namespace(np.zeros(2), strict.zeros(2))
    assert str(caught.value) == (
        "arrays of two libraries are mixed: numpy and array_api_strict\n"
        "  bring both to one backend first, for example with get_backend('numpy').asarray(...)"
    )


class Wrapper:
    """A made-up array that wraps others, like a variable."""

    wraps_arrays = True

    def __init__(self, data):
        self.data = data

    def __array_namespace__(self, *, api_version=None):
        return OUTER


OUTER = types.SimpleNamespace(
    __name__="outer", base_namespace=array_api_compat.array_namespace(np.zeros(1)), kernels=object()
)


def test_a_wrapping_array_wins_over_what_it_wraps():
    x = np.zeros(2)
    assert array_namespace(Wrapper(x), x) is OUTER
    assert array_namespace(x, Wrapper(x)) is OUTER
    assert backend_of(Wrapper(x)) is get_backend("numpy")
    assert kernels_of(Wrapper(x)) is OUTER.kernels


def test_arrays_of_a_library_without_a_backend_get_the_generic_kernels():
    """jax knows the standard, and nobody registered it."""
    jnp = pytest.importorskip("jax.numpy")
    x = jnp.ones((2, 2), dtype="float32")
    kernels = kernels_of(x)
    assert type(kernels) is Kernels
    assert not kernels.in_place
    out = kernels.matmul_into(x, x, x)
    assert np.asarray(out).tolist() == [[2, 2], [2, 2]]
    with pytest.raises(ArgumentError, match="no registered backend owns arrays of type jaxlib"):
        backend_of(x)


def test_the_process_default_is_where_the_fixture_looks():
    use_backend("numpy")
    assert base._process_default == [("numpy", None)]
