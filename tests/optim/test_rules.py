"""Every rule against its equation in plain NumPy, written out again from the paper: 200 steps to 1e-12.

Each row of ``LITERAL`` names the rule and a generator that is sent ``(grad, lr, t)`` for one array and
yields the new parameters. The problems are those of the golden traces: Rosenbrock's valley, gradients of
1e-7, gradients of zero, a small network; and the learning rate drops in the middle of the run.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import pytest

from learnkit import optim
from learnkit.plugins import registry
from learnkit.schedules import Schedule

PATH = Path(__file__).parents[1] / "golden" / "make_golden.py"
_spec = importlib.util.spec_from_file_location("make_golden", PATH)
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)


@dataclass(frozen=True)
class Drop(Schedule):
    """A tenth from the middle of the run on."""

    lr: float

    def __call__(self, step):
        return made.lr_at(self.lr, step)


def rms(x):
    return np.sqrt(np.mean(x**2))


def norm(x):
    return np.sqrt(np.sum(x**2))


def sgd(x, mu=0.0, damp=0.0, wd=0.0, nesterov=False, inside=False):
    v = None
    while True:
        g, lr, _ = yield x
        g = g + wd * x
        push = lr * g if inside else g
        v = push if v is None else mu * v + (1 - damp) * push
        move = push + mu * v if nesterov else v
        x = x - (1 if inside else lr) * move


def asgd(x, lambd, alpha, t0, wd):
    while True:
        g, lr, t = yield x
        eta = lr / (1 + lambd * lr * (t - 1)) ** alpha
        x = x - eta * lambd * x - eta * (g + wd * x)


def adagrad(x, start=0.0, eps=1e-10, inside=False, lr_decay=0.0, wd=0.0):
    total = start
    while True:
        g, lr, t = yield x
        g = g + wd * x
        total = total + g**2
        root = np.sqrt(total + eps) if inside else np.sqrt(total) + eps
        x = x - lr / (1 + (t - 1) * lr_decay) * g / root


def adadelta(x, rho, eps, wd):
    v = u = 0.0
    while True:
        g, lr, _ = yield x
        g = g + wd * x
        v = rho * v + (1 - rho) * g**2
        d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d**2
        x = x - lr * d


def rmsprop(x, alpha, eps, mu=0.0, centered=False, inside=False, lr_inside=False):
    v = mean = b = 0.0
    while True:
        g, lr, _ = yield x
        v = alpha * v + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        spread = v - mean**2 if centered else v
        r = g / (np.sqrt(spread + eps) if inside else np.sqrt(spread) + eps)
        b = mu * b + (lr * r if lr_inside else r)
        x = x - (b if lr_inside else lr * b)


def adam(x, b1=0.9, b2=0.999, eps=1e-8, l2=0.0, decay=None, amsgrad=False, hat=False):
    m = v = largest = 0.0
    while True:
        g, lr, t = yield x
        g = g + l2 * x
        if decay:
            x = x * (1 - decay(lr))
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        c1, c2 = 1 - b1**t, 1 - b2**t
        v_hat = v / c2
        if amsgrad == "corrected":
            v_hat = largest = np.maximum(largest, v / c2)
        elif amsgrad:
            largest = np.maximum(largest, v)
            v_hat = largest / c2
        if hat:
            x = x - lr * np.sqrt(c2) / c1 * m / (np.sqrt(v_hat * c2) + eps)
        else:
            x = x - lr * (m / c1) / (np.sqrt(v_hat) + eps)


def adamax(x, b1=0.9, b2=0.999, eps=1e-8, outside=False):
    m = u = 0.0
    while True:
        g, lr, t = yield x
        m = b1 * m + (1 - b1) * g
        u = np.maximum(b2 * u, abs(g) + (0 if outside else eps))
        x = x - lr / (1 - b1**t) * m / (u + eps if outside else u)


def nadam(x, mu, b1=0.9, b2=0.999, eps=1e-8):
    m = v = 0.0
    while True:
        g, lr, t = yield x
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        upto = prod(mu(i) for i in range(1, t + 1))
        m_hat = mu(t + 1) * m / (1 - upto * mu(t + 1)) + (1 - mu(t)) * g / (1 - upto)
        x = x - lr * m_hat / (np.sqrt(v / (1 - b2**t)) + eps)


def radam(x, b1=0.9, b2=0.999, eps=1e-8, wd=0.0):
    m = v = 0.0
    longest = 2 / (1 - b2) - 1
    while True:
        g, lr, t = yield x
        x = x * (1 - lr * wd)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        rho = longest - 2 * t * b2**t / (1 - b2**t)
        if rho > 5:
            r = np.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
            x = x - lr * r * m_hat / (np.sqrt(v_hat) + eps)
        else:
            x = x - lr * m_hat


def adabelief(x, b1=0.9, b2=0.999, eps=1e-16, wd=0.1):
    m = s = 0.0
    while True:
        g, lr, t = yield x
        x = x - lr * wd * x
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps
        x = x - lr * (m / (1 - b1**t)) / (np.sqrt(s / (1 - b2**t)) + eps)


def yogi(x, b1=0.9, b2=0.999, eps=1e-3, start=1e-6, wd=0.1):
    m = v = start
    while True:
        g, lr, t = yield x
        x = x - lr * wd * x
        m = b1 * m + (1 - b1) * g
        v = v - (1 - b2) * np.sign(v - g**2) * g**2
        x = x - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)


def adan(x, b1=0.02, b2=0.08, b3=0.01, eps=1e-8, wd=0.1, prox=True):
    """With the paper's betas, which are 1 - ours."""
    m = v = n = 0.0
    before = None
    while True:
        g, lr, t = yield x
        d = 0.0 if before is None else g - before
        m = (1 - b1) * m + b1 * g
        v = (1 - b2) * v + b2 * d
        n = (1 - b3) * n + b3 * (g + (1 - b2) * d) ** 2
        m_hat, v_hat, n_hat = (a / (1 - (1 - b) ** t) for a, b in ((m, b1), (v, b2), (n, b3)))
        eta = lr / (np.sqrt(n_hat) + eps)
        if prox:
            x = (x - eta * (m_hat + (1 - b2) * v_hat)) / (1 + lr * wd)
        else:
            x = (1 - lr * wd) * x - eta * (m_hat + (1 - b2) * v_hat)
        before = g


def lion(x, b1=0.9, b2=0.99, wd=0.1):
    m = 0.0
    while True:
        g, lr, _ = yield x
        c = b1 * m + (1 - b1) * g
        x = x - lr * (np.sign(c) + wd * x)
        m = b2 * m + (1 - b2) * g


def rprop(x, size, down=0.5, up=1.2, low=1e-6, high=50.0):
    """Element by element, as in the paper."""
    size = np.full(x.shape, size)
    before = np.zeros(x.shape)
    while True:
        g, _, _ = yield x
        x = x.copy()
        for i in np.ndindex(x.shape):
            gradient = g[i]
            if before[i] * gradient > 0:
                size[i] = min(size[i] * up, high)
            elif before[i] * gradient < 0:
                size[i] = max(size[i] * down, low)
                gradient = 0.0
            x[i] -= np.sign(gradient) * size[i]
            before[i] = gradient


def lamb(x, b1=0.9, b2=0.999, eps=1e-6, wd=0.1, vectors=True):
    m = v = 0.0
    while True:
        g, lr, t = yield x
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        u = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps) + wd * x
        trust = norm(x) / norm(u) if norm(x) and norm(u) and (vectors or x.ndim > 1) else 1.0
        x = x - lr * trust * u


def lars(x, mu=0.9, wd=0.1, trust=1e-3, eps=0.0, vectors=True):
    v = 0.0
    while True:
        g, lr, _ = yield x
        scaled = norm(x) and norm(g) and (vectors or x.ndim > 1)
        rate = trust * norm(x) / (norm(g) + wd * norm(x) + eps) if scaled else 1.0
        v = mu * v + lr * rate * (g + wd * x)
        x = x - v


def novograd(x, b1=0.95, b2=0.98, eps=1e-8, wd=0.01, averaging=False):
    v, m = None, None
    while True:
        g, lr, _ = yield x
        v = norm(g) ** 2 if v is None else b2 * v + (1 - b2) * norm(g) ** 2
        part = g / (np.sqrt(v) + eps) + wd * x
        m = part if m is None else b1 * m + (1 - b1 if averaging else 1) * part
        x = x - lr * m


def adafactor(x, eps1=None, eps2=1e-3, d=1.0, wd=0.0, power=0.8, relative=True, square=False):
    r, c, v = 0.0, 0.0, 0.0
    if eps1 is None:
        eps1 = 1e-30 if square else np.finfo(x.dtype).eps
    while True:
        g, lr, t = yield x
        b2 = 1 - t**-power
        rho = min(lr, t**-0.5) if relative else lr
        alpha = max(eps2, rms(x)) * rho
        squares = g**2 + (eps1 if square else 0.0)
        if x.ndim == 2:
            r = b2 * r + (1 - b2) * squares.sum(axis=1)
            c = b2 * c + (1 - b2) * squares.sum(axis=0)
            # Sums as in the paper; those of PyTorch are means, so the floor is that of a mean.
            n, k = x.shape
            below = r.sum() if square else max(r.sum() / (n * k), eps1) * n * k
            v = np.outer(r, c) / below
        else:
            v = b2 * v + (1 - b2) * squares
        u = g / (np.sqrt(v) if square else np.maximum(np.sqrt(v), eps1))
        if d is not None:
            u = u / max(1.0, rms(u) / d)
        x = x - lr * wd * x - alpha * u


def muon(x, mu=0.95, wd=0.1, nesterov=True, steps=5, ratio=lambda n, k: max(1.0, k / n) ** 0.5):
    if x.ndim != 2:
        yield from adam(x)
    m = 0.0
    while True:
        g, lr, _ = yield x
        m = mu * m + (1 - mu) * g
        u = mu * m + (1 - mu) * g if nesterov else m
        u = u / max(norm(u), 1e-7)
        for _ in range(steps):  # on the matrix as it stands: the polynomial does not mind
            u = 3.4445 * u - 4.7750 * u @ u.T @ u + 2.0315 * u @ u.T @ u @ u.T @ u
        x = x - lr * wd * x - lr * ratio(*x.shape) * u


def schedule_free_sgd(x, beta=0.9, wd=0.1, warmup=0, r=0.0, power=2.0):
    """The paper's three sequences; what is yielded is y."""
    z, y, total, largest = x, x, 0.0, 0.0
    while True:
        g, lr, t = yield y
        lr = lr * min(1.0, t / warmup) if warmup else lr
        largest = max(largest, lr)
        weight = t**r * largest**power
        total += weight
        z = z - lr * (g + wd * y)
        x = (1 - weight / total) * x + weight / total * z
        y = (1 - beta) * z + beta * x


def schedule_free_adamw(x, b1=0.9, b2=0.999, eps=1e-8, wd=0.1, warmup=10):
    z, y, v, total, largest = x, x, 0.0, 0.0, 0.0
    while True:
        g, lr, t = yield y
        lr = lr * min(1.0, t / warmup)
        largest = max(largest, lr)
        total += largest**2
        v = b2 * v + (1 - b2) * g**2
        z = z - lr * g / (np.sqrt(v / (1 - b2**t)) + eps) - lr * wd * y
        x = (1 - largest**2 / total) * x + largest**2 / total * z
        y = (1 - b1) * z + b1 * x


def prodigy(x, b1=0.9, b2=0.999, eps=1e-8, wd=0.1, d0=1e-6):
    """The paper's algorithm for Adam, for all parameters in one vector."""
    start, d, b3 = x, d0, np.sqrt(b2)
    m = v = s = r = 0.0
    while True:
        g, lr, _ = yield x
        m = b1 * m + (1 - b1) * d * g
        v = b2 * v + (1 - b2) * d**2 * g**2
        r = b3 * r + (1 - b3) * lr * d**2 * np.dot(g, start - x)
        s = b3 * s + (1 - b3) * lr * d**2 * g
        old, d = d, max(d, r / np.sum(abs(s)))
        x = (
            x - lr * old * wd * x - lr * old * m / (np.sqrt(v) + d * eps)
        )  # d of the next step, as in the code


def keras_mu(t):
    return 0.9 * (1 - 0.5 * 0.96**t)


#: row: (rule for a learning rate, the generator for one array, learning rate).
LITERAL = {
    "sgd": (optim.SGD, sgd, 2e-4),
    "sgd all": (
        lambda lr: optim.SGD(lr, momentum=0.8, dampening=0.3, weight_decay=0.1),
        lambda x: sgd(x, 0.8, 0.3, 0.1),
        2e-4,
    ),
    "sgd keras": (
        lambda lr: optim.SGD(lr, momentum=0.8, nesterov=True, lr_in_velocity=True),
        lambda x: sgd(x, 0.8, nesterov=True, inside=True),
        2e-4,
    ),
    "momentum": (optim.Momentum, lambda x: sgd(x, 0.9), 2e-4),
    "momentum keras": (
        lambda lr: optim.Momentum(lr, 0.8, weight_decay=0.1, lr_in_velocity=True),
        lambda x: sgd(x, 0.8, wd=0.1, inside=True),
        2e-4,
    ),
    "nesterov": (optim.Nesterov, lambda x: sgd(x, 0.9, nesterov=True), 2e-4),
    "asgd": (
        lambda lr: optim.ASGD(lr, 0.1, 0.5, 50.0, 0.1),
        lambda x: asgd(x, 0.1, 0.5, 50.0, 0.1),
        2e-4,
    ),
    "adagrad": (optim.Adagrad, adagrad, 1e-2),
    "adagrad keras": (
        lambda lr: optim.Adagrad(lr, 0.1, 0.2, initial_accumulator_value=0.1, eps=1e-7, eps_inside_root=True),
        lambda x: adagrad(x, 0.1, 1e-7, True, 0.1, 0.2),
        1e-2,
    ),
    "adadelta": (
        lambda lr: optim.Adadelta(lr, 0.8, 1e-5, 0.1),
        lambda x: adadelta(x, 0.8, 1e-5, 0.1),
        1.0,
    ),
    "rmsprop": (optim.RMSprop, lambda x: rmsprop(x, 0.99, 1e-8), 1e-3),
    "rmsprop keras": (
        lambda lr: optim.RMSprop(
            lr, 0.9, 1e-7, momentum=0.5, centered=True, eps_inside_root=True, lr_in_momentum=True
        ),
        lambda x: rmsprop(x, 0.9, 1e-7, 0.5, True, True, True),
        1e-3,
    ),
    "adam": (optim.Adam, adam, 1e-2),
    "adam keras": (
        lambda lr: optim.Adam(lr, eps=1e-7, l2=0.1, eps_placement="hat"),
        lambda x: adam(x, eps=1e-7, l2=0.1, hat=True),
        1e-2,
    ),
    "adam amsgrad": (
        lambda lr: optim.Adam(lr, betas=(0.9, 0.8), amsgrad=True, eps_placement="hat"),
        lambda x: adam(x, b2=0.8, amsgrad=True, hat=True),
        1e-2,
    ),
    "adam amsgrad corrected": (
        lambda lr: optim.Adam(lr, betas=(0.9, 0.8), amsgrad="corrected"),
        lambda x: adam(x, b2=0.8, amsgrad="corrected"),
        1e-2,
    ),
    "adamw": (
        lambda lr: optim.AdamW(lr, weight_decay=0.1),
        lambda x: adam(x, decay=lambda lr: 0.1 * lr),
        1e-2,
    ),
    "adamw schedule": (
        lambda lr: optim.AdamW(lr, weight_decay=0.01, decay_coupling="schedule"),
        lambda x: adam(x, decay=lambda lr: 0.01 * lr / 1e-2),
        1e-2,
    ),
    "adamw none": (
        lambda lr: optim.AdamW(lr, weight_decay=0.01, decay_coupling="none"),
        lambda x: adam(x, decay=lambda lr: 0.01),
        1e-2,
    ),
    "adamax": (optim.Adamax, adamax, 1e-2),
    "adamax keras": (
        lambda lr: optim.Adamax(lr, eps=1e-7, eps_outside=True),
        lambda x: adamax(x, eps=1e-7, outside=True),
        1e-2,
    ),
    "nadam": (optim.NAdam, lambda x: nadam(x, lambda t: 0.9 * (1 - 0.5 * 0.96 ** (t * 4e-3))), 1e-2),
    "nadam keras": (
        lambda lr: optim.NAdam(lr, eps=1e-7, momentum_decay=1.0),
        lambda x: nadam(x, keras_mu, eps=1e-7),
        1e-2,
    ),
    "nadam optax": (lambda lr: optim.NAdam(lr, momentum_decay=None), lambda x: nadam(x, lambda t: 0.9), 1e-2),
    "radam": (
        lambda lr: optim.RAdam(lr, weight_decay=0.1, decoupled_weight_decay=True),
        lambda x: radam(x, wd=0.1),
        5e-4,
    ),
    "radam never": (lambda lr: optim.RAdam(lr, betas=(0.9, 0.5)), lambda x: radam(x, b2=0.5), 2e-4),
    "adabelief": (lambda lr: optim.AdaBelief(lr, weight_decay=0.1), adabelief, 1e-2),
    "yogi": (lambda lr: optim.Yogi(lr, weight_decay=0.1), yogi, 1e-2),
    "adan": (lambda lr: optim.Adan(lr, weight_decay=0.1), adan, 1e-2),
    "adan no_prox": (
        lambda lr: optim.Adan(lr, weight_decay=0.1, no_prox=True),
        lambda x: adan(x, prox=False),
        1e-2,
    ),
    "lion": (lambda lr: optim.Lion(lr, weight_decay=0.1), lion, 1e-3),
    "rprop": (optim.Rprop, lambda x: rprop(x, 1e-2), 1e-2),
    "rprop all": (
        lambda lr: optim.Rprop(lr, (0.4, 1.3), (1e-3, 0.05)),
        lambda x: rprop(x, 1e-2, 0.4, 1.3, 1e-3, 0.05),
        1e-2,
    ),
    "lamb": (lambda lr: optim.LAMB(lr, weight_decay=0.1), lamb, 1e-2),
    "lamb matrices": (
        lambda lr: optim.LAMB(lr, scale_vectors=False),
        lambda x: lamb(x, wd=0.0, vectors=False),
        1e-2,
    ),
    "lars": (lambda lr: optim.LARS(lr, weight_decay=0.1), lars, 1.0),
    "lars matrices": (
        lambda lr: optim.LARS(lr, weight_decay=0.1, trust_coefficient=0.5, eps=1e-3, scale_vectors=False),
        lambda x: lars(x, trust=0.5, eps=1e-3, vectors=False),
        2e-4,
    ),
    "novograd": (lambda lr: optim.NovoGrad(lr, weight_decay=0.01), novograd, 1e-2),
    "novograd averaging": (
        lambda lr: optim.NovoGrad(lr, weight_decay=0.01, grad_averaging=True),
        lambda x: novograd(x, averaging=True),
        1e-2,
    ),
    "adafactor": (lambda lr: optim.Adafactor(lr, weight_decay=0.1), lambda x: adafactor(x, wd=0.1), 1e-2),
    "adafactor paper": (
        lambda lr: optim.Adafactor(lr, eps_placement="square"),
        lambda x: adafactor(x, square=True),
        1e-2,
    ),
    "adafactor plain": (
        lambda lr: optim.Adafactor(lr, -0.7, (1e-5, 0.1), None, relative_step=False),
        lambda x: adafactor(x, 1e-5, 0.1, None, power=0.7, relative=False),
        1e-2,
    ),
    "muon": (optim.Muon, muon, 1e-2),
    "muon rms": (
        lambda lr: optim.Muon(lr, 0.2, 0.8, False, ns_steps=3, adjust_lr_fn="match_rms_adamw", output_axis=0),
        lambda x: muon(x, 0.8, 0.2, False, 3, ratio=lambda n, k: 0.2 * max(n, k) ** 0.5),
        1e-2,
    ),
    "schedule_free_sgd": (
        lambda lr: optim.ScheduleFreeSGD(lr, weight_decay=0.1),
        schedule_free_sgd,
        2e-4,
    ),
    "schedule_free_sgd all": (
        lambda lr: optim.ScheduleFreeSGD(lr, 0.8, 0.1, warmup_steps=120, r=1.5, weight_lr_power=1.0),
        lambda x: schedule_free_sgd(x, 0.8, 0.1, 120, 1.5, 1.0),
        2e-4,
    ),
    "schedule_free_adamw": (
        lambda lr: optim.ScheduleFreeAdamW(lr, weight_decay=0.1, warmup_steps=10),
        schedule_free_adamw,
        1e-2,
    ),
    "prodigy": (lambda lr: optim.Prodigy(lr, weight_decay=0.1), prodigy, 1.0),
}
#: Optimizers that are made of others, or ask for gradients themselves, have tests of their own.
ELSEWHERE = {"chain", "groups", "lbfgs"}


def test_every_registered_optimizer_is_written_out_again():
    names = set(registry.names("optimizer", third_party=False))
    assert {row.split()[0] for row in LITERAL} == names - ELSEWHERE


@pytest.mark.parametrize("row", LITERAL)
def test_the_equation(row):
    rule, literal, lr = LITERAL[row]
    rule = rule(Drop(lr))
    tree = made.tree_start()
    keys = list(tree)
    sizes = np.cumsum([0, *(tree[key].size for key in keys)])
    whole = row.split()[0] == "prodigy"  # sums over all parameters: one vector
    writers = [
        literal(v) for v in ([np.concatenate([tree[k].ravel() for k in keys])] if whole else tree.values())
    ]
    for writer in writers:
        next(writer)
    state = rule.init(tree)
    for step in range(1, made.STEPS + 1):
        grads = made.tree_gradients(tree, step)
        tree, state = rule.apply(tree, grads, state)
        given = [np.concatenate([grads[k].ravel() for k in keys])] if whole else [grads[k] for k in keys]
        wanted = [w.send((g, made.lr_at(lr, step - 1), step)) for w, g in zip(writers, given, strict=True)]
        if whole:
            wanted = [
                wanted[0][a:b].reshape(tree[k].shape)
                for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)
            ]
        for key, want in zip(keys, wanted, strict=True):
            np.testing.assert_allclose(
                tree[key], want, rtol=1e-12, atol=1e-12, err_msg=f"{key} after step {step}"
            )
