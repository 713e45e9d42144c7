"""The packages in ``plugins/`` are found by entry point, and their own tests pass against this tree."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_passes_its_tests_when_installed(package: Path, tmp_path: Path) -> None:
    """Written where an installer would: what its ``pyproject.toml`` says, as metadata beside its module."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    metadata = [("Metadata-Version", "2.1"), ("Name", project["name"]), ("Version", project["version"])]
    metadata += [("Requires-Dist", requirement) for requirement in project["dependencies"]]
    (info / "METADATA").write_text("".join(f"{key}: {value}\n" for key, value in metadata))
    entries = "".join(f"{k} = {v}\n" for k, v in project["entry-points"]["learnkit"].items())
    (info / "entry_points.txt").write_text("[learnkit]\n" + entries)

    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LEARNKIT_", "PYTEST_"))}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (package, tmp_path, ROOT)))
    environment["LEARNKIT_STRICT_PLUGINS"] = "1"
    environment["LEARNKIT_PLUGINS"] = project["name"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--doctest-modules", "."]
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
