"""CUDA C++ compiled for the CPU, so that a kernel's arithmetic runs exactly as written.

A launch runs the blocks one after the other. Within a block, threads that meet at ``__syncthreads()`` are
coroutines: each runs until the barrier, then gives way to the next. So shared memory works, and a missing
barrier is not noticed.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["CompileError", "compiler", "kernels", "library", "parameters"]

#: What the CUDA compiler knows and a C++ compiler does not.
_PRELUDE = r"""
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __shared__ static
// Without the standard library's headers, which take ten times as long to compile as a kernel does.
#define FAKE_UNARY(name) \
    static inline float name(float x) { return __builtin_##name##f(x); } \
    static inline double name(double x) { return __builtin_##name(x); }
#define FAKE_BINARY(name) \
    static inline float name(float x, float y) { return __builtin_##name##f(x, y); } \
    static inline double name(double x, double y) { return __builtin_##name(x, y); }
namespace fake {
FAKE_UNARY(exp) FAKE_UNARY(exp2) FAKE_UNARY(expm1) FAKE_UNARY(log) FAKE_UNARY(log1p) FAKE_UNARY(log2)
FAKE_UNARY(log10) FAKE_UNARY(sqrt) FAKE_UNARY(sin) FAKE_UNARY(cos) FAKE_UNARY(tan) FAKE_UNARY(sinh)
FAKE_UNARY(cosh) FAKE_UNARY(tanh) FAKE_UNARY(asin) FAKE_UNARY(acos) FAKE_UNARY(atan) FAKE_UNARY(asinh)
FAKE_UNARY(acosh) FAKE_UNARY(atanh) FAKE_UNARY(erf) FAKE_UNARY(erfc) FAKE_UNARY(floor) FAKE_UNARY(ceil)
FAKE_UNARY(trunc) FAKE_UNARY(rint) FAKE_UNARY(fabs) FAKE_UNARY(lgamma)
FAKE_BINARY(pow) FAKE_BINARY(atan2) FAKE_BINARY(hypot) FAKE_BINARY(copysign) FAKE_BINARY(fmod)
FAKE_BINARY(fmin) FAKE_BINARY(fmax)
template <class T> static inline T max(T a, T b) { return a < b ? b : a; }
template <class T> static inline T min(T a, T b) { return b < a ? b : a; }
template <class T> static inline T abs(T x) { return x < 0 ? -x : x; }
static inline float abs(float x) { return __builtin_fabsf(x); }
static inline double abs(double x) { return __builtin_fabs(x); }
template <class T> static inline bool isnan(T x) { return __builtin_isnan(x); }
template <class T> static inline bool isinf(T x) { return __builtin_isinf_sign(x) != 0; }
template <class T> static inline bool isfinite(T x) { return __builtin_isfinite(x); }
template <class T> static inline bool signbit(T x) { return __builtin_signbit(x) != 0; }
static inline float rsqrt(float x) { return 1.0f / __builtin_sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / __builtin_sqrt(x); }
}
using namespace fake;
struct fake_index { unsigned x, y, z; };
static fake_index threadIdx, blockIdx, blockDim, gridDim;
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
template <class T> struct fake_parameter { enum { pointer = 0, size = sizeof(T) }; };
template <class T> struct fake_parameter<T *> { enum { pointer = 1, size = sizeof(T) }; };
"""

#: Threads without a barrier run to their end; with one, each is a coroutine on a stack of its own.
_SERIAL = r"""
template <class F> static void fake_block(F body)
{
    for (threadIdx.z = 0; threadIdx.z < blockDim.z; ++threadIdx.z)
    for (threadIdx.y = 0; threadIdx.y < blockDim.y; ++threadIdx.y)
    for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x) body();
}
"""
_COROUTINES = r"""
#include <functional>
#include <ucontext.h>
#include <vector>
static ucontext_t fake_scheduler, *fake_current;
static std::function<void()> fake_body;
static bool fake_done;
static void fake_run() { fake_body(); fake_done = true; swapcontext(fake_current, &fake_scheduler); }
static void __syncthreads() { swapcontext(fake_current, &fake_scheduler); }
template <class F> static void fake_block(F body)
{
    fake_body = body;
    const unsigned count = blockDim.x * blockDim.y * blockDim.z;
    const size_t room = 64 * 1024;
    static std::vector<char> stacks;
    if (stacks.size() < room * count) stacks.resize(room * count);
    std::vector<ucontext_t> threads(count);
    std::vector<bool> done(count, false);
    for (unsigned i = 0; i < count; ++i) {
        getcontext(&threads[i]);
        threads[i].uc_stack.ss_sp = &stacks[room * i];
        threads[i].uc_stack.ss_size = room;
        threads[i].uc_link = nullptr;
        makecontext(&threads[i], fake_run, 0);
    }
    for (unsigned left = count; left > 0;)
        for (unsigned i = 0; i < count; ++i) {
            if (done[i]) continue;
            threadIdx.x = i % blockDim.x;
            threadIdx.y = i / blockDim.x % blockDim.y;
            threadIdx.z = i / (blockDim.x * blockDim.y);
            fake_current = &threads[i];
            fake_done = false;
            swapcontext(&fake_scheduler, fake_current);
            if (fake_done) { done[i] = true; --left; }
        }
}
"""


class CompileError(RuntimeError):
    """The source does not compile; the message is the compiler's."""


@functools.cache
def compiler() -> str | None:
    """The path of a C++ compiler, if there is one."""
    for name in ("c++", "g++", "clang++"):
        found = shutil.which(name)
        if found is not None:
            return found
    return None


@functools.cache
def _workshop() -> Path:
    """A directory for what this process compiles, removed when it ends."""
    directory = tempfile.mkdtemp(prefix="learnkit-fakecupy-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


def kernels(code: str) -> tuple[str, ...]:
    """The names of all kernels in the source, so that it is compiled once for all of them."""
    return tuple(re.findall(r"__global__\s+void\s+(\w+)\s*\(", code))


def parameters(code: str, name: str) -> list[str]:
    """The C types of the parameters of the kernel ``name``.

    Raises:
        CompileError: the source has no such kernel.
    """
    without_comments = re.sub(r"/\*.*?\*/|//[^\n]*", " ", code, flags=re.DOTALL)
    found = re.search(rf"__global__\s+void\s+{re.escape(name)}\s*\(([^)]*)\)", without_comments)
    if found is None:
        raise CompileError(f"the source has no kernel named {name!r}")
    listed = [" ".join(p.split()) for p in found.group(1).split(",") if p.strip()]
    return [re.sub(r"\w+$", "", p.replace("__restrict__", "")).strip() for p in listed]


def _launcher(code: str, name: str) -> str:
    """C functions that launch a kernel and describe its parameters."""
    types = parameters(code, name)
    passed = ", ".join(f"*({t} *)args[{i}]" for i, t in enumerate(types))
    described = ", ".join(f"fake_parameter<{t}>::pointer, fake_parameter<{t}>::size" for t in types)
    return f"""
extern "C" const long long fake_describe_{name}[] = {{{described}}};
extern "C" void fake_launch_{name}(void **args, const unsigned *grid, const unsigned *block)
{{
    gridDim = {{grid[0], grid[1], grid[2]}};
    blockDim = {{block[0], block[1], block[2]}};
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x)
        fake_block([&] {{ {name}({passed}); }});
}}
"""


@functools.cache
def library(code: str, kernels: tuple[str, ...]) -> ctypes.CDLL:
    """The shared library made of CUDA source, with a launcher for each kernel named.

    Raises:
        CompileError: there is no compiler, or it refuses the source.
    """
    program = compiler()
    if program is None:
        raise CompileError("the stand-in for CuPy needs a C++ compiler (c++, g++ or clang++) for this kernel")
    threads = _COROUTINES if "__syncthreads" in code else _SERIAL
    text = "\n".join([_PRELUDE, threads, code, *(_launcher(code, name) for name in kernels)])
    stem = _workshop() / f"kernel{len(list(_workshop().iterdir()))}"
    stem.with_suffix(".cpp").write_text(text, encoding="utf-8")
    command = [program, "-O2", "-std=c++17", "-ffp-contract=off", "-w", "-shared", "-fPIC"]
    command += ["-o", f"{stem}.so", f"{stem}.cpp"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CompileError(done.stderr)
    return ctypes.CDLL(f"{stem}.so")
