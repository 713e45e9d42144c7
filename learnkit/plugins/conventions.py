"""What other libraries have by default, in the options of learnkit's components.

learnkit's own defaults are PyTorch's. An entry is what makes a component that library's: ``{}`` where
nothing differs, and with a ``"name"`` another component that has that library's formula. A component
that is not listed is one that the library does not have, or has with a formula that no options give.
Every entry is compared with numbers that the library computed.

=============  ==================================================================================
``"keras"``    Keras 3
``"optax"``    the libraries of JAX: Optax, with Flax's layers and the functions of ``jax.nn``
``"chainer"``  Chainer 7
=============  ==================================================================================

What options cannot say:

* In Keras ``weight_decay`` of every optimizer is decoupled; here only that of ``adamw`` is, and
  ``chain(WeightDecay(0.01), rule)`` decouples it from any rule.
* Keras's plateau counts the first look after a cut out of the cooldown: its cooldown c is c - 1 here.
* Keras's losses take probabilities where these take logits, unless an option here says otherwise.
* Optax's ``amsgrad`` is ``adam:amsgrad=corrected``.
* Keras has a layer LeakyReLU with the slope 0.3, which is the one meant here, and a function with 0.2.
* Chainer's NesterovAG differs from the formula of its paper, so it is not listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from learnkit.errors import ArgumentError, did_you_mean

__all__ = ["CONVENTIONS", "check_convention", "preset"]

#: kind: name: options.
Presets = Mapping[str, Mapping[str, Mapping[str, Any]]]

_SAME: dict[str, Any] = {}


def _same(*names: str) -> dict[str, dict[str, Any]]:
    return dict.fromkeys(names, _SAME)


def _scaled(scale: float, mode: str, distribution: str = "truncated_normal") -> dict[str, Any]:
    """A start of a normal that is cut and made as wide as before, which Keras and JAX call normal."""
    return {"name": "variance_scaling", "scale": scale, "mode": mode, "distribution": distribution}


_CUT_NORMALS = {
    "xavier_normal": _scaled(1.0, "fan_avg"),
    "glorot_normal": _scaled(1.0, "fan_avg"),
    "he_normal": _scaled(2.0, "fan_in"),
    "kaiming_normal": _scaled(2.0, "fan_in"),
    "lecun_normal": _scaled(1.0, "fan_in"),
}
_UNIFORMS = _same(
    "xavier_uniform", "glorot_uniform", "he_uniform", "kaiming_uniform", "lecun_uniform", "zeros", "ones"
)

_KERAS: Presets = {
    "optimizer": {
        "sgd": {"lr": 0.01, "lr_in_velocity": True},
        "momentum": {"lr": 0.01, "lr_in_velocity": True},
        "nesterov": {"lr": 0.01, "lr_in_velocity": True},
        "rmsprop": {"lr": 1e-3, "alpha": 0.9, "eps": 1e-7, "eps_inside_root": True, "lr_in_momentum": True},
        "adam": {"eps": 1e-7, "eps_placement": "hat"},
        "adamw": {"eps": 1e-7, "eps_placement": "hat", "weight_decay": 4e-3},
        "adadelta": {"lr": 1e-3, "rho": 0.95, "eps": 1e-7},
        "adagrad": {"lr": 1e-3, "initial_accumulator_value": 0.1, "eps": 1e-7, "eps_inside_root": True},
        "adamax": {"lr": 1e-3, "eps": 1e-7, "eps_outside": True},
        "nadam": {"lr": 1e-3, "eps": 1e-7, "momentum_decay": 1.0},
        "lion": {"lr": 1e-3},
    },
    "layer": {
        "batch_norm1d": {"momentum": 0.01, "eps": 1e-3, "unbiased_running_var": False},
        "batch_norm2d": {"momentum": 0.01, "eps": 1e-3, "unbiased_running_var": False},
        "layer_norm": {"eps": 1e-3},
        "group_norm": {"eps": 1e-3},
        "rms_norm": _SAME,
        "linear": {"weight_init": "glorot_uniform"},
        "embedding": {"weight_init": "uniform:low=-0.05,high=0.05"},
    },
    "activation": {
        "leaky_relu": {"negative_slope": 0.3},
        **_same(
            *("relu", "relu6", "elu", "celu", "selu", "gelu", "silu", "mish", "sigmoid", "log_sigmoid"),
            *("hard_sigmoid", "hard_swish", "hard_tanh", "tanh", "softsign", "softplus", "softmax"),
            *("log_softmax", "softshrink", "hardshrink", "squareplus"),
        ),
    },
    "initializer": {
        "normal": {"std": 0.05},
        "uniform": {"low": -0.05, "high": 0.05},
        "truncated_normal": {"std": 0.05, "a": -0.1, "b": 0.1},
        **_CUT_NORMALS,
        **_UNIFORMS,
        **_same("constant", "identity", "orthogonal", "variance_scaling"),
    },
    "loss": {
        "mape": {"percent": True},
        "poisson_nll": {"log_input": False, "eps": 1e-7},
        "binary_cross_entropy": {"from_logits": False},
        "binary_focal": {"alpha": None},
        "kl_divergence": {"from_logits": False},
        "dice": {"smooth": 1e-7, "from_logits": False, "batch": True},
        "tversky": {"smooth": 1e-7, "from_logits": False, "batch": True, "alpha": 0.5, "beta": 0.5},
        **_same("mse", "mae", "huber", "log_cosh", "msle", "cross_entropy", "hinge", "squared_hinge"),
    },
    "schedule": {
        "cosine_warm_restarts": {"T_mult": 2},
        "multistep": {"keep_at_milestone": True},
        "polynomial": {"min_lr": 1e-4},
        "warmup": {"start": 0.0},
        "reduce_on_plateau": {"threshold_mode": "abs", "inclusive": True, "eps": 0.0},
        **_same("cosine", "exponential", "time"),
    },
}

_OPTAX: Presets = {
    "optimizer": {
        "adamw": {"weight_decay": 1e-4},
        "rmsprop": {"alpha": 0.9, "eps_inside_root": True, "lr_in_momentum": True},
        "adagrad": {"initial_accumulator_value": 0.1, "eps": 1e-7, "eps_inside_root": True},
        "nadam": {"momentum_decay": None},
        "lion": {"weight_decay": 1e-3},
        "novograd": {"betas": (0.9, 0.25), "eps": 1e-6},
        **_same("sgd", "momentum", "nesterov", "adam", "adadelta", "adamax", "radam", "adabelief", "yogi"),
        **_same("lamb", "lars"),
    },
    "layer": {
        "batch_norm1d": {"momentum": 0.01, "unbiased_running_var": False},
        "batch_norm2d": {"momentum": 0.01, "unbiased_running_var": False},
        "layer_norm": {"eps": 1e-6},
        "group_norm": {"eps": 1e-6},
        "rms_norm": _SAME,
        "linear": {"weight_init": "variance_scaling"},
        "embedding": {"weight_init": "variance_scaling:mode=fan_out,distribution=normal"},
    },
    "activation": {
        "gelu": {"approximate": "tanh"},
        **_same(
            *("relu", "relu6", "leaky_relu", "elu", "celu", "selu", "silu", "mish", "sigmoid"),
            *("log_sigmoid", "hard_sigmoid", "hard_swish", "hard_tanh", "tanh", "softsign", "softplus"),
            *("softmax", "log_softmax", "squareplus"),
        ),
    },
    "initializer": {
        "normal": {"std": 0.01},
        "uniform": {"high": 0.01},
        "truncated_normal": {"std": 0.01, "a": -0.02, "b": 0.02},
        **_CUT_NORMALS,
        **_UNIFORMS,
        "orthogonal": _SAME,
    },
    "loss": {
        "mse": {"half": True},
        "binary_focal": {"alpha": None},
        "kl_divergence": {"from_logits": False},
        **_same("huber", "log_cosh", "binary_cross_entropy", "cross_entropy", "hinge"),
    },
    "schedule": {
        "warmup": {"start": 0.0},
        "onecycle": {"end_inclusive": False},
        "one_cycle": {"end_inclusive": False},
        "cosine_warm_restarts": {"start": 0.0},
        "reduce_on_plateau": {"inclusive": True, "eps": 0.0},
        **_same("constant", "exponential", "cosine", "linear", "polynomial", "multistep", "join"),
    },
}

_CHAINER: Presets = {
    "optimizer": {
        "sgd": {"lr": 0.01},
        "momentum": {"lr": 0.01, "lr_in_velocity": True},
        "adam": {"eps_placement": "hat"},
        "adamw": {"eps_placement": "hat", "weight_decay": 0.0, "decay_coupling": "none"},
        "rmsprop": _SAME,
        "adagrad": {"lr": 1e-3, "eps": 1e-8},
        "adadelta": {"rho": 0.95},
    },
    "layer": {
        "batch_norm1d": {"eps": 2e-5},
        "batch_norm2d": {"eps": 2e-5},
        "layer_norm": {"eps": 1e-6},
        "group_norm": _SAME,
        "linear": {"weight_init": "lecun_normal"},
        "embedding": _SAME,
    },
    "activation": {
        "leaky_relu": {"negative_slope": 0.2},
        "hard_sigmoid": {"slope": 0.2},
        **_same("relu", "relu6", "elu", "selu", "sigmoid", "tanh", "softplus", "softmax", "log_softmax"),
    },
    "initializer": {
        "normal": {"std": 0.05},
        "uniform": {"low": -0.05, "high": 0.05},
        **_same("xavier_normal", "glorot_normal", "he_normal", "kaiming_normal", "lecun_normal"),
        **_UNIFORMS,
    },
    "loss": {"cross_entropy": {"ignore_index": -1}, **_same("mse", "mae", "binary_cross_entropy")},
}

#: convention: its presets.
CONVENTIONS: Mapping[str, Presets] = {"keras": _KERAS, "optax": _OPTAX, "chainer": _CHAINER}


def check_convention(convention: Any) -> None:
    """Check that there is such a convention.

    Raises:
        ArgumentError: there is not.
    """
    if not isinstance(convention, str) or convention not in CONVENTIONS:
        near = did_you_mean(convention, CONVENTIONS) if isinstance(convention, str) else ""
        raise ArgumentError(
            f"unknown convention {convention!r}{near}", hint=f"known: {', '.join(CONVENTIONS)}"
        )


def preset(convention: Any, kind: str, name: str) -> tuple[str, dict[str, Any]]:
    """The component and the options that have the formula and the defaults of another library.

    Args:
        convention: one of :data:`CONVENTIONS`.
        kind, name: of the component.

    Returns:
        The name, as a rule the given one, and its options.

    Raises:
        ArgumentError: the convention is unknown, or the library has no such component.

    >>> preset("keras", "optimizer", "adam")
    ('adam', {'eps': 1e-07, 'eps_placement': 'hat'})
    """
    check_convention(convention)
    known = CONVENTIONS[convention].get(kind, {})
    if name not in known:
        raise ArgumentError(
            f"no convention {convention!r} for the {kind} {name!r}{did_you_mean(name, known)}",
            hint=f"there is one for: {', '.join(sorted(known)) or f'no {kind}'}\n"
            "without a convention it has learnkit's defaults",
        )
    options = dict(known[name])
    return options.pop("name", name), options
