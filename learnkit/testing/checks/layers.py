"""What is asked of layers and activations."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np

from learnkit.autodiff import plain_value
from learnkit.errors import LearnkitError
from learnkit.nn import Sequential, initialize
from learnkit.nn.leaves import Buffer, Leaf, Parameter
from learnkit.nn.module import Module
from learnkit.nn.scope import training
from learnkit.nn.shaping import Flatten
from learnkit.plugins import registry
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.arrays import array_checks, cases_of, host
from learnkit.testing.checks.calculus import check_extremes, gradient_checks
from learnkit.testing.checks.common import common_checks, named
from learnkit.testing.checks.training import resumes
from learnkit.testing.diagnosis import fingerprint, is_array, returned, where_different, where_spot
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Case, Subject
from learnkit.testing.tracing import lines_run

__all__ = ["checks"]


def checks() -> list[Check]:
    """The checks of layers and activations."""
    return [
        *common_checks(),
        Check(
            "parameters",
            _parameters,
            "make each array that is learned a Parameter(shape, init), and each that is only kept a "
            "Buffer, as an attribute "
            "of its own in __init__; a list of layers is a Sequential or has attributes of its own",
        ),
        Check("seeded", _seeded, patterns.REMEDIES["random"]),
        *array_checks(_cases),
        Check(
            "training",
            _training,
            "in training, randomness comes from current_scope().stream(path), and what is learned of "
            "the batch is written "
            "with scope.write(buffer, value)",
        ),
        *gradient_checks(_cases),
        Check("extremes", _extremes, patterns.REMEDIES["singular"]),
        Check("empty", _empty, "let a batch without rows pass through, with no division by its length"),
        Check(
            "saves", _saves, "keep every array in a Parameter or Buffer, and every option in the constructor"
        ),
        Check("resumes", _resumes, patterns.REMEDIES["state"]),
    ]


def _cases(subject: Subject) -> list[Case]:
    given = subject.needs.get("x")
    if given is None:
        inputs = _guess(subject)
    else:
        inputs = [np.asarray(x) for x in (given if isinstance(given, tuple) else (given,))]
    names = [f"x{i}" if len(inputs) > 1 else "x" for i in range(len(inputs))]

    def prepare(layer: Any, backend: Any, dtype: str) -> Any:
        return _laid_out(layer, inputs, backend.backend, dtype)

    def call(layer: Any, arrays: dict[str, Any], backend: Any) -> dict[str, Any]:
        values = {n.removeprefix("parameter "): v for n, v in arrays.items() if n.startswith("parameter ")}
        with layer.substituted(values) if values else _nothing():
            y = layer(*(arrays[name] for name in names))
        parts = y if isinstance(y, tuple | list) else (y,)
        return {"the result" if len(parts) == 1 else f"result {i}": part for i, part in enumerate(parts)}

    arrays = dict(zip(names, inputs, strict=True))
    made = _laid_out(subject.fresh(), inputs, host().backend, "float64")
    parameters = {f"parameter {path}": np.array(leaf.array) for path, leaf in made.parameters().items()}
    # At the start many parameters are 0 or 1, where much is equal by accident.
    parameters = {
        n: v + 0.1 * np.sin(1.0 + np.arange(v.size)).reshape(v.shape) for n, v in parameters.items()
    }
    floating = [n for n, x in arrays.items() if x.dtype.kind == "f"]
    return [Case({**arrays, **parameters}, call, (*floating, *parameters), prepare=prepare)]


class _nothing:  # noqa: N801
    def __enter__(self) -> None: ...

    def __exit__(self, *exc: object) -> None: ...


def _laid_out(layer: Any, inputs: list[Any], backend: Any, dtype: str) -> Any:
    x: Any = tuple(inputs) if len(inputs) > 1 else inputs[0]
    initialize(layer, seed=1, x=x if layer.unknown_sizes() else None, backend=backend, dtype=dtype)
    return layer


def _guess(subject: Subject) -> list[Any]:
    """The first inputs that the layer takes: of the sizes that stand in the shapes of its leaves."""
    layer = subject.component
    rng = np.random.default_rng(13)
    forward = inspect.signature(type(layer).__call__)
    count = sum(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in list(forward.parameters.values())[1:]
    )
    sizes = sorted({n for leaf in _leaves(layer) for n in leaf.shape if n}, reverse=True)
    if not isinstance(layer, Module) or not sizes:
        sizes = [*_numbers(layer), 4]
    shapes: list[tuple[int, ...]] = []
    for n in [*sizes, *_numbers(layer)]:
        shapes += [(5, n), (3, 2, n), (3, n, 5), (2, n, 5, 5), (2, 5, 5, n), (2, n, 4, 4, 4), (n,)]
    shapes += [(5, 4), (3, 2, 4)]
    error: Exception | None = None
    for shape in dict.fromkeys(shapes):
        x = [rng.normal(size=shape) * 1.3 for _ in range(max(count, 1))]
        try:
            made = _laid_out(copy.deepcopy(layer), x, host().backend, "float64")
            made(*x)
        except (LearnkitError, ValueError, IndexError) as problem:
            error = error or problem
            continue
        except Exception:  # the mistake that is looked for
            return x
        return x
    ids = [rng.integers(0, min([*sizes, 4]), size=(4, 3)) for _ in range(max(count, 1))]
    try:
        _laid_out(copy.deepcopy(layer), ids, host().backend, "float64")(*ids)
        return ids
    except Exception:
        pass
    if error is not None:
        raise error
    raise CheckFailure(
        f"no input of the shapes {', '.join(map(str, shapes[:5]))}, ... is taken: {error}",
        "give one: checks_for(layer, x=array), or a class method for_checks() that returns (layer, "
        "{'x': array})",
    )


def _leaves(layer: Any) -> list[Leaf]:
    return [*layer.parameters().values(), *layer.buffers().values()] if isinstance(layer, Module) else []


def _numbers(layer: Any) -> list[int]:
    return (
        [v for v in vars(layer).values() if type(v) is int and 0 < v < 65]
        if hasattr(layer, "__dict__")
        else []
    )


def _parameters(subject: Subject, row: str) -> None:
    """No array, parameter or layer is where the tree does not see it."""
    layer = subject.fresh()
    if not isinstance(layer, Module):
        raise CheckFailure("it is no learnkit.nn.Module", "derive it from learnkit.nn.Module")
    case = cases_of(subject, _cases)[0]
    known = {id(leaf) for leaf in _leaves(layer)}
    modules = {id(m) for m in layer.modules().values()}
    before = {path: set(vars(module)) for path, module in layer.modules().items()}
    for path, module in layer.modules().items():
        for name, value in vars(module).items():
            if name.startswith("_") and name in ("_leaves", "_children", "_arguments", "_path"):
                continue
            hidden = _hidden(value, known, modules)
            if hidden is not None:
                where = f"{path}.{name}" if path else name
                raise CheckFailure(
                    f"the attribute {where} holds {hidden} that is not in parameters(), buffers() or "
                    "children(): it is "
                    "neither trained nor saved",
                    where=_assignment(subject, module, name),
                )
    ready = case.ready(layer, host(), "float64")
    case.call(ready, case.on(host(), "float64"), host())
    for path, module in ready.modules().items():
        new = set(vars(module)) - before.get(path, set(vars(module)))
        for name in sorted(new):
            if is_array(getattr(module, name, None)):
                raise CheckFailure(
                    f"the forward pass keeps an array in the attribute {name}",
                    patterns.REMEDIES["state"],
                    _assignment(subject, module, name),
                )


def _hidden(value: Any, known: set[int], modules: set[int], depth: int = 0) -> str | None:
    if isinstance(value, Leaf):
        kind = (
            "a parameter"
            if isinstance(value, Parameter)
            else "a buffer"
            if isinstance(value, Buffer)
            else "a leaf"
        )
        return None if id(value) in known else kind
    if isinstance(value, Module):
        return None if id(value) in modules else "a layer"
    if is_array(value) and np.size(value) > 0:
        return "an array"
    if depth < 3 and isinstance(value, list | tuple | set):
        found = [_hidden(v, known, modules, depth + 1) for v in value]
        return next((f for f in found if f is not None), None)
    if depth < 3 and isinstance(value, dict):
        found = [_hidden(v, known, modules, depth + 1) for v in value.values()]
        return next((f for f in found if f is not None), None)
    return None


def _assignment(subject: Subject, module: Any, name: str) -> tuple[str, int] | None:
    """The line of ``self.name = ...`` in the class of a module."""
    place = subject.author.definition("__init__") or subject.author.definition()
    if place is None:
        return None
    found = [s for s in patterns.spots(place[0]) if s.sort == "state" and s.name == name]
    inside = [s for s in found if _within(place[0], s.line, type(module).__name__)]
    chosen = inside or found
    return (place[0], chosen[0].line) if chosen else place


def _within(file: str, line: int, cls: str) -> bool:
    node = patterns.in_class(file, cls)
    return node is not None and node.lineno <= line <= (node.end_lineno or line)


def _seeded(subject: Subject, row: str) -> None:
    """The same seed gives the same start values."""
    case = cases_of(subject, _cases)[0]

    def start() -> Any:
        made = case.ready(subject.fresh(), host(), "float32")
        return {path: fingerprint(np.asarray(a)) for path, a in made.arrays().items()}

    one, two = start(), start()
    for path, value in one.items():
        if two[path] != value:
            where, remedy = where_different(subject.author, start, start)
            raise CheckFailure(
                f"the same seed gives other start values of {path!r}",
                remedy,
                where or subject.author.definition("__init__"),
            )


def _training(subject: Subject, row: str) -> None:
    """In training too, a call is a pure function of its input, the seed, the step and the path."""
    case = cases_of(subject, _cases)[0]
    backend = host()
    arrays = case.on(backend, "float64")

    ready = case.ready(subject.fresh(), backend, "float64")
    _no_early_writes(subject, case, ready, arrays, "outside of training")
    with training(seed=1, step=2):
        _no_early_writes(subject, case, ready, arrays, "before the step has ended")

    def step(made: Any, number: int = 2) -> Any:
        with training(seed=1, step=number):
            outputs = case.call(made, arrays, backend)
        return {n: fingerprint(np.asarray(plain_value(y))) for n, y in outputs.items()}

    one, two = (step(case.ready(subject.fresh(), backend, "float64")) for _ in range(2))
    if one != two:

        def again() -> Any:
            return step(case.ready(subject.fresh(), backend, "float64"))

        where, remedy = where_different(subject.author, again, again)
        raise CheckFailure("the same seed and step give another result in training", remedy, where)


def _no_early_writes(subject: Subject, case: Case, made: Any, arrays: dict[str, Any], when: str) -> None:
    """The forward pass writes into no buffer; ``scope.write`` does, when the step ends."""

    def kept() -> dict[str, Any]:
        return {path: fingerprint(np.asarray(a)) for path, a in made.arrays().items()}

    before = kept()
    case.call(made, arrays, host())
    changed = [path for path, value in kept().items() if value != before[path]]
    if changed:
        run = lines_run(subject.author, lambda: case.call(made, arrays, host()))
        found = where_spot(run, "state", "inplace")
        raise CheckFailure(
            f"the forward pass changes {changed[0]!r} {when}",
            where=(found[0], found[1].line) if found else subject.author.definition("__call__"),
        )


def _extremes(subject: Subject, row: str) -> None:
    if subject.needs.get("extremes") is False:
        raise NotApplicable("extremes=False was given")
    case = cases_of(subject, _cases)[0]
    floating = [n for n in case.differentiable if not n.startswith("parameter ")]
    if not floating:
        raise NotApplicable("its inputs are no floating-point numbers")

    def filled(value: float) -> dict[str, Any]:
        return {
            n: value
            * np.where(np.arange(case.inputs[n].size).reshape(case.inputs[n].shape) % 2 == 0, 1.0, -1.0)
            for n in floating
        }

    points = {
        "inputs of 1e4 and -1e4": filled(1e4),
        "inputs of 0": filled(0.0),
        "inputs of 50 and -50": filled(50.0),
    }
    check_extremes(subject, case, points)


def _empty(subject: Subject, row: str) -> None:
    if subject.needs.get("empty") is False:
        raise NotApplicable("empty=False was given")
    case = cases_of(subject, _cases)[0]
    backend = host()
    inputs = {n: x for n, x in case.inputs.items() if not n.startswith("parameter ")}
    if any(x.ndim < 2 for x in inputs.values()):
        raise NotApplicable("its input has no batch axis")
    whole = case.run(subject.fresh(), backend)
    none = case.run(subject.fresh(), backend, **{n: x[:0] for n, x in inputs.items()})
    n = next(iter(inputs.values())).shape[0]
    for name, y in none.items():
        shape = tuple(whole[name].shape)
        if shape[:1] == (n,) and tuple(y.shape) != (0, *shape[1:]):
            raise CheckFailure(
                f"for a batch without rows {name} has shape {tuple(y.shape)}, expected {(0, *shape[1:])}",
                where=subject.author.definition("__call__"),
            )


def _saves(subject: Subject, row: str) -> None:
    """Described, made again and given its arrays, it computes the same."""
    case = cases_of(subject, _cases)[0]
    backend = host()
    made = case.ready(subject.fresh(), backend, "float64")
    with named(subject):
        other = registry.create(subject.kind, registry.describe(made, subject.kind))
    other = case.ready(other, backend, "float64")
    other.load_arrays({path: np.asarray(a) + 0.0 for path, a in made.arrays().items()})
    inputs = {n: x for n, x in case.on(backend, "float64").items() if not n.startswith("parameter ")}

    def call(layer: Any) -> Any:
        return {
            n: fingerprint(np.asarray(plain_value(y))) for n, y in case.call(layer, inputs, backend).items()
        }

    if call(made) != call(other):
        raise CheckFailure(
            "made again from its description and its arrays it computes something else",
            where=returned(subject.author, lambda: call(made), "__call__"),
        )


def _resumes(subject: Subject, row: str) -> None:
    case = cases_of(subject, _cases)[0]
    inputs = [x for n, x in case.inputs.items() if not n.startswith("parameter ")]
    if len(inputs) > 1 or inputs[0].ndim < 2 or inputs[0].dtype.kind != "f":
        raise NotApplicable("it takes no single batch of numbers")
    layer = subject.fresh()
    outputs = case.run(layer, host())
    if len(outputs) > 1 or next(iter(outputs.values())).shape[:1] != inputs[0].shape[:1]:
        raise NotApplicable("it gives no single batch")
    from learnkit.nn import Linear

    rng = np.random.default_rng(5)
    x = rng.normal(size=(24, *inputs[0].shape[1:])).astype("float32")
    resumes(subject, model=Sequential(subject.fresh(), Flatten(), Linear(None, 1)), x=x)
