"""The packages in ``plugins/`` are found by entry point, and their own tests pass against this tree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))

#: What installs no plugin by itself: the rest of a package's requirements are checked.
GIVEN = {"pylearnkit"}


def described(package: Path) -> dict[str, Any]:
    """What ``pyproject.toml`` says of a package."""
    text = (package / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    return project


def required(project: dict[str, Any]) -> set[str]:
    """What a package and its tests need beside learnkit."""
    wanted = [*project["dependencies"], *project.get("optional-dependencies", {}).get("test", ())]
    return {match.group() for text in wanted if (match := re.match(r"[\w.-]+", text))} - GIVEN


def lacking(project: dict[str, Any]) -> list[str]:
    """The requirements of a package and its tests that are not installed here."""
    return sorted(name for name in required(project) if not installed(name))


def with_marks(package: Path) -> Any:
    """A package that needs no more than the tests of learnkit is tested alike in every environment."""
    alike = required(described(package)) <= {"numpy", "pytest", "array-api-strict"}
    return pytest.param(package, id=package.name, marks=[pytest.mark.alike] if alike else [])


def installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def install(project: dict[str, Any], directory: Path) -> None:
    """Write what an installer would: what ``pyproject.toml`` says, as metadata beside the module."""
    info = directory / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    lines = [("Metadata-Version", "2.1"), ("Name", project["name"]), ("Version", project["version"])]
    lines += [("Requires-Dist", requirement) for requirement in project["dependencies"]]
    (info / "METADATA").write_text("".join(f"{key}: {value}\n" for key, value in lines))
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))


@pytest.mark.parametrize("package", [with_marks(package) for package in PACKAGES])
def test_a_package_passes_its_tests_when_installed(package: Path, tmp_path: Path) -> None:
    project = described(package)
    if missing := lacking(project):
        pytest.skip(f"{package.name} needs {', '.join(missing)}")
    install(project, tmp_path)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LEARNKIT_", "PYTEST_"))}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (package, tmp_path, ROOT)))
    environment["LEARNKIT_STRICT_PLUGINS"] = "1"
    environment["LEARNKIT_PLUGINS"] = project["name"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--doctest-modules", "."]
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    readme = (package / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL):
        command = [sys.executable, "-W", "error", "-c", block]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, block + done.stderr


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_is_complete(package: Path) -> None:
    """A README that installs it by its name, tests, and an entry point for each group that it is in."""
    project = described(package)
    assert project["name"] == package.name
    assert f"pip install {package.name}" in (package / "README.md").read_text(encoding="utf-8")
    assert project["dependencies"][0].startswith("pylearnkit>=")
    assert set(project["entry-points"]) <= {"learnkit", "learnkit.runs"}
    assert list((package / "tests").glob("test_*.py"))
