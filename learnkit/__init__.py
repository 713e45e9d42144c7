"""The learning process of neural networks, written once against the Python Array API standard.

::

    import learnkit as lk

    model = lk.nn.Sequential(lk.nn.Linear(64, 128), lk.nn.ReLU(), lk.nn.Linear(128, 10))
    trainer = lk.Trainer(model, loss="cross_entropy", optimizer="adamw:lr=3e-3", metrics=["accuracy"])
    history = trainer.fit(x, y, validation_split=0.1, epochs=20, batch_size=64)

Names are looked up when they are first used, so ``import learnkit`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learnkit import (
        augment,
        autodiff,
        backends,
        data,
        errors,
        losses,
        metrics,
        nn,
        optim,
        plugins,
        schedules,
        testing,
        training,
    )
    from learnkit.autodiff import (
        check_grads,
        checkpoint,
        custom_vjp,
        detect_anomaly,
        fuse,
        grad,
        hessian,
        hvp,
        jacobian,
        jvp,
        per_example_grad,
        stop_gradient,
        value_and_grad,
        vjp,
    )
    from learnkit.autodiff.explain import explain
    from learnkit.backends import array_namespace, get_backend, precision, use_backend, use_kernels
    from learnkit.conventions import convention
    from learnkit.plugins.incode import (
        register_activation,
        register_augmentation,
        register_backend,
        register_callback,
        register_command,
        register_constraint,
        register_dataset,
        register_exporter,
        register_initializer,
        register_kernel,
        register_layer,
        register_loss,
        register_metric,
        register_optimizer,
        register_reader,
        register_schedule,
        register_transform,
        registered,
    )
    from learnkit.plugins.runs import watching
    from learnkit.training import Callback, EarlyStopping, ModelCheckpoint, Trainer, find_lr, profile
    from learnkit.training.exporting import export

__version__ = "0.1.0"

__all__ = [
    "Callback",
    "EarlyStopping",
    "ModelCheckpoint",
    "Trainer",
    "__version__",
    "array_namespace",
    "augment",
    "autodiff",
    "backends",
    "check_grads",
    "checkpoint",
    "convention",
    "custom_vjp",
    "data",
    "detect_anomaly",
    "errors",
    "explain",
    "fuse",
    "export",
    "find_lr",
    "get_backend",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "losses",
    "metrics",
    "nn",
    "optim",
    "per_example_grad",
    "plugins",
    "precision",
    "profile",
    "register_activation",
    "register_augmentation",
    "register_backend",
    "register_callback",
    "register_command",
    "register_constraint",
    "register_dataset",
    "register_exporter",
    "register_initializer",
    "register_kernel",
    "register_layer",
    "register_loss",
    "register_metric",
    "register_optimizer",
    "register_reader",
    "register_schedule",
    "register_transform",
    "registered",
    "schedules",
    "stop_gradient",
    "testing",
    "training",
    "use_backend",
    "use_kernels",
    "value_and_grad",
    "vjp",
    "watching",
]

_PACKAGES = frozenset(
    [
        "augment",
        "autodiff",
        "backends",
        "data",
        "errors",
        "losses",
        "metrics",
        "nn",
        "optim",
        "plugins",
        "schedules",
        "testing",
        "training",
    ]
)
_WHERE = {
    "Callback": "learnkit.training",
    "EarlyStopping": "learnkit.training",
    "ModelCheckpoint": "learnkit.training",
    "Trainer": "learnkit.training",
    "array_namespace": "learnkit.backends",
    "check_grads": "learnkit.autodiff",
    "checkpoint": "learnkit.autodiff",
    "convention": "learnkit.conventions",
    "custom_vjp": "learnkit.autodiff",
    "detect_anomaly": "learnkit.autodiff",
    "explain": "learnkit.autodiff",
    "fuse": "learnkit.autodiff",
    "export": "learnkit.training.exporting",
    "find_lr": "learnkit.training",
    "profile": "learnkit.training",
    "get_backend": "learnkit.backends",
    "grad": "learnkit.autodiff",
    "hessian": "learnkit.autodiff",
    "hvp": "learnkit.autodiff",
    "jacobian": "learnkit.autodiff",
    "jvp": "learnkit.autodiff",
    "per_example_grad": "learnkit.autodiff",
    "register_activation": "learnkit.plugins.incode",
    "register_augmentation": "learnkit.plugins.incode",
    "register_backend": "learnkit.plugins.incode",
    "register_callback": "learnkit.plugins.incode",
    "register_command": "learnkit.plugins.incode",
    "register_constraint": "learnkit.plugins.incode",
    "register_dataset": "learnkit.plugins.incode",
    "register_exporter": "learnkit.plugins.incode",
    "register_initializer": "learnkit.plugins.incode",
    "register_kernel": "learnkit.plugins.incode",
    "register_layer": "learnkit.plugins.incode",
    "register_loss": "learnkit.plugins.incode",
    "register_metric": "learnkit.plugins.incode",
    "register_optimizer": "learnkit.plugins.incode",
    "register_reader": "learnkit.plugins.incode",
    "register_schedule": "learnkit.plugins.incode",
    "register_transform": "learnkit.plugins.incode",
    "registered": "learnkit.plugins.incode",
    "stop_gradient": "learnkit.autodiff",
    "use_backend": "learnkit.backends",
    "precision": "learnkit.backends",
    "use_kernels": "learnkit.backends",
    "value_and_grad": "learnkit.autodiff",
    "vjp": "learnkit.autodiff",
    "watching": "learnkit.plugins.runs",
}


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"learnkit.{name}")
    if name in _WHERE:
        value = getattr(importlib.import_module(_WHERE[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'learnkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
