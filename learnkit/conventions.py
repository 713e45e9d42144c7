"""Components with the formulas and defaults of another library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from learnkit.errors import UnknownNameError
from learnkit.plugins import registry
from learnkit.plugins.construct import signature_of
from learnkit.plugins.conventions import check_convention, preset
from learnkit.plugins.hookspecs import KINDS

__all__ = ["Convention", "convention"]

T = TypeVar("T")


class Convention:
    """A library whose formulas and defaults components take; made by :func:`convention`."""

    def __init__(self, name: str) -> None:
        check_convention(name)
        self.name = name

    def __call__(self, cls: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """The component of a class, as that library has it; what is given wins.

        Args:
            cls: a registered class.
            *arguments, **options: as for the class itself.

        Raises:
            ArgumentError: the library has no such component, or an option is refused.
            UnknownNameError: the class is not registered.
        """
        kind = _kind_of(cls)
        given = signature_of(cls).bind_partial(*arguments).arguments
        for name in given:
            if name in options:
                raise TypeError(f"{getattr(cls, '__name__', cls)} got two values for {name!r}")
        made = registry.create(kind, cls, convention=self.name, **given, **options)
        return made  # type: ignore[no-any-return]

    def options(self, kind: str, name: str) -> dict[str, Any]:
        """What the library has in place of learnkit's defaults; empty where nothing differs.

        A ``"name"`` among them is that of another component, which has the library's formula.

        Args:
            kind, name: of the component.

        Raises:
            ArgumentError: the library has no such component.

        >>> convention("keras").options("activation", "leaky_relu")
        {'negative_slope': 0.3}
        """
        other, options = preset(self.name, kind, name)
        return options if other == name else {"name": other, **options}

    def __repr__(self) -> str:
        return f"convention({self.name!r})"


def convention(name: str) -> Convention:
    """The formulas and defaults of another library, for components to take.

    By name it is the same: ``registry.create("optimizer", "adam", convention="keras")``, and wherever a
    component is named, on the command line too, ``"adam:convention=keras"``.

    Args:
        name: ``"keras"``, ``"optax"`` (with Flax and ``jax.nn``) or ``"chainer"``.

    Raises:
        ArgumentError: there is no such convention.

    >>> keras = convention("keras")
    >>> from learnkit.optim import Adam
    >>> keras(Adam, lr=0.01)
    Adam(lr=0.01, betas=(0.9, 0.999), eps=1e-07, l2=0.0, amsgrad=False, eps_placement='hat')
    """
    return Convention(name)


def _kind_of(cls: Any) -> str:
    """The kind as which a class is registered; the first, if it is several."""
    for kind in KINDS:
        try:
            registry.name_of(cls, kind)
        except UnknownNameError:
            continue
        return kind
    registry.name_of(cls)  # raises, with the text for all kinds
    raise AssertionError(f"{cls!r} is registered as no kind")
