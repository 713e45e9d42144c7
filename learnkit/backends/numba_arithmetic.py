# mypy: allow-untyped-defs, allow-untyped-calls
"""Arithmetic of compiled loops for which Python has no operator. Imported by compiled code only.

Both are for single places: what is allowed to the compiler for a whole function would let it change what has
to be exact there, and the same elements might give other bits in the vector loop and in what is left over.
"""

from __future__ import annotations

from numba.extending import intrinsic

__all__ = ["fma", "plus"]


def _has_fma(context):
    """Whether the processor that code is made for rounds ``a b + c`` once. In software it would be slow."""
    triple, _, features = context.codegen().magic_tuple()
    return triple.startswith(("aarch64", "arm64")) or "+fma" in features.split(",")


@intrinsic
def fma(typing, a, b, c):
    """``a b + c``, rounded once where the processor can do that, else twice: the same in every loop."""

    def build(context, builder, signature, arguments):
        a, b, c = arguments
        if _has_fma(context):
            return builder.fma(a, b, c)
        return builder.fadd(builder.fmul(a, b), c)

    return (a(a, a, a), build) if a == b == c else None


@intrinsic
def plus(typing, a, b):
    """``a + b``, where a loop of such sums may be taken in another order, in several partial sums at once."""

    def build(context, builder, signature, arguments):
        return builder.fadd(*arguments, flags=("reassoc", "nsz"))

    return (a(a, a), build) if a == b else None
