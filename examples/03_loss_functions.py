"""Loss functions: the number that training makes small.

A loss compares predictions with targets, ``loss(y_pred, y_true)``, example by example, and takes the mean::

    MSE                    (y_pred - y_true)^2
    MAE                    |y_pred - y_true|
    cross-entropy          -log softmax(z)_c                  z: one logit for each class, c: the class
    binary cross-entropy   -t log s(z) - (1 - t) log(1 - s(z))   s: the sigmoid, t: 0 or 1

Run it: ``python examples/03_loss_functions.py``; ``--backend`` takes torch, strict or cupy.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import learnkit as lk
from learnkit.backends import Array, array_namespace


@dataclass(frozen=True)
class Huber(lk.losses.Loss):
    """A loss of one's own: d^2 / 2 for |d| <= delta, else delta |d| - delta^2 / 2.

    Only the value of each example is written, in standard array code. The gradient, the weighted mean and
    all devices come from that.
    """

    delta: float = 1.0

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        d = xp.abs(y_pred - y_true)
        return xp.where(d <= self.delta, d * d / 2, self.delta * d - self.delta**2 / 2)


def main(backend_name: str) -> None:
    backend = lk.get_backend(backend_name)
    xp = backend.xp
    print(f"backend: {backend.describe()}")

    # 1. What a loss does to large errors is its gradient: MSE pulls in proportion to the error, MAE always
    #    the same, Huber in proportion up to delta.
    error = backend.asarray([0.5, 1.0, 2.0, 8.0], dtype="float32")
    zero = xp.zeros_like(error)
    print("\n1. Error                ", numbers(backend, error))
    for loss in (lk.losses.MSE(), lk.losses.MAE(), Huber(delta=1.0)):
        pull = lk.grad(lambda e, loss=loss: xp_sum(loss.per_example(e, zero)))(error)
        print(f"   {type(loss).__name__:5} loss           ", numbers(backend, loss.per_example(error, zero)))
        print("         its gradient   ", numbers(backend, pull))

    # 2. So they answer differently to an outlier. The best constant for MSE is the mean, for MAE the median.
    y = backend.asarray([[1.0], [2.0], [3.0], [4.0], [90.0]], dtype="float32")
    print("\n2. The constant that fits 1, 2, 3, 4, 90 best")
    for loss in (lk.losses.MSE(), lk.losses.MAE(), Huber(delta=1.0)):
        constant = backend.asarray([[0.0]], dtype="float32")
        adam = lk.optim.Adam(lr=lk.schedules.Cosine(1.0, total_steps=400))
        state = adam.init(constant)
        gradient = lk.grad(lambda c, loss=loss: loss(c + xp.zeros_like(y), y))
        for _ in range(400):
            constant, state = adam.apply(constant, gradient(constant), state)
        print(f"   {type(loss).__name__:5} {float(constant[0, 0]):8.2f}")
    print("   (mean 20, median 3)")

    # 3. Classes. The losses take logits, the outputs before softmax or sigmoid, because the logarithm of a
    #    probability that has underflowed to 0 is lost: -log softmax is computed as log sum_j e^(z_j) - z_c.
    logits = backend.asarray([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0], [-200.0, 200.0, 0.0]], dtype="float32")
    label = backend.asarray([0, 1, 0], dtype="int64")
    print(
        "\n3. Cross-entropy of three examples ",
        numbers(backend, lk.losses.CrossEntropy().per_example(logits, label)),
    )
    print("   right, undecided (log 3 = 1.0986), and surely wrong: finite, where log(0) would not be")

    # 4. With softmax in front, its gradient is as simple as that of MSE: (softmax(z) - onehot(c)) / n.
    gradient = lk.grad(lambda z: lk.losses.CrossEntropy()(z, label))(logits)
    onehot = backend.asarray([[1, 0, 0], [0, 1, 0], [1, 0, 0]], dtype="float32")
    by_hand = (lk.nn.softmax(logits) - onehot) / 3
    difference = float(xp.max(xp.abs(gradient - by_hand)))
    print(f"\n4. Its gradient and (softmax - onehot) / n differ by {difference:.1e}")

    # 5. Two classes need one logit. s(z) is the probability of class 1.
    z = backend.asarray([3.0, 3.0, -100.0], dtype="float32")
    t = backend.asarray([1, 0, 0], dtype="int64")
    binary = lk.losses.BinaryCrossEntropy()
    print("\n5. Binary cross-entropy            ", numbers(backend, binary.per_example(z, t)))

    # 6. Weights of examples, for classes that are rare: sum(w l) / sum(w).
    weight = backend.asarray([1.0, 3.0, 0.0], dtype="float32")
    print(f"\n6. Its mean {float(binary(z, t)):.4f}, with weights 1, 3, 0: {float(binary(z, t, weight)):.4f}")


def xp_sum(x: Array) -> Array:
    """The sum of an array of any library, or of a variable."""
    return array_namespace(x).sum(x)


def numbers(backend: lk.backends.Backend, x: Array) -> str:
    """The elements of an array, to read."""
    return " ".join(f"{v:8.4g}" for v in backend.to_numpy(x).ravel().tolist())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Loss functions and their gradients.")
    parser.add_argument("--backend", default="numpy", help="numpy, cupy, torch or strict")
    main(parser.parse_args().backend)
