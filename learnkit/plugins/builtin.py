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
    from learnkit import optim

    register("sgd", optim.SGD)
    register("momentum", optim.Momentum)
    register("nesterov", optim.Nesterov)
    register("asgd", optim.ASGD)
    register("adagrad", optim.Adagrad)
    register("adadelta", optim.Adadelta)
    register("rmsprop", optim.RMSprop)
    register("adam", optim.Adam)
    register("adamw", optim.AdamW)
    register("adamax", optim.Adamax)
    register("nadam", optim.NAdam)
    register("radam", optim.RAdam)
    register("adabelief", optim.AdaBelief)
    register("yogi", optim.Yogi)
    register("adan", optim.Adan)
    register("lion", optim.Lion)
    register("rprop", optim.Rprop)
    register("lamb", optim.LAMB)
    register("lars", optim.LARS)
    register("novograd", optim.NovoGrad)
    register("adafactor", optim.Adafactor)
    register("muon", optim.Muon)
    register("schedule_free_sgd", optim.ScheduleFreeSGD)
    register("schedule_free_adamw", optim.ScheduleFreeAdamW)
    register("prodigy", optim.Prodigy)
    register("chain", optim.Chain)


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
    from learnkit import metrics

    register("accuracy", metrics.Accuracy)
    register("top_k_accuracy", metrics.TopKAccuracy)
    register("balanced_accuracy", metrics.BalancedAccuracy)
    register("precision", metrics.Precision)
    register("recall", metrics.Recall)
    register("specificity", metrics.Specificity)
    register("f1", metrics.F1)
    register("f_beta", metrics.FBeta)
    register("mcc", metrics.MCC)
    register("cohen_kappa", metrics.CohenKappa)
    register("confusion_matrix", metrics.ConfusionMatrix)
    register("roc_auc", metrics.ROCAUC)
    register("average_precision", metrics.AveragePrecision)
    register("log_loss", metrics.LogLoss)
    register("perplexity", metrics.Perplexity)
    register("brier", metrics.Brier)
    register("calibration_error", metrics.CalibrationError)
    register("iou", metrics.IoU)
    register("dice", metrics.Dice)
    register("mae", metrics.MAE)
    register("mse", metrics.MSE)
    register("rmse", metrics.RMSE)
    register("mape", metrics.MAPE)
    register("msle", metrics.MSLE)
    register("rmsle", metrics.RMSLE)
    register("r2", metrics.R2)
    register("explained_variance", metrics.ExplainedVariance)
    register("in_original_units", metrics.InOriginalUnits)


def learnkit_register_callbacks(register: Register) -> None:
    from learnkit.training import EarlyStopping

    register("early_stopping", EarlyStopping)


def learnkit_register_datasets(register: Register) -> None:
    from learnkit.data import load_digits

    register("digits", load_digits)
