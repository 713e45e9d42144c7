"""A path that cannot be read: what is there, and what may have been meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from learnkit.data import load_source
from learnkit.errors import DataError

GOOD = "x,y\n1,0\n2,1\n3,0\n4,1\n"


class TestMissingFile:
    """Fault 1: the path and its neighbours are in the message."""

    def test_did_you_mean(self, write: Any, tmp_path: Path) -> None:
        write(GOOD, "diamonds.csv")
        with pytest.raises(
            DataError, match=r"no such file: '.*diamond\.csv' \(did you mean 'diamonds\.csv'\?\)"
        ):
            load_source(tmp_path / "diamond.csv")

    def test_lists_data_files(self, write: Any, tmp_path: Path) -> None:
        for i in range(7):
            write(GOOD, f"part{i}.csv")
        with pytest.raises(DataError, match=r"data files in .*: part0\.csv, .*part4\.csv and 2 more"):
            load_source(tmp_path / "other.csv")

    def test_no_directory(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"the directory '.*nowhere' does not exist"):
            load_source(tmp_path / "nowhere" / "data.csv")

    def test_directory(self, tmp_path: Path) -> None:
        (tmp_path / "folder.csv").mkdir()
        with pytest.raises(DataError, match=r"folder\.csv' is a directory without IDX images"):
            load_source(tmp_path / "folder.csv")

    def test_no_permission(self, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write(GOOD)

        def refuse(self: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(DataError, match=r"no permission to read '.*data\.csv'"):
            load_source(path)

    def test_unreadable(self, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write(GOOD)

        def refuse(self: Path) -> bytes:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(DataError, match=r"cannot read '.*data\.csv': Input/output error"):
            load_source(path)
