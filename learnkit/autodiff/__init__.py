"""Reverse-mode differentiation of functions written for the Python Array API standard."""

from learnkit.autodiff import operators as _operators  # noqa: F401  (gives variables their operators)
from learnkit.autodiff.anomaly import detect_anomaly
from learnkit.autodiff.check import check_grads
from learnkit.autodiff.custom import CustomVJP, checkpoint, custom_vjp
from learnkit.autodiff.explain import Explanation, explain
from learnkit.autodiff.fused import fuse
from learnkit.autodiff.namespace import namespace
from learnkit.autodiff.primitive import Primitive, primitive
from learnkit.autodiff.reverse import grad, stop_gradient, value_and_grad, vjp
from learnkit.autodiff.transforms import hessian, hvp, jacobian, jvp, per_example_grad
from learnkit.autodiff.variable import Variable, is_variable, plain_value

__all__ = [
    "CustomVJP",
    "Explanation",
    "Primitive",
    "Variable",
    "check_grads",
    "checkpoint",
    "custom_vjp",
    "detect_anomaly",
    "explain",
    "fuse",
    "grad",
    "hessian",
    "hvp",
    "is_variable",
    "jacobian",
    "jvp",
    "namespace",
    "per_example_grad",
    "plain_value",
    "primitive",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]
