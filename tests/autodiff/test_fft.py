"""Discrete Fourier transforms: every length, axis and scaling, of real and complex input."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit.autodiff import vjp
from learnkit.backends import array_namespace

rng = np.random.default_rng(17)

NORMS = ("backward", "ortho", "forward")


def normal(*shape):
    return rng.normal(size=shape)


def twisted(*shape):
    """Complex normal numbers."""
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def one(name, x, **options):
    label = " ".join(f"{k}={v}" for k, v in options.items())
    return {f"{name} {x.shape} {label}": (lambda xp, x: getattr(xp.fft, name)(x, **options), x)}


def of_one_axis(name, made):
    """Odd and even lengths, cut, padded and as they are, each scaling, both kinds of axis."""
    rows = {}
    for length in (3, 4):
        for n in (None, 2, 3, 5, 6):
            rows |= one(name, made(length), n=n)
    for norm in NORMS:
        rows |= one(name, made(4), norm=norm)
        rows |= one(name, made(3, 2), axis=0, n=4, norm=norm)
        rows |= one(name, made(2, 3), axis=-1, n=5, norm=norm)
    rows |= one(name, made(2, 3, 2), axis=1)
    rows |= one(name, made(2, 3, 2), axis=-2, n=2)
    return rows


def of_axes(name, made):
    rows = {}
    for norm in NORMS:
        rows |= one(name, made(2, 3), norm=norm)
    rows |= one(name, made(2, 2, 2))
    rows |= one(name, made(2, 2, 3), axes=(0, 2))
    rows |= one(name, made(2, 3), axes=(1, 0), norm="ortho")
    rows |= one(name, made(3, 2), axes=(-2,))
    rows |= one(name, made(2, 3), s=(3, 2), axes=(0, 1))
    rows |= one(name, made(2, 3, 2), s=(2, 4), axes=(1, 2), norm="forward")
    return rows


def shifted(name):
    rows = {}
    rows |= one(name, normal(4))
    rows |= one(name, normal(3, 2))
    rows |= one(name, normal(2, 3), axes=1)
    rows |= one(name, normal(2, 3, 2), axes=(0, -2))
    rows |= one(name, twisted(5))
    return rows


CASES = {
    **of_one_axis("fft", twisted),
    **of_one_axis("ifft", twisted),
    **of_one_axis("rfft", normal),
    **of_one_axis("irfft", twisted),
    **of_one_axis("hfft", twisted),
    **of_one_axis("ihfft", normal),
    **of_axes("fftn", twisted),
    **of_axes("ifftn", twisted),
    **of_axes("rfftn", normal),
    **of_axes("irfftn", twisted),
    **shifted("fftshift"),
    **shifted("ifftshift"),
    "fft and back": (lambda xp, x: xp.fft.ifft(xp.fft.fft(x) ** 2), twisted(4)),
    "rfft and back": (lambda xp, x: xp.fft.irfft(xp.fft.rfft(x) ** 2, n=5), normal(5)),
    "fft of one": (lambda xp, x: xp.fft.fft(x), twisted(1)),
    "irfft to one": (lambda xp, x: xp.fft.irfft(x, n=1), twisted(2)),
}

#: One of each function and scaling, for the second order and the other libraries.
GROUPS: dict[str, list[str]] = {}
for _row in CASES:
    GROUPS.setdefault(_row.split()[0], []).append(_row)


@pytest.mark.parametrize("name", GROUPS)
def test_gradient_agrees_with_differences(name, check_row):
    """Within 1e-6 relative of central differences, for every row; the second order for every fifth."""
    for i, row in enumerate(GROUPS[name]):
        check_row(CASES[row], order=2 if i % 5 == 0 else 1)


@pytest.mark.parametrize("name", GROUPS)
def test_gradient_on_every_backend(backend, name, same_as_numpy):
    """Values and gradients elsewhere are those of NumPy, at home, in double and single precision."""
    for row in GROUPS[name]:
        same_as_numpy(backend, CASES[row])


@pytest.mark.parametrize("row", [r for r in CASES if r.split()[0] in ("fft", "ifft", "fftn", "ifftn")])
def test_the_transforms_are_their_adjoints(row):
    """``Re <g, F x> = Re <F* g, x>``: the pull-back of a linear map is its adjoint, to rounding."""
    fn, x = CASES[row]
    if "back" in row.split():
        return
    value, pullback = vjp(lambda x: fn(array_namespace(x), x), x)
    g = twisted(*value.shape)
    (back,) = pullback(g)
    np.testing.assert_allclose(np.vdot(g, value).real, np.vdot(back, x).real, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["fft", "ifft", "fftn", "ifftn"])
def test_real_input_of_complex_transforms(backend, name, same_as_numpy):
    """Where a library takes it, a real array has a real gradient."""
    if backend.name == "strict":
        pytest.skip("the standard has complex input only")
    same_as_numpy(backend, (lambda xp, x: getattr(xp.fft, name)(x), normal(2, 3)))
