"""CUDA sources, raw and fused, compile without a device: by NVRTC where it is installed, and by nvcc."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from learnkit import nn, optim
from learnkit.backends import array_namespace, cuda, cuda_norms, cuda_windows
from learnkit.fusion.emit_cupy import _C_TYPES, cuda_text
from learnkit.fusion.operations import OPERATIONS
from learnkit.fusion.trace import Argument, trace

ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_100")
TEXTS = {
    "philox and dropout": (cuda.PHILOX_UNIFORM, ("philox_uniform", "dropout")),
    "softmax": (
        cuda.SOFTMAX,
        (
            "softmax",
            "log_softmax",
            "softmax_backward",
            "log_softmax_backward",
            "softmax_cross_entropy",
            "softmax_cross_entropy_backward",
        ),
    ),
    "norms": (
        cuda_norms.NORMS,
        (
            "row_norm",
            "row_norm_backward",
            "norm_sums",
            "merge_sums",
            "channel_moments",
            "merge_moments",
            "channels_apply",
            "channels_backward",
        ),
    ),
    "squares": (cuda_norms.SQUARES, ("sum_of_squares", "root_of_sum")),
    "windows": (cuda_windows.WINDOWS, ("im2col", "col2im", "max_pool", "max_pool_backward", "window_sum")),
}


def by_nvcc(tmp_path):
    program = shutil.which("nvcc")
    if program is None:
        pytest.skip("no nvcc")

    def compiled(text, architecture):
        (tmp_path / "kernel.cu").write_text(text)
        options = ["-Werror", "all-warnings", "-ptx", f"-arch={architecture}", "-o", "kernel.ptx"]
        subprocess.run([program, *options, "kernel.cu"], cwd=tmp_path, check=True)
        return (tmp_path / "kernel.ptx").read_text()

    return compiled


def by_nvrtc(tmp_path):
    """The library that CuPy compiles with, from the package nvidia-cuda-nvrtc-cu12 or the system."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(f) for f in (spec.submodule_search_locations or ())] if spec is not None else []
    found = [p for f in folders for p in f.glob("**/libnvrtc.so.*")]
    try:
        library = ctypes.CDLL(str(found[0]) if found else "libnvrtc.so")
    except OSError:
        pytest.skip("no NVRTC")

    def compiled(text, architecture):
        program, size = ctypes.c_void_p(), ctypes.c_size_t()
        assert not library.nvrtcCreateProgram(
            ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None
        )
        options = (ctypes.c_char_p * 2)(f"--gpu-architecture={architecture}".encode(), b"--std=c++17")
        failed = library.nvrtcCompileProgram(program, 2, options)
        library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        library.nvrtcGetProgramLog(program, log)
        assert (failed, log.value.decode()) == (0, "")
        library.nvrtcGetPTXSize(program, ctypes.byref(size))
        ptx = ctypes.create_string_buffer(size.value)
        library.nvrtcGetPTX(program, ptx)
        library.nvrtcDestroyProgram(ctypes.byref(program))
        return ptx.value.decode()

    return compiled


COMPILERS = pytest.mark.parametrize(
    "compiler", [pytest.param(by_nvcc, marks=pytest.mark.alike), by_nvrtc], ids=["by_nvcc", "by_nvrtc"]
)


@COMPILERS
@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("name", TEXTS)
def test_raw_kernels(tmp_path, compiler, real, name):
    compiled = compiler(tmp_path)
    text, kernels = TEXTS[name]
    architectures = ARCHITECTURES if compiler is by_nvrtc else (ARCHITECTURES[0], ARCHITECTURES[-1])
    for architecture in architectures:
        ptx = compiled(cuda.source(text, real, "int32" if real == "float32" else "int64"), architecture)
        assert all(f".entry {kernel}(" in ptx for kernel in kernels)


def fused(call, dtype, count, **numbers):
    """The kernel of an elementwise function of ``count`` arrays, as ``cupy.ElementwiseKernel`` makes it."""
    found = trace(
        lambda symbols, given: call(*symbols, **given),
        tuple(Argument(np.dtype(dtype), True) for _ in range(count)),
        (1000,),
        numbers,
    )
    text = cuda_text(found)
    parameters, loads = [], []
    for given in text.inputs.split(", "):
        kind, name = given.split()
        c_type = _C_TYPES[kind]
        array = name.startswith("a")
        parameters.append(f"const {c_type} *in_{name}" if array else f"{c_type} {name}")
        if array:
            loads.append(f"const {c_type} {name} = in_{name}[i];")
    for given in text.outputs.split(", "):
        kind, name = given.split()
        parameters.append(f"{_C_TYPES[kind]} *out_{name}")
        loads.append(f"{_C_TYPES[kind]} &{name} = out_{name}[i];")
    return f"""extern "C" __global__ void learnkit_fused({", ".join(parameters)}, long long n)
{{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    {" ".join(loads)}
    {text.body}
}}
"""


def functions(dtype):
    """Every operation of the table, every activation, and the updates of some optimizers, as CUDA texts."""
    for name, operation in OPERATIONS.items():
        kind = "bool" if operation.takes == "bool" else dtype
        if name == "erf":
            continue
        count = 2 if "{1}" in operation.cuda else 1
        yield name, fused(lambda *a, name=name: getattr(array_namespace(a[0]), name)(*a), kind, count)
    for name in ("gelu", "silu", "mish", "softplus", "elu", "selu", "hard_swish", "tanh"):
        yield name, fused(getattr(nn.activations, name), dtype, 1)
    for rule in (optim.Adam(), optim.AdamW(), optim.SGD(momentum=0.9), optim.Lion(), optim.RMSprop()):
        slots = len(rule.slots)
        name = type(rule).__name__
        yield name, fused(rule.update, dtype, 2 + slots, lr=0.1, step=3)


@COMPILERS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fused_functions(tmp_path, compiler, dtype):
    """All in one text, each in a name of its own: a compiler starts but once."""
    compiled = compiler(tmp_path)
    made = list(functions(dtype))
    assert len(made) > 40
    text = "\n".join(t.replace("learnkit_fused", f"fused_{i}") for i, (_, t) in enumerate(made))
    for architecture in (ARCHITECTURES[0], ARCHITECTURES[-1]):
        ptx = compiled(text, architecture)
        for i, (name, _) in enumerate(made):
            assert f".entry fused_{i}(" in ptx, name
