"""A package for a plugin, from the templates in ``learnkit/plugins/templates``.

A template is a text with ``$name``, ``$Class``, ``$module``, ... in it, as ``string.Template`` writes them.
Those in ``package`` are the same for every kind; the folder of a kind holds its module, its tests, and
``about.toml`` with what the others need to know of it.
"""

from __future__ import annotations

import builtins
import keyword
import re
import tomllib
from dataclasses import dataclass
from importlib import metadata, resources, util
from pathlib import Path
from string import Template
from typing import Any

from learnkit import __version__
from learnkit.errors import ArgumentError, did_you_mean
from learnkit.plugins import registry
from learnkit.plugins.hookspecs import KINDS

__all__ = ["ALL_KINDS", "Package", "named", "write"]

#: What a package can be made for: every kind of component, and the hooks that see runs.
ALL_KINDS: tuple[str, ...] = (*KINDS, "run")

#: Where each template of ``package`` goes.
_COMMON = {
    "pyproject.toml.txt": "pyproject.toml",
    "README.md.txt": "README.md",
    "LICENSE.txt": "LICENSE",
    "gitignore.txt": ".gitignore",
    "ci.yml.txt": ".github/workflows/ci.yml",
}

#: A name of a distribution, as PEP 508 has it.
_PEP508 = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Package:
    """What a new package is called.

    Attributes:
        kind: one of :data:`ALL_KINDS`.
        name: of the component, and of the entry point: ``"log_wave"``.
        distribution, module, class_name: ``learnkit-log-wave``, ``learnkit_log_wave``, ``LogWave``.
    """

    kind: str
    name: str
    distribution: str
    module: str
    class_name: str

    def files(self) -> dict[str, str]:
        """The text of each file by its path in the package."""
        about = tomllib.loads(_template(self.kind, "about.toml"))
        values = self._values()
        values |= {key: _filled(about[key], values) for key in ("summary", "group", "use")}
        texts = {path: _template("package", source) for source, path in _COMMON.items()}
        texts[f"{self.module}.py"] = _template(self.kind, "module.py.txt")
        texts[f"tests/test_{self.module}.py"] = _template(self.kind, "test.py.txt")
        return {path: _filled(text, values) for path, text in sorted(texts.items())}

    def trial(self) -> str:
        """A command that uses the component."""
        return _filled(tomllib.loads(_template(self.kind, "about.toml"))["try"], self._values())

    def _values(self) -> dict[str, str]:
        requirement = f">={'.'.join(__version__.split('.')[:2])}"
        needs = [f"pylearnkit{requirement}"]
        needs += tomllib.loads(_template(self.kind, "about.toml")).get("dependencies", [])
        return {
            "kind": self.kind,
            "name": self.name,
            "distribution": self.distribution,
            "module": self.module,
            "Class": self.class_name,
            "requirement": requirement,
            "dependencies": ", ".join(f'"{need}"' for need in needs),
        }


def named(given: str, kind: str) -> Package:
    """What the package for ``given`` is called, which may begin with ``learnkit-`` already.

    Raises:
        ArgumentError: there is no such kind, or the name is malformed or taken.
    """
    if kind not in ALL_KINDS:
        raise ArgumentError(
            f"--kind: unknown kind {kind!r}{did_you_mean(kind, ALL_KINDS)}",
            hint=f"known: {', '.join(ALL_KINDS)}",
        )
    if not _PEP508.fullmatch(given):
        raise ArgumentError(
            f"{given!r} is no name of a distribution: expected letters, digits, '-', '_' and '.', "
            "a letter or digit at both ends",
            hint="such as: learnkit plugins new log-wave --kind loss",
        )
    words = re.sub(r"[-_.]+", "-", given).lower().removeprefix("learnkit-").split("-")
    name = "_".join(words)
    if not name.isidentifier() or keyword.iskeyword(name):
        why = "is a word of Python itself" if keyword.iskeyword(name) else "begins with a digit"
        raise ArgumentError(
            f"{given!r} would be the name {name!r}, which {why}", hint=f"such as: my-{'-'.join(words)}"
        )
    class_name = "".join(word.capitalize() for word in words)
    if _is_used(class_name, _template(kind, "module.py.txt") + _template(kind, "test.py.txt")):
        class_name += kind.capitalize()
    package = Package(kind, name, f"learnkit-{'-'.join(words)}", f"learnkit_{name}", class_name)
    _check_free(package)
    return package


def write(package: Package, directory: Path) -> list[str]:
    """Write all files of the package, and return their paths in it.

    Raises:
        ArgumentError: something is at ``directory`` already.
    """
    if directory.exists() or directory.is_symlink():
        raise ArgumentError(
            f"{directory} is there already, and nothing is overwritten",
            hint="choose another name, or another place with --directory",
        )
    files = package.files()
    for path, text in files.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return list(files)


def _check_free(package: Package) -> None:
    """Refuse a name that would be in conflict once the package is installed."""
    kind, name = package.kind, package.name
    if kind != "run" and name in registry.names(kind, third_party=False):
        raise ArgumentError(f"the {kind} {name!r} is built in", hint="a plugin may not take its name")
    for record in registry.records():
        if name == record.name or name in record.components.get(kind, ()):
            raise ArgumentError(
                f"{name!r} is taken by {record.distribution or record.name} {record.version}, "
                "which is installed"
            )
    try:
        version = metadata.version(package.distribution)
    except metadata.PackageNotFoundError:
        pass
    else:
        raise ArgumentError(f"{package.distribution} {version} is installed already")
    if util.find_spec(package.module) is not None:
        raise ArgumentError(f"there is a module {package.module} already, on Python's path")


def _is_used(class_name: str, source: str) -> bool:
    """Whether a class of that name would hide something that the module uses."""
    return (
        keyword.iskeyword(class_name)
        or hasattr(builtins, class_name)
        or re.search(rf"(?<![$\w]){class_name}(?!\w)", source) is not None
    )


def _template(folder: str, name: str) -> str:
    found: Any = resources.files("learnkit.plugins") / "templates" / folder / name
    return str(found.read_text(encoding="utf-8"))


def _filled(text: str, values: dict[str, str]) -> str:
    return Template(text).substitute(values)
