"""A function ``f(x, *, ...)`` as an activation."""

from __future__ import annotations

import inspect
import types
from typing import Any

from learnkit.errors import ArgumentError
from learnkit.nn.module import Module
from learnkit.plugins.functions import FunctionComponent

__all__ = ["FunctionActivation"]


class FunctionActivation(FunctionComponent, Module):
    """Base of the activations that are made of functions; see :mod:`learnkit.plugins.functions`."""

    @classmethod
    def of(cls, name: str, options: list[inspect.Parameter], namespace: dict[str, Any]) -> type:
        """The class of a function with these options."""

        def __init__(self: Any, **given: Any) -> None:  # noqa: N807  (it becomes the method)
            bound = signature.bind(self, **given)
            bound.apply_defaults()
            for option, value in bound.arguments.items():
                if option != "self":
                    setattr(self, option, value)

        owner = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        signature = inspect.Signature([owner, *options])
        __init__.__signature__ = signature  # type: ignore[attr-defined]
        return types.new_class(name, (cls,), exec_body=lambda body: body.update(namespace, __init__=__init__))

    def __call__(self, x: Any) -> Any:
        y = type(self)._function(x, **self._given_options())
        if getattr(y, "shape", None) is None or getattr(y, "dtype", None) is None:
            raise ArgumentError(
                f"{type(self).__name__}(x) returned {y!r}, expected an array",
                hint=f"a function that makes an activation takes its options by keyword: "
                f"def {type(self).__name__}(*, ...)",
            )
        return y
