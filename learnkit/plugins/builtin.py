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
    from learnkit import nn

    register("linear", nn.Linear)
    register("bilinear", nn.Bilinear)
    register("embedding", nn.Embedding)
    register("conv1d", nn.Conv1d)
    register("conv2d", nn.Conv2d)
    register("conv_transpose2d", nn.ConvTranspose2d)
    register("max_pool1d", nn.MaxPool1d)
    register("max_pool2d", nn.MaxPool2d)
    register("avg_pool1d", nn.AvgPool1d)
    register("avg_pool2d", nn.AvgPool2d)
    register("adaptive_avg_pool1d", nn.AdaptiveAvgPool1d)
    register("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d)
    register("upsampling_nearest2d", nn.UpsamplingNearest2d)
    register("batch_norm1d", nn.BatchNorm1d)
    register("batch_norm2d", nn.BatchNorm2d)
    register("instance_norm1d", nn.InstanceNorm1d)
    register("instance_norm2d", nn.InstanceNorm2d)
    register("layer_norm", nn.LayerNorm)
    register("rms_norm", nn.RMSNorm)
    register("group_norm", nn.GroupNorm)
    register("weight_norm", nn.WeightNorm)
    register("dropout", nn.Dropout)
    register("spatial_dropout", nn.SpatialDropout)
    register("alpha_dropout", nn.AlphaDropout)
    register("drop_path", nn.DropPath)
    register("gaussian_noise", nn.GaussianNoise)
    register("gaussian_dropout", nn.GaussianDropout)
    register("flatten", nn.Flatten)
    register("reshape", nn.Reshape)
    register("permute", nn.Permute)
    register("lambda", nn.Lambda)
    register("sequential", nn.Sequential)
    register("residual", nn.Residual)
    register("parallel", nn.Parallel)
    register("concat", nn.Concat)
    register("add", nn.Add)
    register("mlp", nn.MLP)


def learnkit_register_constraints(register: Register) -> None:
    from learnkit import nn

    register("max_norm", nn.MaxNorm)
    register("non_negative", nn.NonNegative)
    register("unit_norm", nn.UnitNorm)


def learnkit_register_initializers(register: Register) -> None:
    from learnkit.nn import init

    register("constant", init.Constant)
    register("zeros", init.Zeros)
    register("ones", init.Ones)
    register("normal", init.Normal)
    register("uniform", init.Uniform)
    register("truncated_normal", init.TruncatedNormal)
    register("he_normal", init.HeNormal)
    register("he_uniform", init.HeUniform)
    register("kaiming_normal", init.HeNormal)  # another name
    register("kaiming_uniform", init.HeUniform)  # another name
    register("xavier_normal", init.XavierNormal)
    register("xavier_uniform", init.XavierUniform)
    register("glorot_normal", init.XavierNormal)  # another name
    register("glorot_uniform", init.XavierUniform)  # another name
    register("lecun_normal", init.LecunNormal)
    register("lecun_uniform", init.LecunUniform)
    register("variance_scaling", init.VarianceScaling)
    register("orthogonal", init.Orthogonal)
    register("identity", init.Identity)
    register("sparse", init.Sparse)
    register("dirac", init.Dirac)


def learnkit_register_losses(register: Register) -> None:
    from learnkit import losses

    register("mse", losses.MSE)
    register("mae", losses.MAE)
    register("l1", losses.MAE)
    register("huber", losses.Huber)
    register("smooth_l1", losses.SmoothL1)
    register("log_cosh", losses.LogCosh)
    register("msle", losses.MSLE)
    register("mape", losses.MAPE)
    register("quantile", losses.Quantile)
    register("poisson_nll", losses.PoissonNLL)
    register("gaussian_nll", losses.GaussianNLL)
    register("cross_entropy", losses.CrossEntropy)
    register("weighted_cross_entropy", losses.WeightedCrossEntropy)
    register("nll", losses.NLL)
    register("focal", losses.Focal)
    register("binary_cross_entropy", losses.BinaryCrossEntropy)
    register("binary_focal", losses.BinaryFocal)
    register("hinge", losses.Hinge)
    register("squared_hinge", losses.SquaredHinge)
    register("categorical_hinge", losses.CategoricalHinge)
    register("multi_margin", losses.MultiMargin)
    register("kl_divergence", losses.KLDivergence)
    register("js_divergence", losses.JSDivergence)
    register("dice", losses.Dice)
    register("iou", losses.IoU)
    register("jaccard", losses.IoU)
    register("tversky", losses.Tversky)
    register("focal_tversky", losses.FocalTversky)
    register("contrastive", losses.Contrastive)
    register("triplet", losses.Triplet)
    register("margin_ranking", losses.MarginRanking)
    register("cosine_embedding", losses.CosineEmbedding)
    register("nt_xent", losses.NTXent)
    register("ctc", losses.CTC)


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
    register("lbfgs", optim.LBFGS)
    register("chain", optim.Chain)
    register("groups", optim.Groups)


def learnkit_register_transforms(register: Register) -> None:
    from learnkit import optim

    register("clip_by_global_norm", optim.ClipByGlobalNorm)
    register("clip_by_value", optim.ClipByValue)
    register("clip_by_norm", optim.ClipByNorm)
    register("adaptive_clip", optim.AdaptiveClip)
    register("agc", optim.AdaptiveClip)  # another name
    register("weight_decay", optim.WeightDecay)
    register("l1", optim.L1)
    register("centralize", optim.Centralize)
    register("gradient_noise", optim.GradientNoise)
    register("accumulate", optim.Accumulate)
    register("skip_nonfinite", optim.SkipNonFinite)
    register("loss_scale", optim.LossScale)
    register("ema", optim.EMA)
    register("swa", optim.SWA)
    register("lookahead", optim.Lookahead)
    register("sam", optim.SAM)


def learnkit_register_schedules(register: Register) -> None:
    from learnkit import schedules

    register("constant", schedules.Constant)
    register("step", schedules.Step)
    register("multistep", schedules.MultiStep)
    register("exponential", schedules.Exponential)
    register("time", schedules.InverseTime)
    register("inverse_sqrt", schedules.InverseSqrt)
    register("polynomial", schedules.Polynomial)
    register("linear", schedules.Linear)
    register("cosine", schedules.Cosine)
    register("cosine_warm_restarts", schedules.CosineWarmRestarts)
    register("warmup", schedules.Warmup)
    register("onecycle", schedules.OneCycle)
    register("one_cycle", schedules.OneCycle)
    register("cyclic", schedules.Cyclic)
    register("wsd", schedules.WSD)
    register("flat_cosine", schedules.FlatCosine)
    register("noam", schedules.Noam)
    register("reduce_on_plateau", schedules.ReduceOnPlateau)
    register("lambda", schedules.Lambda)
    register("join", schedules.Join)
    register("product", schedules.Product)


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
    from learnkit.training import EarlyStopping, ModelCheckpoint

    register("early_stopping", EarlyStopping)
    register("model_checkpoint", ModelCheckpoint)


def learnkit_register_augmentations(register: Register) -> None:
    from learnkit import augment

    register("flip", augment.RandomFlip)
    register("shift", augment.RandomShift)
    register("jitter", augment.Jitter)
    register("mixup", augment.Mixup)
    register("compose", augment.Compose)


def learnkit_register_readers(register: Register) -> None:
    from learnkit.data import read_csv, read_numpy
    from learnkit.data.readers import read_idx_set

    for ending in ("csv", "tsv", "tab", "txt", "data", "dat"):
        register(ending, read_csv)
        register(f"{ending}.gz", read_csv)
    for ending in ("npz", "npy"):
        register(ending, read_numpy)
    for ending in ("idx", "idx.gz"):
        register(ending, read_idx_set)


def learnkit_register_exporters(register: Register) -> None:
    from learnkit.training.exporting import export_json, export_npz

    register("npz", export_npz)
    register("json", export_json)


def learnkit_register_datasets(register: Register) -> None:
    from learnkit.data import load_digits

    register("digits", load_digits)
