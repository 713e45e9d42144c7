"""Where arrays live: the libraries and devices learnkit runs on, and what the standard lacks.

==================  ===========================================================================
``base``            the :class:`Backend` contract, :func:`array_namespace`, choosing a backend
``kernels``         the named operations beside the standard, in generic standard code
``replacement``     kernels of plugins in their place, where they are asked for
``products``        in what precision matrices are multiplied
``random``          counter-based random numbers: one stream of bits for every library
``special``         the error function
``scatter``         adding rows at indices that may repeat
``numpy`` ...       one file for each library: its backend and its faster kernels
==================  ===========================================================================

Importing this package imports NumPy and array-api-compat, and no other array library.

>>> from learnkit.backends import get_backend
>>> numpy = get_backend("numpy")
>>> x = numpy.asarray([[1.0, 2.0]], dtype="float32")
>>> numpy.to_numpy(x).dtype.name
'float32'
"""

from __future__ import annotations

from learnkit.backends.base import (
    Array,
    Backend,
    array_namespace,
    backend_of,
    get_backend,
    kernels_of,
    use_backend,
)
from learnkit.backends.kernels import Kernels
from learnkit.backends.products import precision
from learnkit.backends.replacement import kernels_in_force, use_kernels

__all__ = [
    "Array",
    "Backend",
    "Kernels",
    "array_namespace",
    "backend_of",
    "get_backend",
    "kernels_in_force",
    "kernels_of",
    "precision",
    "use_backend",
    "use_kernels",
]
