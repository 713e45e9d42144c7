# mypy: allow-untyped-defs, allow-untyped-calls
"""What compiled code needs and Numba has no function for: calls by address, atomic numbers, typed pointers.

Addresses are ``intp`` everywhere, so that machine code can be kept on disk: nothing in it is of one process.
"""

from __future__ import annotations

import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "add_atomic",
    "call_part",
    "call_plain",
    "gemm_32",
    "gemm_64",
    "gemv_32",
    "gemv_64",
    "load_atomic",
    "pointer",
    "relax",
    "replace_atomic",
    "store_atomic",
]

_I64, _I32, _VOID = ir.IntType(64), ir.IntType(32), ir.VoidType()


def _place(context, builder, kind, array, index):
    """The address of a number of an array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


@intrinsic
def load_atomic(typing, array, index):
    """``array[index]`` as some thread wrote it last."""

    def build(context, builder, signature, arguments):
        place = _place(context, builder, signature.args[0], *arguments[:2])
        return builder.load_atomic(place, ordering="seq_cst", align=8)

    return types.int64(array, types.intp), build


@intrinsic
def store_atomic(typing, array, index, value):
    """``array[index] = value``, and everything written before is there for whoever reads it."""

    def build(context, builder, signature, arguments):
        place = _place(context, builder, signature.args[0], *arguments[:2])
        builder.store_atomic(arguments[2], place, ordering="seq_cst", align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), build


@intrinsic
def add_atomic(typing, array, index, value):
    """Add to ``array[index]``; what was there before."""

    def build(context, builder, signature, arguments):
        place = _place(context, builder, signature.args[0], *arguments[:2])
        return builder.atomic_rmw("add", place, arguments[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), build


@intrinsic
def replace_atomic(typing, array, index, old, new):
    """Put ``new`` in place of ``old``; whether ``old`` was there."""

    def build(context, builder, signature, arguments):
        place = _place(context, builder, signature.args[0], *arguments[:2])
        pair = builder.cmpxchg(place, arguments[2], arguments[3], "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(array, types.intp, types.int64, types.int64), build


@intrinsic
def pointer(typing, address, like):
    """The address as a pointer to numbers of the type of ``like``."""

    def build(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(like)(types.intp, like), build


def _function(builder, address, result, arguments):
    kind = ir.FunctionType(result, arguments)
    return builder.inttoptr(address, kind.as_pointer())


@intrinsic
def call_part(typing, address, low, high, arguments_):
    """Call ``void f(intp low, intp high, intp arguments)``."""

    def build(context, builder, signature, arguments):
        builder.call(_function(builder, arguments[0], _VOID, [_I64] * 3), arguments[1:])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, types.intp), build


@intrinsic
def call_plain(typing, address):
    """Call ``int f(void)``."""

    def build(context, builder, signature, arguments):
        builder.call(_function(builder, arguments[0], _I32, []), [])
        return context.get_dummy_value()

    return types.void(types.intp), build


@intrinsic
def relax(typing):
    """Leave the processor to its other hardware thread for some cycles."""

    def build(context, builder, signature, arguments):
        if platform.machine().lower() in ("x86_64", "amd64"):
            kind = ir.FunctionType(_VOID, [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), build


def _blas(integer, kinds):
    """An intrinsic for a function of CBLAS.

    ``kinds`` has a letter for each argument: enum, integer, real or pointer.
    """
    types_ = {"e": _I32, "i": integer, "p": _I64}

    def make(typing, *given):
        real = next(t for t, k in zip(given[1:], kinds, strict=True) if k == "r")
        reals = ir.FloatType() if real == types.float32 else ir.DoubleType()

        def build(context, builder, signature, arguments):
            kind = [types_.get(k, reals) for k in kinds]
            values = [
                builder.trunc(v, t) if k in "ei" and t != v.type else v
                for v, t, k in zip(arguments[1:], kind, kinds, strict=True)
            ]
            builder.call(_function(builder, arguments[0], _VOID, kind), values)
            return context.get_dummy_value()

        return types.void(types.intp, *[real if k == "r" else types.intp for k in kinds]), build

    return make


# order, transposed a, transposed b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc
_GEMM = "eeeiiirpipirpi"
# order, transposed, m, n, alpha, a, lda, x, incx, beta, y, incy
_GEMV = "eeiirpipirpi"


def _named(name, make, count):
    names = ", ".join(f"a{i}" for i in range(count))
    space = {"make": make}
    exec(f"def {name}(typing, address, {names}):\n    return make(typing, address, {names})", space)
    return intrinsic(space[name])


gemm_32 = _named("gemm_32", _blas(_I32, _GEMM), len(_GEMM))
gemm_64 = _named("gemm_64", _blas(_I64, _GEMM), len(_GEMM))
gemv_32 = _named("gemv_32", _blas(_I32, _GEMV), len(_GEMV))
gemv_64 = _named("gemv_64", _blas(_I64, _GEMV), len(_GEMV))
