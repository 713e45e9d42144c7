"""Models: modules, layers, activations, initial values, and the one vector of parameters."""

from learnkit.nn import init
from learnkit.nn.activations import (
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    log_softmax,
    relu,
    sigmoid,
    softmax,
    tanh,
)
from learnkit.nn.containers import Flatten, Sequential
from learnkit.nn.dropout import Dropout
from learnkit.nn.gradient import GradientVector
from learnkit.nn.linear import Linear, linear
from learnkit.nn.module import Buffer, Module, Parameter
from learnkit.nn.scope import training
from learnkit.nn.vector import Layout, ParameterVector, initialize

__all__ = [
    "Buffer",
    "Dropout",
    "Flatten",
    "GradientVector",
    "Layout",
    "Linear",
    "Module",
    "Parameter",
    "ParameterVector",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "init",
    "initialize",
    "linear",
    "log_softmax",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
    "training",
]
