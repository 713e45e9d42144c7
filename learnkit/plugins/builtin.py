"""The built-in components, entering by the same hooks as everybody else's.

Each hook imports its modules when it is called, so asking for a backend loads no loss.
"""

from __future__ import annotations

from learnkit.plugins.hookspecs import Register


def learnkit_register_backends(register: Register) -> None:
    from learnkit.backends.cupy import CupyBackend
    from learnkit.backends.numpy import NumpyBackend
    from learnkit.backends.strict import StrictBackend
    from learnkit.backends.torch import TorchBackend

    register("numpy", NumpyBackend)
    register("cupy", CupyBackend)
    register("torch", TorchBackend)
    register("strict", StrictBackend)


def learnkit_register_activations(register: Register) -> None:
    from learnkit.nn import activations

    register("identity", activations.Identity)
    register("relu", activations.ReLU)
    register("relu6", activations.ReLU6)
    register("leaky_relu", activations.LeakyReLU)
    register("prelu", activations.PReLU)
    register("elu", activations.ELU)
    register("celu", activations.CELU)
    register("selu", activations.SELU)
    register("gelu", activations.GELU)
    register("silu", activations.SiLU)
    register("swish", activations.SiLU)  # another name
    register("mish", activations.Mish)
    register("softplus", activations.Softplus)
    register("squareplus", activations.Squareplus)
    register("sigmoid", activations.Sigmoid)
    register("log_sigmoid", activations.LogSigmoid)
    register("tanh", activations.Tanh)
    register("softsign", activations.Softsign)
    register("hard_sigmoid", activations.HardSigmoid)
    register("hard_swish", activations.HardSwish)
    register("hard_silu", activations.HardSwish)  # another name
    register("hard_tanh", activations.HardTanh)
    register("hardshrink", activations.Hardshrink)
    register("softshrink", activations.Softshrink)
    register("threshold", activations.Threshold)
    register("softmax", activations.Softmax)
    register("log_softmax", activations.LogSoftmax)
    register("softmin", activations.Softmin)
    register("glu", activations.GLU)
    register("swiglu", activations.SwiGLU)
    register("geglu", activations.GEGLU)
    register("maxout", activations.Maxout)


def learnkit_register_layers(register: Register) -> None:
    from learnkit.nn import Dropout, Flatten, Linear, Sequential

    register("linear", Linear)
    register("dropout", Dropout)
    register("flatten", Flatten)
    register("sequential", Sequential)


def learnkit_register_initializers(register: Register) -> None:
    from learnkit.nn import init

    register("constant", init.Constant)
    register("zeros", init.Zeros)
    register("ones", init.Ones)
    register("he_normal", init.HeNormal)
    register("he_uniform", init.HeUniform)
    register("xavier_normal", init.XavierNormal)
    register("xavier_uniform", init.XavierUniform)


def learnkit_register_losses(register: Register) -> None:
    from learnkit.losses import MAE, MSE, BinaryCrossEntropy, CrossEntropy

    register("mse", MSE)
    register("mae", MAE)
    register("cross_entropy", CrossEntropy)
    register("binary_cross_entropy", BinaryCrossEntropy)


def learnkit_register_optimizers(register: Register) -> None:
    from learnkit.optim import SGD, Adam, AdamW, Chain

    register("sgd", SGD)
    register("adam", Adam)
    register("adamw", AdamW)
    register("chain", Chain)


def learnkit_register_transforms(register: Register) -> None:
    from learnkit.optim import ClipByGlobalNorm

    register("clip_by_global_norm", ClipByGlobalNorm)


def learnkit_register_schedules(register: Register) -> None:
    from learnkit.schedules import Constant, Cosine, OneCycle

    register("constant", Constant)
    register("cosine", Cosine)
    register("onecycle", OneCycle)
    register("one_cycle", OneCycle)


def learnkit_register_metrics(register: Register) -> None:
    from learnkit.metrics import MAE, R2, RMSE, Accuracy, InOriginalUnits

    register("accuracy", Accuracy)
    register("mae", MAE)
    register("rmse", RMSE)
    register("r2", R2)
    register("in_original_units", InOriginalUnits)


def learnkit_register_callbacks(register: Register) -> None:
    from learnkit.training import EarlyStopping

    register("early_stopping", EarlyStopping)


def learnkit_register_datasets(register: Register) -> None:
    from learnkit.data import load_digits

    register("digits", load_digits)
