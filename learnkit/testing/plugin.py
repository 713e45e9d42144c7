"""A plugin under check: it loads, its hooks are hooks, and all that it registers keeps its contract."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from learnkit.errors import ArgumentError, LearnkitError, MissingDependencyError, did_you_mean
from learnkit.plugins import registry, runs
from learnkit.plugins.construct import construct
from learnkit.plugins.hooks import PluginHooks
from learnkit.plugins.hookspecs import HOOKS, KINDS, LIFECYCLE
from learnkit.plugins.loading import Candidate, candidates, one_line
from learnkit.plugins.local import LocalFile
from learnkit.plugins.requirements import unmet_requirement
from learnkit.testing.author import Author
from learnkit.testing.making import made, sample_options
from learnkit.testing.plugin_hooks import check_hooks, check_lifecycle, without
from learnkit.testing.results import Result
from learnkit.testing.run import LIBRARIES, Plan
from learnkit.testing.subject import Subject

__all__ = ["PluginReport", "check_plugin"]

_AS_THEY_ARE = ("kernel", "backend", "dataset", "reader", "exporter", "command")


@dataclass
class PluginReport:
    """What the checks of a plugin found.

    Attributes:
        name: the plugin's.
        distribution, version: of what was installed, ``""`` for a file.
        results: of the plugin itself, of its hooks, and of its components.
    """

    name: str
    distribution: str = ""
    version: str = ""
    results: list[Result] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(result.ok for result in self.results)


def check_plugin(name: str, libraries: Sequence[str] = LIBRARIES) -> PluginReport:
    """Check an installed plugin, or a file.

    Args:
        name: of its entry point or distribution; or the path of a Python file with hooks.
        libraries: rows of the matrix that array code is run on.

    Raises:
        ArgumentError: no such plugin is installed, or there is no such file.
    """
    with without("LEARNKIT_STRICT_PLUGINS"):  # a failure is a result here
        return _checked(name, libraries)


def _checked(name: str, libraries: Sequence[str]) -> PluginReport:
    found = _found(name)
    first = found[0]
    own = name if isinstance(first.entry, LocalFile) else first.entry.name
    report = PluginReport(own, first.distribution, first.version)
    requirement = _requirement(first, own)
    report.results.append(requirement)
    if not requirement.ok:
        return report
    modules: list[Any] = []
    for candidate in found:
        plugin = _imported(candidate, report)
        if plugin is not None and all(plugin is not m for m in modules):
            modules.append(plugin)
    for plugin in modules:
        check_hooks(plugin, report.name, report.results)
    if not report.ok:
        return report
    with _known(first):
        subjects: list[Subject] = []
        for plugin in modules:
            for kind, label, factory in _components(plugin, report, found):
                subject = _subject(kind, label, factory, report)
                if subject is not None:
                    subjects.append(subject)
        _check_names(first, report)
        sees_runs = any(r.component in LIFECYCLE for r in report.results)
        if report.ok and not (subjects or sees_runs):
            report.results.append(
                Result(
                    report.name,
                    "plugin",
                    "registers",
                    ok=False,
                    message="it registers nothing and sees no run",
                    remedy=f"write one of the hooks: {', '.join([*HOOKS.values(), *LIFECYCLE])}",
                )
            )
        if not isinstance(first.entry, LocalFile):
            report.results += _groups(found, modules)
        report.results += Plan(subjects, libraries).results()
        for plugin in modules:
            check_lifecycle(plugin, report.results)
    return report


def _groups(found: Sequence[Candidate], modules: Sequence[Any]) -> Iterator[Result]:
    """Hooks that are never called, as the entry point stands in the other group."""
    groups = {candidate.entry.group for candidate in found if isinstance(candidate.entry, EntryPoint)}
    for group, hooks in ((runs.GROUP, LIFECYCLE), ("learnkit", tuple(HOOKS.values()))):
        for plugin in modules if group not in groups else ():
            for name in [n for n in hooks if callable(getattr(plugin, n, None))][:1]:
                place = Author(getattr(plugin, name)).definition() or ("", 0)
                yield Result(
                    name,
                    "hook",
                    "group",
                    ok=False,
                    message=f"it is never called: the entry-point group {group} does not name the plugin",
                    remedy=f'add to pyproject.toml [project.entry-points."{group}"] with the same entry',
                    file=place[0],
                    line=place[1],
                )


class _Named(LocalFile):
    """A file that the user names: it is theirs to run."""

    foreign = False

    def announce(self) -> None:
        """Nothing: the user has named it."""


def _found(name: str) -> list[Candidate]:
    path = Path(name)
    if name.endswith(".py") or os.sep in name:
        path = path / "learnkit_local.py" if path.is_dir() else path
        if not path.is_file():
            raise ArgumentError(
                f"there is no file {name!r}", hint="give a Python file, or the name of a plugin"
            )
        return [Candidate(_Named(path.absolute()), "", "", ())]
    everything = [*candidates("learnkit"), *candidates(runs.GROUP)]
    wanted = _normalized(name)
    found = [c for c in everything if wanted in (_normalized(c.entry.name), _normalized(c.distribution))]
    if not found:
        known = sorted({n for c in everything for n in (c.entry.name, c.distribution) if n})
        local = "; learnkit_local.py is checked by its path" if Path("learnkit_local.py").is_file() else ""
        raise ArgumentError(
            f"no plugin {name!r} is installed{did_you_mean(name, known)}",
            hint=f"installed: {', '.join(known) or 'none'}{local}",
        )
    return found


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirement(candidate: Candidate, name: str) -> Result:
    from learnkit import __version__

    unmet = unmet_requirement(candidate.requires, __version__)
    return Result(
        name,
        "plugin",
        "requirement",
        ok=unmet is None,
        message="" if unmet is None else f"it needs {unmet}, and learnkit {__version__} is running",
        remedy=""
        if unmet is None
        else "change the requirement in its pyproject.toml, or install that learnkit",
    )


def _imported(candidate: Candidate, report: PluginReport) -> Any:
    """The module or object of a plugin; its failure is a result."""
    from learnkit.plugins.guard import guarded

    value = candidate.entry.value
    try:
        with guarded() as effects:
            plugin = candidate.entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        place = _last_own_line(error, value)
        report.results.append(
            Result(
                report.name,
                "plugin",
                "loads",
                ok=False,
                message=f"importing {value} failed: {one_line(error)}",
                remedy=(
                    "it has to import without an error, and import heavy or optional libraries "
                    "inside its components"
                ),
                file=place[0],
                line=place[1],
                traceback="".join(traceback.format_exception(error)),
            )
        )
        return None
    written = effects.detail if effects is not None else ""
    report.results.append(Result(report.name, "plugin", "loads", ok=True, message=written))
    return plugin


def _last_own_line(error: BaseException, value: str) -> tuple[str, int]:
    """The last line of the traceback that is neither learnkit's nor of the standard library."""
    own = str(Path(__file__).parents[1])
    standard = str(Path(os.__file__).parent)
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        foreign = frame.filename.startswith((own, "<"))
        inside = frame.filename.startswith(standard) and "site-packages" not in frame.filename
        if not foreign and not inside:
            return frame.filename, frame.lineno or 0
    return "", 0


# Components


@contextlib.contextmanager
def _known(candidate: Candidate) -> Iterator[None]:
    """A block in which a file that was named is one of the plugins of the registry."""
    if not isinstance(candidate.entry, LocalFile):
        yield
        return
    manager = registry.manager()
    before = manager.local
    manager.use_local(candidate.entry)
    try:
        yield
    finally:
        manager.use_local(before)


def _components(plugin: Any, report: PluginReport, found: list[Candidate]) -> list[tuple[str, str, Any]]:
    """Kind, name and factory of all that a plugin registers."""
    components: list[tuple[str, str, Any]] = []
    hooks = PluginHooks(plugin, report.name)
    for kind in KINDS:
        try:
            components += [(kind, name, factory) for name, factory in hooks.components(kind).items()]
        except Exception as error:
            place = (
                Author(getattr(plugin, HOOKS[kind])).place_of(error)
                or Author(getattr(plugin, HOOKS[kind])).definition()
            )
            report.results.append(
                Result(
                    HOOKS[kind],
                    "hook",
                    "registers",
                    ok=False,
                    message=one_line(error),
                    remedy=(
                        "register(name, factory) takes a name of letters, digits, _, - and ., and "
                        "a class or function"
                    ),
                    file=place[0] if place else "",
                    line=place[1] if place else 0,
                    traceback="".join(traceback.format_exception(error)),
                )
            )
    seen = {(kind, name) for kind, name, _ in components}
    for kind in KINDS:  # what it registers in code, when it is imported
        for name, factory in _in_code(plugin, kind).items():
            if (kind, name) not in seen:
                components.append((kind, name, factory))
    return components


def _in_code(plugin: Any, kind: str) -> dict[str, Any]:
    """Factories that were registered in code and come from the module."""
    module = getattr(plugin, "__name__", None)
    tables = [registry.manager().in_code(kind), registry.manager().third_party(kind)]
    return {
        name: factory
        for table in tables
        for name, factory in table.items()
        if module is not None and getattr(factory, "__module__", None) == module
    }


def _subject(kind: str, name: str, factory: Any, report: PluginReport) -> Subject | None:
    """The component to check; one that cannot be made is a result."""
    try:
        if kind in _AS_THEY_ARE:
            return Subject(factory, kind, _needs_of(factory), name)
        if inspect.isclass(factory):
            component, needs = made(factory, kind)
        else:
            component, needs = construct(kind, name, factory, sample_options(factory)), {}
        return Subject(component, kind, needs, name)
    except MissingDependencyError as error:
        report.results.append(Result(name, kind, "made", ok=True, skipped=error.message))
    except Exception as error:
        author = Author(factory)
        place = author.place_of(error) or author.definition("__init__", "__post_init__") or ("", 0)
        hint = error.hint if isinstance(error, LearnkitError) else None
        report.results.append(
            Result(
                name,
                kind,
                "made",
                ok=False,
                message=one_line(error),
                remedy=hint
                or "say how: a class method for_checks() that returns an object, or (object, inputs)",
                file=place[0],
                line=place[1],
                traceback="".join(traceback.format_exception(error)),
            )
        )
    return None


def _needs_of(factory: Any) -> dict[str, Any]:
    offered = getattr(factory, "for_checks", None)
    found = offered() if callable(offered) else None
    if isinstance(found, tuple):
        found = found[1]
    return dict(found) if isinstance(found, dict) else {}


def _check_names(candidate: Candidate, report: PluginReport) -> None:
    """No name is taken by a built-in component or by another plugin."""
    try:
        records = registry.records()
    except LearnkitError as error:  # LEARNKIT_STRICT_PLUGINS
        report.results.append(
            Result(report.name, "plugin", "names", ok=False, message=error.message, remedy=error.hint or "")
        )
        return
    for record in records:
        same = record.name == candidate.entry.name and record.distribution == candidate.distribution
        if same and record.status == "conflict":
            report.results.append(
                Result(
                    report.name,
                    "plugin",
                    "names",
                    ok=False,
                    message=record.detail,
                    remedy="take another name, or let the user say LEARNKIT_OVERRIDE",
                )
            )
            return
    report.results.append(Result(report.name, "plugin", "names", ok=True))
