"""The training step of the peers: the same network, start values, batches, loss and update.

Each is written as its users write it: PyTorch eager with the fused optimizer, JAX as one jitted function with
donated buffers and optax, scikit-learn through ``partial_fit``.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import fields
from typing import Any

from learnkit.bench.case import BATCHES, Case
from learnkit.bench.environment import processors
from learnkit.bench.worker import Run
from learnkit.errors import ArgumentError
from learnkit.optim.base import Optimizer
from learnkit.plugins import registry

__all__ = [
    "MODULES",
    "counterpart",
    "jax_run",
    "sklearn_run",
    "torch_optimizer",
    "torch_run",
    "torch_threads",
]

#: By the name that ``--against`` takes: the modules that must be there, what to install, and the factory.
MODULES = {
    "torch": (("torch",), "torch", "PyTorch"),
    "jax": (("jax", "optax"), "jax optax", "JAX"),
    "sklearn": (("sklearn",), "scikit-learn", "scikit-learn"),
}
#: What each peer has, by the names of learnkit.
_RULES = {
    "torch": ("adam", "adamw", "sgd", "momentum", "nesterov", "lion"),
    "jax": ("adam", "adamw", "sgd", "momentum", "nesterov", "lion"),
    "sklearn": ("adam", "sgd", "momentum", "nesterov"),
}
#: Options that a peer is given as they are; any other must have its default.
_COMMON = ("lr", "betas", "eps", "momentum", "nesterov", "weight_decay")


def counterpart(peer: str, rule: Optimizer) -> dict[str, Any]:
    """The name and the options of an optimizer, for a peer that has it too.

    Raises:
        ArgumentError: it has not.
    """
    name = registry.name_of(rule)
    if name not in _RULES[peer]:
        raise ArgumentError(
            f"against {peer}: optimizer {name!r} has no counterpart there that it could be compared with",
            hint=f"those that have: {', '.join(_RULES[peer])}",
        )
    options: dict[str, Any] = {"name": name}
    for field in fields(rule):
        value = getattr(rule, field.name)
        if field.name in _COMMON:
            options[field.name] = value
        elif value != field.default:
            raise _lacking(peer, f"{name} with {field.name}={value!r}")
    if not isinstance(options["lr"], float):
        raise ArgumentError(f"against {peer}: the learning rate is {options['lr']!r}, expected a number")
    return options


def _lacking(peer: str, what: str) -> ArgumentError:
    return ArgumentError(f"against {peer}: {what} has no counterpart there")


def _nesterov(options: dict[str, Any]) -> bool:
    return options["name"] == "nesterov" or bool(options.get("nesterov"))


def torch_threads() -> None:
    """Let PyTorch compute on as many threads as ``OMP_NUM_THREADS`` says, else on all processors."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or processors()))


def torch_optimizer(options: dict[str, Any], parameters: Any, *, implementation: str = "fused") -> Any:
    """PyTorch's optimizer.

    Args:
        options: from :func:`counterpart`.
        parameters: its tensors.
        implementation: ``"fused"`` or ``"foreach"``.
    """
    import torch

    name, lr = options["name"], options["lr"]
    flags = {implementation: True}
    if name == "lion":
        return ForeachLion(parameters, lr, options["betas"], options["weight_decay"])
    if name == "adam":
        return torch.optim.Adam(parameters, lr=lr, betas=options["betas"], eps=options["eps"], **flags)
    if name == "adamw":
        return torch.optim.AdamW(
            parameters,
            lr=lr,
            betas=options["betas"],
            eps=options["eps"],
            weight_decay=options["weight_decay"],
            **flags,
        )
    return torch.optim.SGD(
        parameters,
        lr=lr,
        momentum=options["momentum"],
        weight_decay=options["weight_decay"],
        nesterov=_nesterov(options),
        **flags,
    )


class ForeachLion:
    """Lion, which PyTorch lacks, in its functions for lists of tensors, as its own optimizers are written."""

    def __init__(self, parameters: Any, lr: float, betas: tuple[float, float], weight_decay: float) -> None:
        import torch

        self.parameters = list(parameters)
        self.momenta = [torch.zeros_like(p) for p in self.parameters]
        self.lr, self.betas, self.weight_decay = lr, betas, weight_decay

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        """One update."""
        import torch

        with torch.no_grad():
            grads = [p.grad for p in self.parameters]
            if self.weight_decay:
                torch._foreach_mul_(self.parameters, 1 - self.lr * self.weight_decay)
            update = torch._foreach_lerp(self.momenta, grads, 1 - self.betas[0])
            torch._foreach_sign_(update)
            torch._foreach_add_(self.parameters, update, alpha=-self.lr)
            torch._foreach_lerp_(self.momenta, grads, 1 - self.betas[1])


def torch_model(case: Case, device: str) -> Any:
    """The case's network in PyTorch."""
    import torch

    layers: list[Any] = []
    for i, (n_in, n_out) in enumerate(itertools.pairwise(case.sizes)):
        layers += [torch.nn.ReLU()] if i else []
        layers.append(torch.nn.Linear(n_in, n_out))
    model = torch.nn.Sequential(*layers).to(device)
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), case.weights(), strict=True):
            parameter.copy_(torch.asarray(value.T.copy() if value.ndim == 2 else value))
    return model


def torch_run(device: str = "cpu", **case: Any) -> Run:
    """Steps of PyTorch."""
    import torch

    torch_threads()
    of = Case(**case)
    model = torch_model(of, device)
    optimizer = torch_optimizer(counterpart("torch", of.rule()), model.parameters())
    loss_of = torch.nn.CrossEntropyLoss()
    batches = [(torch.asarray(x, device=device), torch.asarray(y, device=device)) for x, y in of.batches()]

    def run(times: int) -> float:
        for i in range(times):
            x, y = batches[i % BATCHES]
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
        if device != "cpu":
            torch.cuda.synchronize()
        return float(loss.detach())

    return run


def jax_run(**case: Any) -> Run:
    """Steps of JAX."""
    import jax
    import jax.numpy as jnp
    import optax

    of = Case(**case)
    optimizer = _optax(counterpart("jax", of.rule()))
    state: dict[str, Any] = {"params": [jnp.asarray(a) for a in of.weights()]}
    state["slots"] = optimizer.init(state["params"])
    batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in of.batches()]

    def loss_of(params: list[Any], x: Any, y: Any) -> Any:
        for i in range(0, len(params), 2):
            x = (jax.nn.relu(x) if i else x) @ params[i] + params[i + 1]
        return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()

    def step(params: list[Any], slots: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        loss, gradient = jax.value_and_grad(loss_of)(params, x, y)
        updates, slots = optimizer.update(gradient, slots, params)
        return optax.apply_updates(params, updates), slots, loss

    jitted = jax.jit(step, donate_argnums=(0, 1))

    def run(times: int) -> float:
        params, slots = state["params"], state["slots"]
        for i in range(times):
            params, slots, loss = jitted(params, slots, *batches[i % BATCHES])
        jax.block_until_ready((params, slots, loss))
        state["params"], state["slots"] = params, slots
        return float(loss)

    return run


def _optax(options: dict[str, Any]) -> Any:
    import optax

    name, lr = options["name"], options["lr"]
    if name in ("sgd", "momentum", "nesterov"):
        if options["weight_decay"]:
            raise _lacking("jax", f"{name} with weight_decay")
        return optax.sgd(lr, options["momentum"] or None, _nesterov(options))
    b1, b2 = options["betas"]
    if name == "lion":
        return optax.lion(lr, b1, b2, weight_decay=options["weight_decay"])
    if name == "adamw":
        return optax.adamw(lr, b1, b2, options["eps"], weight_decay=options["weight_decay"])
    return optax.adam(lr, b1, b2, options["eps"])


def sklearn_run(**case: Any) -> Run:
    """Steps of scikit-learn's MLPClassifier, each a call of ``partial_fit``, from start values of its own."""
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    of = Case(**case)
    options = counterpart("sklearn", of.rule())
    adam = options["name"] == "adam"
    rule = (
        {"beta_1": options["betas"][0], "beta_2": options["betas"][1], "epsilon": options["eps"]}
        if adam
        else {
            "momentum": options["momentum"],
            "nesterovs_momentum": _nesterov(options),
        }
    )
    model = MLPClassifier(
        of.sizes[1:-1],
        solver="adam" if adam else "sgd",
        learning_rate_init=options["lr"],
        alpha=options.get("weight_decay", 0.0),
        batch_size=of.batch_size,
        **rule,
    )
    batches = of.batches()
    classes = np.arange(of.sizes[-1])

    def run(times: int) -> None:
        for i in range(times):
            model.partial_fit(*batches[i % BATCHES], classes=classes)

    return run
