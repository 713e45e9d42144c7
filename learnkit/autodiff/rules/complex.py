"""Complex numbers in gradients.

The gradient of a real loss with respect to a complex array z = a + i b is dL/da + i dL/db, as in
PyTorch, so that ``z - lr * gradient`` descends. The rule of a holomorphic function is then the product
with the *conjugate* of its derivative, and what arrives at a real array is the real part.
"""

from __future__ import annotations

from typing import Any

from learnkit.backends.base import Array, array_namespace

__all__ = ["conjugate", "hermitian", "is_complex", "to_dtype"]

#: By type and dtype: dtypes of two libraries are not compared with each other.
_complex: dict[tuple[type, Any], bool] = {}


def _is_complex_dtype(x: Array, dtype: Any) -> bool:
    key = (type(dtype), dtype)
    found = _complex.get(key)
    if found is None:
        found = _complex[key] = bool(array_namespace(x).isdtype(dtype, "complex floating"))
    return found


def is_complex(x: Array) -> bool:
    """Whether ``x`` has a complex dtype."""
    return _is_complex_dtype(x, x.dtype)


def conjugate(xp: Any, x: Any) -> Any:
    """The conjugate; a real array or number is returned as it is."""
    if type(x) is complex:
        return x.conjugate()
    return xp.conj(x) if hasattr(x, "dtype") and is_complex(x) else x


def hermitian(xp: Any, a: Array) -> Array:
    """The conjugate transpose of matrices."""
    transposed = xp.matrix_transpose(a)
    return xp.conj(transposed) if is_complex(a) else transposed


def to_dtype(xp: Any, x: Array, dtype: Any) -> Array:
    """``x`` in ``dtype``; of a complex ``x`` in a real dtype the real part."""
    if x.dtype == dtype:
        return x
    if is_complex(x) and not _is_complex_dtype(x, dtype):
        x = xp.real(x)
        if x.dtype == dtype:
            return x
    return xp.astype(x, dtype)
