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


def lacking(project: dict[str, Any]) -> list[str]:
    """The requirements of a package and its tests that are not installed here."""
    wanted = [*project["dependencies"], *project.get("optional-dependencies", {}).get("test", ())]
    names = {match.group() for text in wanted if (match := re.match(r"[\w.-]+", text))} - GIVEN
    return sorted(name for name in names if not installed(name))


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


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_passes_its_tests_when_installed(package: Path, tmp_path: Path) -> None:
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
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
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == package.name
    assert f"pip install {package.name}" in (package / "README.md").read_text(encoding="utf-8")
    assert project["dependencies"][0].startswith("pylearnkit>=")
    assert set(project["entry-points"]) <= {"learnkit", "learnkit.runs"}
    assert list((package / "tests").glob("test_*.py"))
