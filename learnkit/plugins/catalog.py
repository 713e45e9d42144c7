"""What is known of each component: read from its docstring and its signature, where it is written once."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass
from typing import Any

from learnkit.plugins import registry
from learnkit.plugins.construct import signature_of
from learnkit.plugins.hookspecs import KINDS

__all__ = ["Entry", "catalog", "markdown", "plural"]

_ARRAYS = ("numpy", "strict", "torch", "cupy (stand-in)")
#: Where the components of a kind are tested. Each of them has a row in the table of cases of its kind, and
#: the tests of the table run over these libraries. Schedules, callbacks and data sets are host numbers.
_TESTED_ON: dict[str, tuple[str, ...]] = {
    "activation": _ARRAYS,
    "layer": _ARRAYS,
    "initializer": _ARRAYS,
    "loss": _ARRAYS,
    "optimizer": _ARRAYS,
    "transform": _ARRAYS,
    "metric": _ARRAYS,
}

_SOURCE = re.compile(r"(?:^|\n\n)Sources?(?: of [^:\n]+)?:\s*(.+?)(?:\n\n|\Z)", re.DOTALL)


_ROLE = re.compile(r":\w+:`~?([\w.]+)`")


@dataclass(frozen=True)
class Entry:
    """One component.

    Attributes:
        kind, name: as it is registered.
        aliases: further names of the same component.
        summary: the first sentence of its docstring.
        formula: the lines of its equation, or those code pieces of the first paragraph that hold one.
        source: where the equation comes from, and which variant it is.
        options: ``(name, default)``, the default as Python writes it, or ``None`` for one that must be given.
        tested_on: the libraries that the tests of this kind run over; empty for host numbers and for plugins.
    """

    kind: str
    name: str
    aliases: tuple[str, ...]
    summary: str
    formula: tuple[str, ...]
    source: str | None
    options: tuple[tuple[str, str | None], ...]
    tested_on: tuple[str, ...]


def catalog(kind: str | None = None, *, third_party: bool = True) -> list[Entry]:
    """All components of a kind, or of all kinds, sorted by kind and name.

    Args:
        kind: one of :data:`~learnkit.plugins.hookspecs.KINDS`.
        third_party: also those of installed plugins.

    Raises:
        ArgumentError: there is no such kind.

    >>> [entry.formula for entry in catalog("loss", third_party=False) if entry.name == "mse"]
    [('(y_pred - y_true)^2',)]
    """
    entries: list[Entry] = []
    for each in KINDS if kind is None else (kind,):
        names: dict[int, tuple[Any, list[str]]] = {}  # by identity: a plugin's class need not have a hash
        for name in registry.names(each, third_party=third_party):
            factory = registry.get(each, name)
            names.setdefault(id(factory), (factory, []))[1].append(name)
        own = set(registry.names(each, third_party=False))
        found = [_found(each, factory, given, given[0] in own) for factory, given in names.values()]
        entries += sorted(found, key=lambda entry: entry.name)
    return entries


def _found(kind: str, factory: Any, names: list[str], builtin: bool) -> Entry:
    """The entry; of a plugin's component that cannot be looked at, one that says so."""
    try:
        return _entry(kind, factory, names, builtin)
    except Exception as error:
        if builtin:
            raise
        summary = f"what it is cannot be read: {type(error).__name__}"
        return Entry(kind, names[0], tuple(names[1:]), summary, (), None, (), ())


def _entry(kind: str, factory: Any, names: list[str], builtin: bool) -> Entry:
    # A command is an object, whose function says what it does.
    text = inspect.getdoc(factory.callback if kind == "command" else factory) or ""
    if text.startswith(f"{getattr(factory, '__name__', '')}("):  # what dataclass writes if there is none
        text = ""
    text = _ROLE.sub(lambda role: "``" + role.group(1).rpartition(".")[2] + "``", text)
    name = registry.name_of(factory, kind)  # the one that was registered first
    first = " ".join(text.partition("\n\n")[0].split())
    source = _SOURCE.search(text)
    formula = _formula(text, first) or _formula_of_function(factory, first)
    return Entry(
        kind=kind,
        name=name,
        aliases=tuple(sorted({*names} - {name})),
        summary=_sentence(first),
        formula=formula,
        source=None if source is None else " ".join(source.group(1).split()),
        options=_command_options(factory) if kind == "command" else _options(factory, kind),
        tested_on=_TESTED_ON.get(kind, ()) if builtin else (),
    )


def _sentence(text: str) -> str:
    """The first sentence, without its full stop."""
    found = re.match(r"(.+?)(?:\.(?:\s|$)|:$|$)", text)
    return found.group(1) if found else ""


def _formula(text: str, first: str) -> tuple[str, ...]:
    """The first literal block of the docstring; without one, the first piece of code before the arguments."""
    body = re.split(r"(?:^|\n)(?:Args|Raises|Attributes|Returns|>>>)", text)[0]
    block = re.search(r"::\n\n((?:[ ]+.*\n?|\n)+)", body)
    if block is not None:
        lines = inspect.cleandoc("\n" + block.group(1)).splitlines()
        return tuple(line.rstrip() for line in lines if line.strip())
    for part in (first, body):
        codes = [" ".join(code.split()) for code in re.findall(r"``(.+?)``", part, re.DOTALL)]
        equations = [code for code in codes if re.search(r"[-+*/^=(<>|]| where ", code)]
        if equations:
            return tuple(equations[:1])
    return ()


def _formula_of_function(factory: Any, first: str) -> tuple[str, ...]:
    """That of the function a layer applies, as "Layer of ``tanh``" says."""
    found = re.match(r"Layer of ``(\w+)``", first)
    function = (
        getattr(sys.modules.get(getattr(factory, "__module__", "")), found.group(1), None) if found else None
    )
    text = inspect.getdoc(function) or ""
    return _formula(text, " ".join(text.partition("\n\n")[0].split()))


#: What a function of these kinds is handed, and is no option of it.
_HANDED = {"exporter": ("trainer", "path", "extra"), "reader": ("path", "min_rows", "features")}


def _options(factory: Any, kind: str) -> tuple[tuple[str, str | None], ...]:
    try:
        parameters = signature_of(factory).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(
        (f"*{p.name}", None)
        if p.kind is p.VAR_POSITIONAL
        else (p.name, None if p.default is p.empty else repr(p.default))
        for p in parameters
        if p.kind is not p.VAR_KEYWORD and p.name not in _HANDED.get(kind, ())
    )


def _command_options(command: Any) -> tuple[tuple[str, str | None], ...]:
    """Arguments and options of a command of the command line."""
    return tuple((parameter.opts[0], None) for parameter in command.params)


def plural(kind: str) -> str:
    """``losses`` of ``loss``."""
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def markdown(entries: list[Entry]) -> str:
    """The entries as a page: a table for each kind."""
    lines = [
        "# Components",
        "",
        "Made from the docstrings by `learnkit components --markdown`. Options without a default are needed.",
        "",
    ]
    for kind in dict.fromkeys(entry.kind for entry in entries):
        own = [entry for entry in entries if entry.kind == kind]
        lines += [f"## {plural(kind).capitalize()}", ""]
        if own[0].tested_on:
            lines += [f"Tested on {', '.join(own[0].tested_on)}.", ""]
        lines += ["| name | what it is | formula | options | source |", "|---|---|---|---|---|"]
        for entry in own:
            name = ", ".join(f"`{n}`" for n in (entry.name, *entry.aliases))
            formula = "<br>".join(f"`{_cell(line.strip())}`" for line in entry.formula)
            options = ", ".join(f"`{n}`" if d is None else f"`{n}={_cell(d)}`" for n, d in entry.options)
            cells = (
                name,
                _cell(entry.summary.replace("``", "`")),
                formula,
                options,
                _cell(entry.source or ""),
            )
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
