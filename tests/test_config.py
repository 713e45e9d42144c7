"""config.py: a configuration and its TOML file say the same, and a wrong file is told with its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from learnkit.config import RunConfig, read_config, write_config
from learnkit.errors import ArgumentError

FULL = RunConfig(
    source="data.csv",
    target="price",
    task="regression",
    sep=";",
    header=False,
    missing="mean",
    ignore=("id",),
    categorical=("zip",),
    hidden=(64, 32),
    dropout=0.2,
    activation="tanh",
    loss={"name": "huber", "delta": 2},
    optimizer="sgd:momentum=0.9",
    schedule={"name": "onecycle", "pct_start": 0.2},
    init="xavier_uniform:gain=2",
    constraint={"name": "max_norm", "max_value": 3},
    layer="layer_norm",
    transform=("centralize", "weight_decay:weight_decay=0.1"),
    metric=("r2",),
    callback=("early_stopping:patience=3",),
    lr=0.1,
    clip=0,
    epochs=7,
    batch_size=16,
    test=0.3,
    validation=0.2,
    patience=0,
    seed=2**63 - 1,
    backend="numpy",
    device="cpu",
    dtype="float64",
)


@pytest.mark.parametrize(
    "config", [RunConfig(), FULL, RunConfig(hidden=())], ids=["default", "full", "linear"]
)
def test_a_file_gives_the_configuration_back(config: RunConfig, tmp_path: Path) -> None:
    pytest.importorskip("tomli_w")
    path = tmp_path / "run.toml"
    path.write_text(write_config(config), encoding="utf-8")
    assert read_config(path) == config


def test_components_may_be_tables(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('source = "digits"\n[optimizer]\nname = "adam"\nlr = 0.01\n', encoding="utf-8")
    assert read_config(path).optimizer == {"name": "adam", "lr": 0.01}


WRONG = [
    ("epoch = 3", ["unknown key 'epoch'", "did you mean 'epochs'"]),
    ('epochs = "3"', ["epochs is '3'", "integer >= 1"]),
    ("epochs = true", ["epochs is True", "integer >= 1"]),
    ("epochs = 0", ["epochs is 0", "integer >= 1"]),
    ("lr = nan", ["lr is nan", "> 0"]),
    ("clip = inf", ["clip is inf", ">= 0"]),
    ("test = 1.0", ["test is 1.0", "[0, 1)"]),
    ("hidden = [64, 0]", ["hidden is (64, 0)", "integers >= 1"]),
    ('ignore = "a"', ["ignore is 'a'", "list of column names"]),
    ('metric = "r2"', ["metric is 'r2'", "a list, each item a component"]),
    ('header = "no"', ["header is 'no'", "true or false"]),
    ("optimizer = 3", ["optimizer is 3", "component"]),
    ("[optimizer]\nlr = 0.1", ["optimizer is", "name"]),
    ("seed = -1", ["seed is -1"]),
    ('dtype = "half"', ["dtype is 'half'", "float32, float64"]),
    ("test = 0.6\nvalidation = 0.5", ["no rows to train on"]),
    ("epochs = 3\nlr : 1\n", ["is not a TOML file", "line 2"]),
]


@pytest.mark.parametrize(("text", "parts"), WRONG, ids=[w[0].replace("\n", " ") for w in WRONG])
def test_a_wrong_file_is_named_with_its_key(text: str, parts: list[str], tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ArgumentError) as caught:
        read_config(path)
    for part in ("run.toml", *parts):
        assert part in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"cannot read .*absent\.toml"):
        read_config(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes("source = 'grün'".encode("latin-1"))
    with pytest.raises(ArgumentError, match="not UTF-8"):
        read_config(tmp_path / "latin.toml")


def test_options_win_and_a_learning_rate_belongs_to_its_optimizer() -> None:
    start = RunConfig(source="digits", optimizer="adam:lr=0.1,eps=1e-6")
    assert start.with_options({"lr": 0.2}, {}).optimizer == {"name": "adam", "eps": 1e-6}
    start = RunConfig(source="digits", optimizer="adam", lr=0.1)
    assert start.with_options({"optimizer": "sgd"}, {}).lr is None
    assert start.with_options({"epochs": 3}, {}).lr == 0.1


def test_a_message_names_the_option_or_the_key() -> None:
    config = RunConfig.from_dict({"epochs": 3}, "run.toml")
    assert config.label("epochs") == "run.toml: epochs"
    with pytest.raises(ArgumentError, match=r"^--epochs is 0"):
        config.with_options({"epochs": 0}, {"epochs": "--epochs"})
