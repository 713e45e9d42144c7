"""Progress and history: one plain line an epoch in a pipe, a live one on a terminal, records in between."""

from __future__ import annotations

import io
import json
import re
import sys

import pytest

from learnkit import nn
from learnkit.errors import ArgumentError
from learnkit.training import EarlyStopping, EpochReport, History, Trainer
from learnkit.training.progress import PlainProgress, epoch_line, progress_for


def report(**changes):
    values = {
        "epoch": 3, "epochs": 20, "step": 30, "loss": 0.25, "val_loss": 0.5, "metrics": {"accuracy": 0.875},
        "lr": 1e-3, "grad_norm": 1.5, "seconds": 2.0, "rows": 6400, "best": False,
    }  # fmt: skip
    return EpochReport(**{**values, **changes})


LINES = [
    (
        {},
        None,
        "epoch  3/20  loss 0.2500  val_loss 0.5000  accuracy 0.8750  lr 1.00e-03  |grad| 1.50  3,200 rows/s",
    ),
    ({"best": True}, None, "|grad| 1.50  3,200 rows/s *"),
    ({"val_loss": None, "metrics": {}}, None, "epoch  3/20  loss 0.2500  lr 1.00e-03"),
    ({"grad_norm": 0.00123}, None, "|grad| 0.00123"),
    ({"loss": 123456.7}, None, "loss 123457"),
    ({"loss": float("nan")}, None, "loss nan"),
    ({"seconds": 0.0}, None, "|grad| 1.50"),
    ({}, 12.4, "rows/s  12s left"),
    ({}, 75.0, "rows/s  1m15s left"),
    ({}, 3720.0, "rows/s  1h02m left"),
    ({"epoch": 20}, 0.0, "3,200 rows/s"),
]


@pytest.mark.parametrize(("changes", "left", "text"), LINES)
def test_the_line_of_an_epoch(changes, left, text):
    line = epoch_line(report(**changes), left)
    assert text in line
    assert line.isascii()
    assert line.startswith(f"epoch {changes.get('epoch', 3):>2}/20  ")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def fit(stream, monkeypatch, **options):
    monkeypatch.setattr(sys, "stdout", stream)
    trainer = Trainer(nn.Linear(1, 1), "mse", "sgd:lr=0.1", metrics=["mae"])
    x = [[0.0], [1.0], [2.0], [3.0]]
    trainer.fit(x, [0.0, 2.0, 4.0, 6.0], epochs=3, batch_size=2, **options)
    return stream.getvalue()


def test_in_a_pipe_one_plain_line_an_epoch(monkeypatch):
    """No escape codes, no carriage returns, nothing but ASCII."""
    text = fit(io.StringIO(), monkeypatch)
    lines = text.splitlines()
    assert len(lines) == 3
    for i, line in enumerate(lines, start=1):
        assert re.fullmatch(
            rf"epoch {i}/3  loss \d+\.\d{{4}}  mae \d+\.\d{{4}}  lr 1\.00e-01  \|grad\| [\d.e-]+"
            r"  [\d,]+ rows/s(  \d+s left)?( \*)?",
            line,
        ), line
    assert "\x1b" not in text
    assert "\r" not in text
    assert text.isascii()


def test_early_stopping_is_said(monkeypatch):
    text = fit(io.StringIO(), monkeypatch, early_stopping=EarlyStopping("loss", 0, min_delta=100.0))
    assert text.splitlines()[-1].startswith("stopped early: loss has not improved for 1 epochs (best ")


def test_nothing_is_printed_unless_verbose(monkeypatch):
    assert fit(io.StringIO(), monkeypatch, verbose=False) == ""


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    text = fit(Terminal(), monkeypatch)
    assert len(text.splitlines()) == 3
    assert "\x1b" not in text


def test_a_terminal_gets_a_bar_and_the_same_lines(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = fit(Terminal(), monkeypatch, early_stopping=EarlyStopping("loss", 0, min_delta=100.0))
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    assert "\x1b[" in text
    assert "epoch 1/3  loss " in plain
    assert "stopped early: loss has not improved" in plain


def test_no_color_is_respected(monkeypatch):
    """With NO_COLOR set a terminal gets no colour and no bold, only what moves the bar."""
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    text = fit(Terminal(), monkeypatch)
    for codes in re.findall(r"\x1b\[([0-9;]*)m", text):
        for code in codes.split(";"):
            assert not (code and 30 <= int(code) <= 107), f"a colour: {code}"
    assert "epoch 1/3  loss " in text


def test_without_rich_a_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert isinstance(progress_for(3, 2, Terminal()), PlainProgress)


# History


def test_values_by_name():
    history = History([report(epoch=1, loss=1.0), report(epoch=2, loss=0.5, best=True), report(epoch=3)])
    assert history["loss"] == [1.0, 0.5, 0.25]
    assert history["val_loss"] == [0.5, 0.5, 0.5]
    assert history["accuracy"] == [0.875] * 3
    assert history.best.epoch == 2
    assert len(history) == 3
    assert History().best is None
    with pytest.raises(
        ArgumentError, match=r"no value 'acuracy' is reported \(did you mean 'accuracy'\?\); known: acc"
    ):
        _ = history["acuracy"]


def test_records_go_and_come_back():
    """With times exactly; without them two equal runs give equal records."""
    history = History([report(epoch=1), report(epoch=2, seconds=3.0, val_loss=None, metrics={})])
    assert History.from_records(history.records()) == history
    again = History([report(epoch=1, seconds=9.0), report(epoch=2, seconds=1.0, val_loss=None, metrics={})])
    assert again.records(timing=False) == history.records(timing=False)
    assert History.from_records(history.records(timing=False)).epochs[1].seconds == 0.0
    lines = history.to_jsonl().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]


def test_reports_cannot_be_changed():
    with pytest.raises(AttributeError):
        report().loss = 0.0
