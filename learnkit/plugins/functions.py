"""A plain function as a component: ``register("mine", f)`` with ``f(y_pred, y_true, *, delta=1.0)``.

The parameters before ``*`` are what the component is called with, those behind it are its options:

============  =============================================================================================
loss          ``f(y_pred, y_true, *, ...)``: a number for each element or example; the mean is taken for you
metric        the same
activation    ``f(x, *, ...)``: an array for an array
schedule      ``f(step, *, ...)``: a number for the step, which counts from 0
optimizer     ``f(theta, grad, m, v, *, lr=0.1, beta=0.9, step)``: the new theta and slots. What stands
              between ``grad`` and ``*`` are slots, arrays of theta's shape that start at zero; ``step``
              counts from 1 and may be left out, ``lr`` may not. It is given one leaf at a time.
augmentation  ``f(x, *, seed, step, ...)``: the changed features of a batch
============  =============================================================================================

The positional parameters may have other names, and no defaults. A function that *makes* a component has
no such parameters: its own are options, ``def mine(*, delta=1.0): return Huber(delta)``, or it says what
it returns, ``def mine(delta) -> Huber``. What fits neither is refused, with what to write.

Each function becomes a class of its own, a frozen dataclass of the options (a ``Module`` for an
activation), so it prints, compares, is described and saved like every other component. It pickles where the
function does.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import inspect
import weakref
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.errors import ArgumentError

__all__ = ["FORMS", "Form", "FunctionComponent", "component_of", "is_function", "made_of"]


@dataclass(frozen=True)
class Form:
    """How a function of one kind is written.

    Attributes:
        kind: the kind of component.
        arguments: the positional parameters.
        base: ``"module:class"`` of the kind. By name, as this module stands below the packages it names.
        adapter: ``"module:class"`` that the function's class derives from.
        slots: whether more positional parameters may follow.
        needs: options that the function must take.
        handed: keyword-only parameters that are handed over, and are no options.
        takes_over: options of the adapter that the function may have as well, with a default of its own.
    """

    kind: str
    arguments: tuple[str, ...]
    base: str
    adapter: str
    slots: bool = False
    needs: tuple[str, ...] = ()
    handed: tuple[str, ...] = ()
    takes_over: tuple[str, ...] = ()


_PAIR = ("y_pred", "y_true")
#: kind: how its functions are written.
FORMS: dict[str, Form] = {
    form.kind: form
    for form in (
        Form("loss", _PAIR, "learnkit.losses.base:Loss", "learnkit.losses.function:FunctionLoss"),
        Form(
            "metric",
            _PAIR,
            "learnkit.metrics.base:Metric",
            "learnkit.metrics.function:FunctionMetric",
            takes_over=("larger_is_better",),
        ),
        Form(
            "activation",
            ("x",),
            "learnkit.nn.module:Module",
            "learnkit.nn.activations.function:FunctionActivation",
        ),
        Form(
            "schedule",
            ("step",),
            "learnkit.schedules.base:Schedule",
            "learnkit.schedules.function:FunctionSchedule",
        ),
        Form(
            "optimizer",
            ("theta", "grad"),
            "learnkit.optim.base:Optimizer",
            "learnkit.optim.function:FunctionOptimizer",
            slots=True,
            needs=("lr",),
            handed=("step",),
        ),
        Form(
            "augmentation",
            ("x",),
            "learnkit.augment.base:Augmentation",
            "learnkit.augment.function:FunctionAugmentation",
            handed=("seed", "step"),
        ),
    )
}

#: What a description says itself, so no option may be called that.
_TAKEN = ("kind", "name", "convention")


class FunctionComponent:
    """What the classes made of functions have in common; it stands in front of the base of the kind."""

    #: The function.
    _function: ClassVar[Callable[..., Any]]
    #: The kind of component.
    _kind: ClassVar[str]
    #: Names of the options that the function takes.
    _option_names: ClassVar[tuple[str, ...]]
    #: Names of all its positional parameters.
    _arguments_of_function: ClassVar[tuple[str, ...]]
    #: Which keyword-only parameters are handed over that are no options.
    _handed: ClassVar[tuple[str, ...]]

    def _given_options(self) -> dict[str, Any]:
        """The options as the function takes them."""
        return {name: getattr(self, name) for name in self._option_names}

    def __reduce__(self) -> tuple[Any, ...]:
        cls = type(self)
        names = inspect.signature(cls).parameters
        options = {name: getattr(self, name) for name in names}
        return _made_again, (cls._kind, cls.__name__, cls._function, options)


def _made_again(kind: str, name: str, function: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """An object of a function's class from its pickle."""
    return component_of(kind, name, function)(**options)


def is_function(kind: str, thing: Any) -> bool:
    """Whether a function itself, registered or not, stands for a component of the kind.

    >>> is_function("loss", lambda y_pred, y_true: abs(y_pred - y_true))
    True
    >>> is_function("loss", lambda delta=1.0: None)
    False
    """
    if kind not in FORMS or not (inspect.isroutine(thing) or isinstance(thing, functools.partial)):
        return False
    return component_of(kind, getattr(thing, "__name__", "function"), thing) is not thing


def made_of(factory: Any, function: Any) -> bool:
    """Whether ``factory`` is the class that was made of ``function``."""
    if not inspect.isroutine(function) or not inspect.isclass(factory):
        return False
    if FunctionComponent not in factory.__mro__:  # not issubclass, which a plugin's class answers as it likes
        return False
    return bool(getattr(inspect.getattr_static(factory, "_function", None), "__func__", None) == function)


def component_of(kind: str, name: str, factory: Callable[..., Any]) -> Callable[..., Any]:
    """The class of a function that is a component; a class, or a function that makes one, as it is.

    Raises:
        ArgumentError: the function is neither, or an option of it cannot be called what it is.
    """
    form = FORMS.get(kind)
    if form is None or inspect.isclass(factory):
        return factory
    what = f"the {kind} {name!r}"
    if not (inspect.isroutine(factory) or isinstance(factory, functools.partial)):
        _refuse_object(form, what, factory)
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{what}: the parameters of {_title(factory)} cannot be read; "
            f"write def {_identifier(name)}({', '.join(form.arguments)}) that calls it"
        ) from None
    if _makes_one(form, factory, signature):
        return factory
    _check(form, name, factory, signature)
    key = (kind, name, _identity(factory))
    made = _made.get(key)
    if made is None:
        made = _made[key] = _class_of(form, name, factory, signature)
    return made


#: The classes made so far: one for each kind, name and function, as long as somebody uses it.
_made: weakref.WeakValueDictionary[Any, type] = weakref.WeakValueDictionary()


def _identity(function: Any) -> Hashable:
    """Equal for functions that are the same: a partial that was pickled is another object."""
    parts: Any = function
    if isinstance(function, functools.partial):
        parts = (function.func, function.args, tuple(sorted(function.keywords.items())))
    try:
        hash(parts)
    except TypeError:
        return id(function)
    return parts  # type: ignore[no-any-return]


def _makes_one(form: Form, factory: Callable[..., Any], signature: inspect.Signature) -> bool:
    """Whether a function makes a component, rather than being one."""
    kinds = [p.kind for p in signature.parameters.values()]
    forwards = inspect.Parameter.VAR_POSITIONAL in kinds and inspect.Parameter.VAR_KEYWORD in kinds
    if not forwards and not any(p.default is p.empty for p in _positional(signature)):
        return True
    wanted = signature.return_annotation
    if isinstance(wanted, str):
        try:
            wanted = inspect.signature(factory, eval_str=True).return_annotation
        except Exception:  # a name that is known to type checkers only
            return False
    return (
        inspect.isclass(wanted)
        and wanted is not inspect.Signature.empty
        and issubclass(wanted, _named(form.base))
    )


def _check(form: Form, name: str, factory: Callable[..., Any], signature: inspect.Signature) -> None:
    """Refuse a function that has arguments without being written like a component."""
    what, label = f"the {form.kind} {name!r}", _identifier(name)
    positional = _positional(signature)
    required = [p for p in positional if p.default is p.empty]
    count = len(form.arguments)
    fits = len(required) >= count if form.slots else len(required) == count
    stars = [p for p in signature.parameters.values() if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not fits or len(positional) > len(required) or stars:
        own = f"{label}{signature.replace(return_annotation=inspect.Signature.empty)}"
        options = [p for p in signature.parameters.values() if p not in required and p not in stars]
        if fits:
            arguments = [p.name for p in required]
        else:
            arguments = list(form.arguments)
            options = [p for p in options if p.name not in arguments]
        component = _written(label, arguments, options or _named_options(form))
        maker = _written(label, [], [p for p in signature.parameters.values() if p not in stars])
        raise ArgumentError(
            f"{what}: {own} is neither {_a(form.kind)} nor a function that makes one; write {component} "
            f"for {_a(form.kind)}, or {maker} for a function that returns one"
        )
    for option in _options_of(form, signature):
        taken = option.name in _TAKEN or (
            option.name not in form.takes_over and hasattr(_named(form.adapter), option.name)
        )
        if taken:
            raise ArgumentError(
                f"{what} cannot have an option {option.name!r}: every {form.kind} has something of that "
                "name; call it something else"
            )
    for needed in form.needs:
        parameter = signature.parameters.get(needed)
        if parameter is None or parameter.kind is not parameter.KEYWORD_ONLY:
            raise ArgumentError(
                f"{what} takes no {needed}; write "
                f"def {label}({', '.join(p.name for p in required)}, *, {needed}=0.1)"
            )


def _class_of(form: Form, name: str, function: Callable[..., Any], signature: inspect.Signature) -> type:
    """The class whose objects call the function with their options."""
    options = _options_of(form, signature)
    keyword = [p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
    doc = inspect.getdoc(function) if not isinstance(function, functools.partial) else None
    namespace = {
        "__doc__": doc or f"The {form.kind} {name!r}, from the function {_title(function)}.",
        "_function": staticmethod(function),
        "_kind": form.kind,
        "_option_names": tuple(p.name for p in options),
        "_arguments_of_function": tuple(p.name for p in _positional(signature)),
        "_handed": tuple(handed for handed in form.handed if handed in keyword),
    }
    made: type = _named(form.adapter).of(name, options, namespace)
    made.__module__ = getattr(function, "__module__", None) or __name__
    made.__qualname__ = name
    return made


def dataclass_of(base: type, name: str, options: list[inspect.Parameter], namespace: dict[str, Any]) -> type:
    """A frozen dataclass below ``base`` with a keyword for each option."""
    fields = []
    for option in options:
        annotation = Any if option.annotation is option.empty else option.annotation
        if option.default is option.empty:
            fields.append((option.name, annotation, dataclasses.field()))
        elif type(option.default).__hash__ is None:  # a list or a dict, which objects must not share
            make = functools.partial(copy.copy, option.default)
            fields.append((option.name, annotation, dataclasses.field(default_factory=make)))
        else:
            fields.append((option.name, annotation, dataclasses.field(default=option.default)))
    return dataclasses.make_dataclass(
        name, fields, bases=(base,), namespace=namespace, frozen=True, kw_only=True
    )


def _refuse_object(form: Form, what: str, thing: Any) -> None:
    """Refuse an object of the kind: what is registered is its class, which takes the options."""
    if isinstance(thing, _named(form.base)):
        cls = type(thing).__name__
        raise ArgumentError(f"{what} is an object of {cls}; register the class {cls} itself")


def _options_of(form: Form, signature: inspect.Signature) -> list[inspect.Parameter]:
    found = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
    return [p for p in found if p.name not in form.handed]


def _positional(signature: inspect.Signature) -> list[inspect.Parameter]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p for p in signature.parameters.values() if p.kind in kinds]


def _named_options(form: Form) -> list[inspect.Parameter]:
    return [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=0.1) for n in form.needs]


def _written(name: str, arguments: list[str], options: list[inspect.Parameter]) -> str:
    """``def name(arguments, *, options)``."""
    behind = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in options]
    return f"def {name}({', '.join([*arguments, *(['*', *behind] if behind else [])])})"


def _identifier(name: str) -> str:
    return name if name.isidentifier() else "f"


def _title(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _named(address: str) -> Any:
    module, _, name = address.partition(":")
    return getattr(importlib.import_module(module), name)
