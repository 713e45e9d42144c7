"""Reverse-mode differentiation of functions written for the Python Array API standard."""

from learnkit.autodiff import operators as _operators  # noqa: F401  (gives variables their operators)
from learnkit.autodiff.check import check_grads
from learnkit.autodiff.namespace import namespace
from learnkit.autodiff.primitive import Primitive, primitive
from learnkit.autodiff.reverse import grad, stop_gradient, value_and_grad, vjp
from learnkit.autodiff.variable import Variable, is_variable

__all__ = [
    "Primitive",
    "Variable",
    "check_grads",
    "grad",
    "is_variable",
    "namespace",
    "primitive",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]
