"""Discrete Fourier transforms.

All are linear, so the rule is the adjoint map. With ``n`` points along the axis and no scaling of the
forward transform ("backward"), the adjoint of ``fft`` is ``n ifft``; the other scalings exchange names.
The transforms over several axes are compositions of those over one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat

from learnkit.autodiff.primitive import Primitive
from learnkit.autodiff.rules.complex import to_dtype
from learnkit.autodiff.tape import Node
from learnkit.backends.base import Array

__all__ = ["COMPOSED", "FOURIER"]

Parents = tuple[Node | None, ...]

#: The scaling whose forward transform is the adjoint of a backward one with the given scaling.
_ADJOINT = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _resized(xp: Any, x: Array, n: int, axis: int) -> Array:
    """``x`` cut or padded with zeros to ``n`` entries along ``axis``."""
    have = x.shape[axis]
    if have > n:
        return x[(*(slice(None),) * axis, slice(0, n), ...)]
    if have < n:
        shape = tuple(n - have if i == axis else s for i, s in enumerate(x.shape))
        zeros = xp.zeros(shape, dtype=x.dtype, device=array_api_compat.device(x))
        return xp.concat([x, zeros], axis=axis)
    return x


def _complex_transform(name: str, inverse: str) -> Primitive:
    """``fft`` or ``ifft``; each is the other's adjoint up to scaling."""

    def forward(
        xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
    ) -> tuple[Array, Any]:
        along = axis % len(x.shape)
        y = getattr(xp.fft, name)(x, n=n, axis=axis, norm=norm)
        return y, (x.shape[along], along, norm, x.dtype)

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
        n, along, norm, dtype = saved
        back = getattr(xp.fft, inverse)(g, axis=along, norm=_ADJOINT[norm])
        return (to_dtype(xp, _resized(xp, back, n, along), dtype),)

    made = Primitive(forward, name)
    made.rule(backward)
    return made


def _rfft() -> Primitive:
    """The first half of the transform of real input; the rest is its conjugate and is left out."""

    def forward(
        xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
    ) -> tuple[Array, Any]:
        along = axis % len(x.shape)
        y = xp.fft.rfft(x, n=n, axis=axis, norm=norm)
        return y, (x.shape[along], x.shape[along] if n is None else n, along, norm, x.dtype)

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
        have, n, along, norm, dtype = saved
        whole = xp.fft.ifft(_resized(xp, g, n, along), axis=along, norm=_ADJOINT[norm])
        return (to_dtype(xp, _resized(xp, whole, have, along), dtype),)

    made = Primitive(forward, "rfft")
    made.rule(backward)
    return made


def _irfft() -> Primitive:
    """Real output from the first half of a transform whose rest is its conjugate."""

    def forward(
        xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
    ) -> tuple[Array, Any]:
        along = axis % len(x.shape)
        y = xp.fft.irfft(x, n=n, axis=axis, norm=norm)
        return y, (x.shape[along], along, norm, x.dtype)

    def backward(xp: Any, g: Array, saved: Any, parents: Parents) -> tuple[Array]:
        have, along, norm, dtype = saved
        n = g.shape[along]
        half = xp.fft.rfft(g, axis=along, norm=_ADJOINT[norm])
        # Every entry but the first, and the last of an even length, stands for its conjugate too.
        m = half.shape[along]
        twice = xp.arange(m, dtype=g.dtype, device=array_api_compat.device(g))
        doubled = xp.logical_and(xp.greater(twice, 0), xp.less(twice, n / 2))
        weight = xp.where(doubled, xp.full_like(twice, 2.0), xp.full_like(twice, 1.0))
        weight = xp.reshape(weight, tuple(m if i == along else 1 for i in range(len(g.shape))))
        weighted = xp.multiply(half, to_dtype(xp, weight, half.dtype))
        return (to_dtype(xp, _resized(xp, weighted, have, along), dtype),)

    made = Primitive(forward, "irfft")
    made.rule(backward)
    return made


FOURIER: dict[str, Primitive] = {
    "fft": _complex_transform("fft", "ifft"),
    "ifft": _complex_transform("ifft", "fft"),
    "irfft": _irfft(),
    "rfft": _rfft(),
}


def _plan(x: Array, s: Any, axes: Any) -> list[tuple[int, int | None]]:
    """``(axis, length)`` of each one-dimensional transform."""
    if axes is None:
        count = len(x.shape) if s is None else len(s)
        axes = tuple(range(len(x.shape) - count, len(x.shape)))
    lengths = [None] * len(axes) if s is None else list(s)
    return list(zip(axes, lengths, strict=True))


def _over_axes(one: str) -> Callable[..., Array]:
    def transform(xp: Any, x: Array, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Array:
        for axis, n in _plan(x, s, axes):
            x = getattr(xp.fft, one)(x, n=n, axis=axis, norm=norm)
        return x

    transform.__doc__ = f"``{one}`` over several axes."
    return transform


def rfftn(xp: Any, x: Array, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Array:
    """``rfft`` over the last axis, ``fft`` over the others."""
    *others, (axis, n) = _plan(x, s, axes)
    x = xp.fft.rfft(x, n=n, axis=axis, norm=norm)
    for axis, n in others:
        x = xp.fft.fft(x, n=n, axis=axis, norm=norm)
    return x


def irfftn(xp: Any, x: Array, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Array:
    """``ifft`` over all axes but the last, ``irfft`` over that."""
    *others, (axis, n) = _plan(x, s, axes)
    for other, length in others:
        x = xp.fft.ifft(x, n=length, axis=other, norm=norm)
    return xp.fft.irfft(x, n=n, axis=axis, norm=norm)


_SWAP = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def hfft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """The transform of a signal with Hermitian symmetry: ``irfft`` of the conjugate, scaled the other way."""
    return xp.fft.irfft(xp.conj(x), n=n, axis=axis, norm=_SWAP[norm])


def ihfft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """The inverse of ``hfft``: the conjugate of ``rfft``, scaled the other way."""
    return xp.conj(xp.fft.rfft(x, n=n, axis=axis, norm=_SWAP[norm]))


def _shift(sign: int) -> Callable[..., Array]:
    def shift(xp: Any, x: Array, /, *, axes: Any = None) -> Array:
        chosen = tuple(range(len(x.shape))) if axes is None else (axes,) if isinstance(axes, int) else axes
        steps = tuple(x.shape[a] // 2 if sign > 0 else -(x.shape[a] // 2) for a in chosen)
        return xp.roll(x, steps, axis=chosen)

    shift.__doc__ = "Move the zero frequency to the middle." if sign > 0 else "Undo ``fftshift``."
    return shift


#: Written in differentiable functions.
COMPOSED: dict[str, Callable[..., Array]] = {
    "fftn": _over_axes("fft"),
    "fftshift": _shift(1),
    "hfft": hfft,
    "ifftn": _over_axes("ifft"),
    "ifftshift": _shift(-1),
    "ihfft": ihfft,
    "irfftn": irfftn,
    "rfftn": rfftn,
}
