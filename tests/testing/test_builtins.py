"""Every built-in component passes the public checks: they raise no false alarm."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn, optim, schedules
from learnkit.plugins import registry
from learnkit.plugins.hookspecs import HOOKS
from learnkit.testing import checks_for, run_checks
from learnkit.testing.making import sample_options

rng = np.random.default_rng(3)

#: Options of those that cannot be made without; a component instead of options is taken as it is.
OPTIONS = {
    ("optimizer", "chain"): lambda: optim.chain(optim.ClipByGlobalNorm(1.0), optim.Adam(0.1)),
    ("optimizer", "groups"): lambda: optim.Groups(optim.Adam(0.1), (("*w*", {"lr": 0.05}),)),
    ("schedule", "exponential"): {"lr": 0.1, "gamma": 0.9},
    ("schedule", "join"): {
        "schedules": (schedules.Constant(0.1), schedules.Cosine(0.1)),
        "boundaries": (10,),
    },
    ("schedule", "lambda"): lambda: schedules.Lambda(0.5, _half),
    ("schedule", "product"): {"schedules": (schedules.Constant(0.1), schedules.Cosine(0.1))},
    ("layer", "lambda"): lambda: nn.Lambda(nn.activations.silu),
    ("layer", "mlp"): {"sizes": (4, 5, 2)},
    ("layer", "permute"): {"axes": (1, 0)},
    ("layer", "weight_norm"): lambda: nn.WeightNorm(nn.Linear(4, 3)),
    ("layer", "add"): lambda: nn.Add(nn.Linear(4, 3), nn.Linear(4, 3)),
    ("layer", "concat"): lambda: nn.Concat(nn.Linear(4, 3), nn.Linear(4, 2)),
    ("layer", "parallel"): lambda: nn.Parallel(nn.Linear(4, 3), nn.Linear(4, 2)),
    ("layer", "sequential"): lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh()),
    ("layer", "residual"): lambda: nn.Residual(nn.Linear(4, 4)),
    ("metric", "in_original_units"): {"metric": "rmse", "scale": 2.0},
}
#: What the checks cannot guess.
NEEDS = {
    "ctc": {"y_pred": rng.normal(size=(3, 6, 4)), "y_true": np.asarray([[1, 2, -1], [2, 2, 3], [3, -1, -1]])},
    "gaussian_nll": {
        "y_pred": np.concatenate([rng.normal(size=(5, 3)), rng.uniform(0.5, 2.0, size=(5, 3))], axis=1),
        "y_true": rng.normal(size=(5, 3)),
        "extremes": False,
    },
    "nt_xent": {"independent": False},
    "bilinear": {"x": (rng.normal(size=(5, 4)), rng.normal(size=(5, 4)))},
}
#: Kinds whose components are functions or modules of their own, which other tests look at.
APART = ("backend", "dataset", "reader", "exporter", "command", "kernel")
ALL = [
    (kind, name) for kind in HOOKS if kind not in APART for name in registry.names(kind, third_party=False)
]


def _half(step):
    return 0.5 / (1 + step)


def made(kind, name, folder):
    options = OPTIONS.get((kind, name))
    if callable(options):
        return options()
    if options is None:
        options = sample_options(registry.get(kind, name))
        options = {k: str(folder / "best") if "path" in k else v for k, v in options.items()}
    return registry.create(kind, {"name": name, **options})


@pytest.mark.parametrize(("kind", "name"), ALL, ids=[f"{kind}-{name}" for kind, name in ALL])
def test_every_built_in_component_passes(kind, name, tmp_path):
    """On strict, beside NumPy; the other libraries are the business of each family's own tests."""
    results = run_checks(made(kind, name, tmp_path), kind=kind, libraries=["strict"], **NEEDS.get(name, {}))
    assert [str(r) for r in results if not r.ok] == []
    assert sum(not r.skipped for r in results) >= 4, "nearly everything was skipped"


test_backends = checks_for(
    *(registry.get("backend", name) for name in ("numpy", "strict", "torch")), kind="backend"
)
test_the_bundled_data = checks_for(registry.get("dataset", "digits"), kind="dataset")
test_one_of_each_on_all_libraries = checks_for(
    registry.create("loss", "huber"),
    registry.create("optimizer", "adamw"),
    registry.create("metric", "r2"),
    nn.LayerNorm(4),
)
test_exporters = checks_for(
    *(registry.get("exporter", name) for name in registry.names("exporter", third_party=False)),
    kind="exporter",
)
