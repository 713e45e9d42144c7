"""The rest of the standard: what is composed of other functions, reading and writing, and options.

The elementary functions are in ``test_rules.py``; one row of ``CASES`` a case, as there.
"""

from __future__ import annotations

import numpy as np
import pytest

from learnkit.autodiff import check_grads, custom_vjp, grad, vjp
from learnkit.backends import array_namespace

rng = np.random.default_rng(11)


def normal(*shape):
    return rng.normal(size=shape)


def between(low, high, *shape):
    return rng.uniform(low, high, size=shape)


def spread(*shape):
    """Values at least 0.1 apart from each other and from 0, in random order."""
    n = int(np.prod(shape))
    steps = 0.2 * (np.arange(n) - n // 2) + 0.1
    return (rng.permutation(steps) + between(-0.03, 0.03, n)).reshape(shape)


def integers(x, values):
    """An index array beside ``x``."""
    xp = array_namespace(x)
    return xp.asarray(values, dtype=xp.int64, device=x.device)


def mask(x, values):
    xp = array_namespace(x)
    return xp.asarray(values, dtype=xp.bool, device=x.device)


def reading(label, key, shape=(3, 4)):
    return {f"getitem {label}": (lambda xp, x: x[key(x) if callable(key) else key], normal(*shape))}


def writing(label, key, shape, value_shape):
    """``x[key] = v`` with both, only the array, only the value on the tape."""

    def assign(x, v):
        x[key(x) if callable(key) else key] = v
        return x

    def constant(xp, x):
        fixed = np.sin(1.0 + np.arange(int(np.prod(value_shape)))).reshape(value_shape)
        return assign(x * x, xp.asarray(fixed, dtype=x.dtype, device=x.device))

    return {
        f"setitem {label}": (
            lambda xp, x, v: assign(x * x, v * v) * assign(xp.sin(x), v),
            normal(*shape),
            normal(*value_shape),
        ),
        f"setitem {label}, constant value": (constant, normal(*shape)),
        f"setitem {label}, constant array": (
            lambda xp, v: assign(xp.ones(shape, dtype=v.dtype, device=v.device), v * v),
            normal(*value_shape),
        ),
    }


def reduction(name, x, axes, **options):
    return {
        f"{name} {label}{axis} {keep or ''} {options or ''}".rstrip(): (
            lambda xp, x, axis=axis, keep=keep: getattr(xp, name)(x, axis=axis, keepdims=keep, **options),
            x,
        )
        for axis in axes
        for keep in (False, True)
        for label in ("",)
    }


def with_zeros(*shape):
    """Data with one zero, two zeros and none in its lines."""
    x = between(0.4, 1.6, *shape) * rng.choice([-1.0, 1.0], size=shape)
    x[0, 0] = 0.0
    x[1, :2] = 0.0
    return x


AXES = (None, 0, 1, -1, -2, (0, 2), (-1, 0), (0, 1, 2), ())

ELEMENTWISE = {
    "clip numbers": (lambda xp, x: xp.clip(x * x, 0.3, 0.9), spread(7)),
    "clip low number": (lambda xp, x: xp.clip(x, -0.4), spread(7)),
    "clip high number": (lambda xp, x: xp.clip(x, None, 0.4), spread(7)),
    "clip named": (lambda xp, x: xp.clip(x, max=0.4, min=-0.2), spread(7)),
    "clip neither": (lambda xp, x: xp.clip(x * x), spread(3)),
    "clip arrays": (
        lambda xp, x, low, high: xp.clip(x, low, high),
        spread(2, 3),
        np.full((2, 3), -0.31) + 0.01 * normal(2, 3),
        np.full((2, 3), 0.33) + 0.01 * normal(2, 3),
    ),
    "clip broadcast bounds": (
        lambda xp, x, low, high: xp.clip(x, low, high),
        spread(2, 3),
        np.asarray([[-0.31], [-0.12]]),
        np.asarray(0.34),
    ),
    "clip array and number": (lambda xp, x, low: xp.clip(x, low, 0.4), spread(4), np.full(4, -0.22)),
    "clip constant, bounds on the tape": (
        lambda xp, low: xp.clip(xp.asarray([-1.0, 0.0, 1.0], dtype=low.dtype, device=low.device), low, 0.5),
        np.asarray([-0.5, -0.4, -0.3]),
    ),
    "copysign": (lambda xp, a, b: xp.copysign(a, b), spread(2, 3), spread(2, 3)),
    "copysign broadcast": (lambda xp, a, b: xp.copysign(a, b), spread(2, 1), spread(3)),
    "copysign of a number": (lambda xp, b: xp.copysign(2.0, b) * b, spread(4)),
    "copysign with a number": (lambda xp, a: xp.copysign(a, -2.0), spread(4)),
    "sign": (lambda xp, x: xp.sign(x) * x * x, spread(4)),
    "square": (lambda xp, x: xp.square(x), normal(2, 2)),
    "hypot both numbers": (
        lambda xp, x: xp.hypot(x, -0.7) + xp.hypot(0.4, x) + xp.hypot(x, x),
        normal(4),
    ),
    "atan2 quadrants": (
        lambda xp, a, b: xp.atan2(a, b),
        np.asarray([1.0, 1.0, -1.0, -1.0, 0.0, 1.0]),
        np.asarray([0.5, -0.5, 0.5, -0.5, 2.0, 0.0]),
    ),
    "logaddexp far apart": (
        lambda xp, a, b: xp.logaddexp(a, b),
        np.asarray([9.0, -6.0, 0.0]),
        np.asarray([-9.0, -5.0, 4.0]),
    ),
    "pow of zero": (lambda xp, x: xp.pow(x, 3.0) + xp.pow(x, 1.0), np.asarray([0.0, 1.5])),
    "pow with itself": (lambda xp, x: xp.pow(x, x), between(0.4, 2.0, 3)),
    "remainder operator": (lambda xp, x, y: x % y, np.asarray([5.3, -5.3]), np.asarray([2.0, -2.0])),
    "reciprocal of negatives": (lambda xp, x: xp.reciprocal(x), -between(0.4, 2.0, 3)),
    "conj of real": (lambda xp, x: xp.real(x) * x, normal(3)),
    "asarray": (lambda xp, x: xp.asarray([x[0] * x[1], [x[1]][0], x[0]]), normal(2)),
    "asarray copy": (lambda xp, x: xp.asarray(x * x, copy=True), normal(2)),
    "asarray dtype": (lambda xp, x: xp.asarray(x * x, dtype=xp.float64), normal(2)),
}

REDUCTIONS = {
    row: case
    for name in ("sum", "mean", "var", "std")
    for row, case in reduction(name, normal(2, 2, 2), AXES[:-1]).items()
}
REDUCTIONS |= {
    row: case for name in ("max", "min") for row, case in reduction(name, spread(2, 2, 2), AXES[:-1]).items()
}
REDUCTIONS |= reduction("prod", with_zeros(2, 2, 2), AXES)
REDUCTIONS |= {
    "sum no axes": (lambda xp, x: xp.sum(x, axis=()), normal(2, 2)),
    "var half correction": (lambda xp, x: xp.var(x, correction=0.5), normal(4)),
    "std correction tuple": (lambda xp, x: xp.std(x, axis=(0, 1), correction=1), normal(2, 3)),
    "prod three": (lambda xp, x: xp.prod(x), np.asarray([2.0, 0.0, 3.0])),
    "prod two zeros": (lambda xp, x: xp.prod(x), np.asarray([0.0, 0.5, 0.0])),
    "prod three zeros": (lambda xp, x: xp.prod(x, axis=0), np.zeros((3, 1))),
    "prod five": (lambda xp, x: xp.prod(x, axis=1), normal(2, 5)),
    "prod one": (lambda xp, x: xp.prod(x), normal(1)),
    "prod 0-d": (lambda xp, x: xp.prod(x) * x, normal()),
    "prod dtype": (lambda xp, x: xp.prod(x, dtype=xp.float64), normal(3)),
    "cumulative_prod": (lambda xp, x: xp.cumulative_prod(x), normal(5)),
    "cumulative_prod zeros": (lambda xp, x: xp.cumulative_prod(x), np.asarray([2.0, 0.0, 3.0, 0.0, 1.5])),
    "cumulative_prod axis 0": (lambda xp, x: xp.cumulative_prod(x, axis=0), with_zeros(3, 2)),
    "cumulative_prod axis -1": (lambda xp, x: xp.cumulative_prod(x, axis=-1), with_zeros(2, 3)),
    "cumulative_prod initial": (
        lambda xp, x: xp.cumulative_prod(x, axis=1, include_initial=True),
        with_zeros(2, 3),
    ),
    "cumulative_prod dtype": (lambda xp, x: xp.cumulative_prod(x, dtype=xp.float64), normal(2)),
    "cumulative_prod one": (lambda xp, x: xp.cumulative_prod(x), normal(1)),
    "cumulative_sum dtype": (lambda xp, x: xp.cumulative_sum(x, dtype=xp.float64), normal(3)),
    "cumulative_sum initial last": (
        lambda xp, x: xp.cumulative_sum(x, axis=-1, include_initial=True),
        normal(2, 2),
    ),
}

PRODUCTS = {
    "tensordot": (lambda xp, a, b: xp.tensordot(a, b), normal(2, 2, 3), normal(2, 3, 2)),
    "tensordot one axis": (lambda xp, a, b: xp.tensordot(a, b, axes=1), normal(2, 3), normal(3, 2)),
    "tensordot no axes": (lambda xp, a, b: xp.tensordot(a, b, axes=0), normal(2), normal(3)),
    "tensordot pairs": (
        lambda xp, a, b: xp.tensordot(a, b, axes=((0, -1), (1, 0))),
        normal(2, 2, 3),
        normal(3, 2, 2),
    ),
    "vecdot": (lambda xp, a, b: xp.vecdot(a, b), normal(3), normal(3)),
    "vecdot axis": (lambda xp, a, b: xp.vecdot(a, b, axis=-2), normal(2, 3, 2), normal(3, 2)),
    "vecdot broadcast": (lambda xp, a, b: xp.vecdot(a, b), normal(2, 3), normal(3)),
    "matmul operators": (lambda xp, a, b: a @ b, normal(2, 3), normal(3)),
    "matrix_transpose batch": (lambda xp, x: xp.matrix_transpose(x), normal(2, 1, 3)),
}

STRUCTURE = {
    "broadcast_arrays": (lambda xp, a, b: xp.broadcast_arrays(a, b), normal(2, 1), normal(3)),
    "broadcast_arrays three": (
        lambda xp, a, b, c: xp.broadcast_arrays(a, b, c),
        normal(),
        normal(2, 1),
        normal(1, 2),
    ),
    "broadcast_arrays one": (lambda xp, a: xp.broadcast_arrays(a), normal(2)),
    "broadcast_to new axes": (lambda xp, x: xp.broadcast_to(x, (2, 2, 3)), normal(2, 1)),
    "concat three": (
        lambda xp, a, b, c: xp.concat([a, b, c], axis=1),
        normal(2, 1),
        normal(2, 2),
        normal(2, 1),
    ),
    "expand_dims tuple": (lambda xp, x: xp.expand_dims(x, axis=-2), normal(2, 2)),
    "flip axes": (lambda xp, x: xp.flip(x, axis=(0, -1)), normal(2, 2, 2)),
    "moveaxis": (lambda xp, x: xp.moveaxis(x, 0, -1), normal(2, 3, 2)),
    "moveaxis several": (lambda xp, x: xp.moveaxis(x, (0, -1), (-1, 0)), normal(2, 3, 2)),
    "permute_dims": (lambda xp, x: xp.permute_dims(x, (1, 2, 0)), normal(2, 3, 2)),
    "repeat": (lambda xp, x: xp.repeat(x, 2), normal(2, 2)),
    "repeat axis": (lambda xp, x: xp.repeat(x, 3, axis=-1), normal(2, 2)),
    "repeat counts": (lambda xp, x: xp.repeat(x, integers(x, [0, 3, 1]), axis=0), normal(3, 2)),
    "reshape": (lambda xp, x: xp.reshape(x, (-1,)), normal(2, 2)),
    "reshape copy": (lambda xp, x: xp.reshape(x, (3, 2), copy=True), normal(2, 3)),
    "roll": (lambda xp, x: xp.roll(x, 2), normal(2, 3)),
    "roll axis": (lambda xp, x: xp.roll(x, -1, axis=1), normal(2, 3)),
    "roll axes": (lambda xp, x: xp.roll(x, (1, -4), axis=(0, -1)), normal(2, 3)),
    "roll one shift": (lambda xp, x: xp.roll(x, 1, axis=(0, 1)), normal(2, 3)),
    "roll all the way": (lambda xp, x: xp.roll(x, 3, axis=1), normal(2, 3)),
    "squeeze": (lambda xp, x: xp.squeeze(x, axis=-1), normal(2, 1)),
    "stack three": (lambda xp, a, b: xp.stack([a, b, a], axis=1), normal(2, 2), normal(2, 2)),
    "tile": (lambda xp, x: xp.tile(x, (2, 2)), normal(1, 3)),
    "tile fewer": (lambda xp, x: xp.tile(x, (2,)), normal(2, 2)),
    "tile more": (lambda xp, x: xp.tile(x, (2, 1, 2)), normal(2)),
    "unstack": (lambda xp, x: xp.unstack(x), normal(2, 2)),
    "unstack axis": (lambda xp, x: xp.unstack(x, axis=-1)[1:], normal(2, 3)),
    "tril": (lambda xp, x: xp.tril(x), normal(3, 3)),
    "tril below": (lambda xp, x: xp.tril(x, k=-1), normal(2, 3, 2)),
    "triu": (lambda xp, x: xp.triu(x), normal(2, 3)),
    "triu above": (lambda xp, x: xp.triu(x, k=1), normal(2, 2, 2)),
    "meshgrid": (lambda xp, a, b: xp.meshgrid(a, b), normal(2), normal(3)),
    "meshgrid ij": (lambda xp, a, b: xp.meshgrid(a, b, indexing="ij"), normal(2), normal(3)),
    "meshgrid three": (lambda xp, a, b, c: xp.meshgrid(a, b, c), normal(2), normal(3), normal(2)),
    "meshgrid one": (lambda xp, a: xp.meshgrid(a), normal(3)),
    "diff": (lambda xp, x: xp.diff(x), normal(4)),
    "diff twice": (lambda xp, x: xp.diff(x, n=2, axis=0), normal(4, 2)),
    "diff zero times": (lambda xp, x: xp.diff(x, n=0), normal(3)),
    "diff more": (
        lambda xp, x, a, b: xp.diff(x, axis=-1, prepend=a, append=b),
        normal(2, 2),
        normal(2, 1),
        normal(2, 2),
    ),
    "sort": (lambda xp, x: xp.sort(x), spread(2, 3)),
    "sort axis": (lambda xp, x: xp.sort(x, axis=0, descending=True), spread(3, 2)),
    "sort unstable": (lambda xp, x: xp.sort(x, axis=1, stable=False), spread(1, 4)),
    "where three": (
        lambda xp, a, b: xp.where(mask(a, [[True, False, True]]), a, b),
        normal(2, 1),
        normal(3),
    ),
    "where scalars": (lambda xp, a: xp.where(mask(a, [True, False]), a, 2.0), normal(2)),
    "astype copy": (lambda xp, x: xp.astype(x, xp.float64, copy=True), normal(2)),
}

INDEXING = {
    "take no axis": (lambda xp, x: xp.take(x, integers(x, [2, 0, -1, 2])), normal(3)),
    "take nothing": (lambda xp, x: xp.concat([xp.take(x, integers(x, []), axis=1), x], axis=1), normal(2, 2)),
    "take last axis": (lambda xp, x: xp.take(x, integers(x, [1, 1]), axis=-1), normal(2, 1, 2)),
    "take_along_axis default": (
        lambda xp, x: xp.take_along_axis(x, integers(x, [[0, -1, 0]] * 2)),
        normal(2, 3),
    ),
    "take_along_axis broadcast": (
        lambda xp, x: xp.take_along_axis(x, integers(x, [[1], [0], [1]]), axis=0),
        normal(2, 3)[:, :1],
    ),
    "take_along_axis indices broadcast": (
        lambda xp, x: xp.take_along_axis(x, integers(x, [[[0], [1]]]), axis=1),
        normal(2, 3, 2),
    ),
    "take_along_axis both broadcast": (
        lambda xp, x: xp.take_along_axis(x, integers(x, [[[0], [1]]]), axis=1),
        normal(2, 3, 1),
    ),
    "take_along_axis three": (
        lambda xp, x: xp.take_along_axis(x, integers(x, [[[1, 0]], [[0, 0]]]), axis=1),
        normal(2, 2, 2),
    ),
    **reading("one row", 1),
    **reading("number from the end", (-1, -2)),
    **reading("everything", ...),
    **reading("empty key", ()),
    **reading("step", (slice(None, None, 2), slice(1, None, 2))),
    **reading("beyond the end", (slice(1, 10), slice(-10, 2))),
    **reading("ellipsis in the middle", (0, ..., slice(1, 3)), (2, 2, 3)),
    **reading("new axes", (None, ..., None, 0)),
    **reading("integer array", lambda x: integers(x, [1, 0, 1, -1])),
    **reading("two integer arrays", lambda x: (integers(x, [1, 0, 1]), integers(x, [-1, 2, -1]))),
    **reading("integer arrays broadcast", lambda x: (integers(x, [[1], [0]]), integers(x, [0, 0, 3]))),
    **reading("integer array and number", lambda x: (integers(x, [1, 2, 2]), 1)),
    **reading(
        "integer array of three axes", lambda x: (integers(x, [[1, 1]]), integers(x, [[0, 1]]), 0), (2, 2, 2)
    ),
}

MIXED = {
    **reading("integer array and slice", lambda x: (integers(x, [1, 1]), slice(1, 3))),
    **reading("slice and integer array", lambda x: (slice(1, 3), integers(x, [1, 1, 0]))),
    **reading(
        "integer arrays around a slice",
        lambda x: (integers(x, [1, 0]), slice(None), integers(x, [0, 0])),
        (2, 2, 2),
    ),
    **reading("new axis and integer array", lambda x: (None, integers(x, [1, 0]))),
}

MASKS = {
    **reading("mask", lambda x: mask(x, [[True, False], [True, True]]), (2, 2)),
    **reading("mask of rows", lambda x: mask(x, [True, False, True]), (3, 2)),
    **reading("comparison", lambda x: x > 0.0),
    "getitem mask of none": (lambda xp, x: xp.concat([x[mask(x, [False] * 3)], x]), normal(3)),
    **writing("mask", lambda x: mask(x, [True, False, True]), (3,), ()),
    **writing("mask with values", lambda x: mask(x, [True, False, True]), (3,), (2,)),
}

WRITING = {
    **writing("slice", slice(1, 3), (4,), (2,)),
    **writing("slice broadcast", (slice(None), slice(0, 2)), (2, 3), (2, 1)),
    **writing("slice one number", (slice(0, 1), ...), (2, 2), ()),
    **writing("number", (1, 0), (2, 2), ()),
    **writing("step backwards", slice(None, None, 2), (5,), (3,)),
    **writing("everything", ..., (2, 2), (2,)),
    "setitem twice": (
        lambda xp, x, v: _twice(x * 1.0, v),
        normal(3),
        normal(2),
    ),
    "setitem python number": (lambda xp, x: _assigned(x * x, (0, ...), 2.0) * x, normal(2, 2)),
    "setitem itself": (lambda xp, x: _assigned(x * x, slice(0, 2), x[1:]), normal(3)),
}
WRITING_ARRAYS = {
    **writing("integer array", lambda x: integers(x, [2, 0]), (3,), (2,)),
    **writing("integer array of rows", lambda x: integers(x, [-1, 0]), (3, 2), (2,)),
    **writing("integer arrays", lambda x: (integers(x, [1, 0]), integers(x, [0, -1])), (2, 2), (2,)),
}


def drawn(x):
    """The same value several times over, by arithmetic that keeps it exactly equal."""
    xp = array_namespace(x)
    return xp.concat([x, xp.flip(x[1:])])


UNIQUE = {
    "unique_values": (lambda xp, x: xp.unique_values(drawn(x)), spread(4)),
    "unique_values of none": (lambda xp, x: xp.concat([xp.unique_values(x[:0]), x]), spread(2)),
    "unique_values of a matrix": (lambda xp, x: xp.unique_values(x * x), spread(2, 3) + 3.0),
    "unique_counts": (
        lambda xp, x: (lambda u: u.values * xp.astype(u.counts, x.dtype))(xp.unique_counts(drawn(x))),
        spread(3),
    ),
    "unique_inverse": (
        lambda xp, x: (lambda u: xp.take(u.values, xp.reshape(u.inverse_indices, (-1,))))(
            xp.unique_inverse(drawn(x))
        ),
        spread(3),
    ),
}
#: Not in array-api-compat over torch.
UNIQUE_ALL = {
    "unique_all": (
        lambda xp, x: (lambda u: (u.values, xp.take(drawn(x), u.indices)))(xp.unique_all(drawn(x))),
        spread(3),
    ),
}


def _assigned(x, key, value):
    x[key] = value
    return x


def _twice(x, v):
    x[0:2] = v
    x[1:3] = v * x[1:3]
    return x


CASES = {
    **ELEMENTWISE,
    **REDUCTIONS,
    **PRODUCTS,
    **STRUCTURE,
    **INDEXING,
    **MIXED,
    **MASKS,
    **WRITING,
    **WRITING_ARRAYS,
    **UNIQUE,
    **UNIQUE_ALL,
}

#: What array-api-strict leaves out because the standard does, or because its shape depends on data.
NOT_STRICT = {
    *MIXED,
    *MASKS,
    *WRITING_ARRAYS,
    *UNIQUE,
    *UNIQUE_ALL,
    "getitem one row",
    "getitem empty key",
    "getitem integer array",
    "getitem beyond the end",
    "repeat counts",
}


def by_function(cases):
    groups = {}
    for row in cases:
        groups.setdefault(row.split()[0], []).append(row)
    return groups


GROUPS = by_function(CASES)


@pytest.mark.parametrize("row", CASES)
def test_gradient_and_its_gradient_agree_with_differences(row, check_row):
    """Within 1e-6 relative of central differences in float64, and so is the derivative of the gradient."""
    check_row(CASES[row])


@pytest.mark.parametrize("name", GROUPS)
def test_gradient_on_every_backend(backend, name, same_as_numpy):
    """Values and gradients elsewhere are those of NumPy, at home, in float64 and float32."""
    for row in GROUPS[name]:
        if row in {"strict": NOT_STRICT, "torch": UNIQUE_ALL}.get(backend.name, ()):
            continue
        if "dtype" in row or row.startswith("astype"):
            same_as_numpy(backend, CASES[row], dtypes=("float64",))
        else:
            same_as_numpy(backend, CASES[row])


PROMOTED = {
    "add": lambda xp, a, b: xp.add(a, b),
    "multiply": lambda xp, a, b: xp.multiply(a, b),
    "pow": lambda xp, a, b: xp.pow(a, b),
    "atan2": lambda xp, a, b: xp.atan2(a, b),
    "copysign": lambda xp, a, b: xp.copysign(a, b),
    "logaddexp": lambda xp, a, b: xp.logaddexp(a, b),
    "hypot": lambda xp, a, b: xp.hypot(a, b),
    "maximum": lambda xp, a, b: xp.maximum(a, b),
    "remainder": lambda xp, a, b: xp.remainder(a, b),
    "diff": lambda xp, a, b: xp.diff(a, append=b),
    "where": lambda xp, a, b: xp.where(a > b, a, b),
    "concat": lambda xp, a, b: xp.concat([a, b], axis=1),
    "stack": lambda xp, a, b: xp.stack([a, b], axis=-1),
    "matmul": lambda xp, a, b: xp.matmul(a, b),
    "vecdot": lambda xp, a, b: xp.vecdot(a, b),
    "tensordot": lambda xp, a, b: xp.tensordot(a, b),
    "outer": lambda xp, a, b: xp.linalg.outer(a[0, :], b[0, :]),
    "cross": lambda xp, a, b: xp.linalg.cross(xp.tile(a, (1, 2))[:, :3], xp.tile(b, (1, 2))[:, :3]),
    "solve": lambda xp, a, b: xp.linalg.solve(a, b),
    "sum to another dtype": lambda xp, a, b: xp.sum(a, dtype=xp.float64) * xp.sum(b),
    "prod to another dtype": lambda xp, a, b: xp.prod(a, dtype=xp.float64) * xp.sum(b),
}


REAL_ONLY = {"atan2", "copysign", "hypot", "logaddexp", "maximum", "remainder", "where"}
REAL_ONLY |= {"sum to another dtype", "prod to another dtype"}


@pytest.mark.parametrize("name", PROMOTED)
def test_gradients_of_promoted_operands_keep_their_dtype(name):
    """Of float32 and float64, and of complex and real operands, on the way back to a node as to a leaf."""
    fn = PROMOTED[name]
    a, b = np.asarray([[1.5, 0.5], [0.25, 2.0]]), np.asarray([[0.5, 1.0], [1.5, 0.75]])
    pairs = [(a.astype(np.float32), b)]
    if name not in REAL_ONLY:
        pairs += [(a, b + 0.5j), (a + 0.25j, b)]
    for x, y in pairs:
        xp = array_namespace(x, y)
        assert vjp(lambda x, y: fn(array_namespace(x), x, y), x, y)[0].dtype == fn(xp, x, y).dtype

        def loss(x, y, weight=0.5 - 1.0j):
            xp = array_namespace(x, y)
            x, y = watched(x), watched(y)
            z = xp.sum(fn(xp, x, y))
            return xp.real(z * weight) if z.dtype == xp.complex128 else z

        if x.dtype != np.float32:
            check_grads(lambda r, loss=loss, x=x, y=y: loss(r * x, r * y), np.asarray(1.25), order=2)
        for g, argument in zip(grad(loss, (0, 1))(x, y), (x, y), strict=True):
            assert g.dtype == argument.dtype


@custom_vjp
def watched(x):
    return x * 1.0


@watched.rule
def _(g, value, x):
    """A gradient in another dtype than its array would be promoted further on, or lose a part."""
    assert g.dtype == x.dtype
    return g * 1.0
