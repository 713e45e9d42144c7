"""Records what Keras, Chainer, and JAX's libraries (Optax, Flax, jax.nn) compute with their own defaults.

::

    python tests/golden/make_conventions.py keras      # in an environment that has keras and jax
    python tests/golden/make_conventions.py optax      # optax, flax and jax
    python tests/golden/make_conventions.py chainer    # chainer 7.8 on Python 3.8 with numpy < 1.24

Each writes one file into ``conventions`` beside this script, with the versions that made it. A case is
named by the component as learnkit writes it: its kind, and name:option=value; what is not in the name is
the library's default, which a convention has to bring. Nothing of learnkit is imported here.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent / "conventions"
STEPS, CHANGE_AT = 30, 10
RECORDED = (1, 2, 3, 10, 11, 12, 20, 30)
START = np.asarray([1.0, -0.5, 0.25])

_RNG = np.random.RandomState(3)
X = np.linspace(-4.0, 4.0, 17)
ROWS = _RNG.normal(size=(6, 4)) * 2 + 1
IMAGES = _RNG.normal(size=(3, 2, 4, 4)) * 2 + 1
PREDICTED = _RNG.normal(size=(5, 3)) * 2
TARGET = _RNG.normal(size=(5, 3)) * 2
POSITIVE, COUNTS = np.abs(PREDICTED) + 0.1, np.abs(TARGET) + 0.1
POSITIVE[0, 0] = 1e-7  # where an epsilon counts
PROBABILITIES = _RNG.uniform(0.05, 0.95, size=(5, 3))
BINARY = (_RNG.uniform(size=(5, 3)) < 0.5).astype(float)
DISTRIBUTIONS = _RNG.dirichlet(np.ones(3), size=5)
OTHERS = 0.9 * _RNG.dirichlet(np.ones(3), size=5)  # what is not normalised is taken as it is
LABELS = np.asarray([0, 2, 1, 1, 0])
LOOKS = [
    100.0,
    99.995,
    99.99,
    99.985,
    99.98,
    99.975,
    1.0,
    0.9,
    0.9,
    0.9,
    0.9,
    0.89995,
    0.5,
    0.6,
    0.6,
    0.6,
    0.6,
    0.6,
    0.4,
    0.4,
    0.4,
    0.4,
    0.4,
    0.4,
    0.4,
]
SHAPE, SMALL = (400, 600), (60, 40)


def gradient(step):
    """Of step 1, 2, ...: large, small and tiny numbers of both signs."""
    return np.cos(np.asarray([1.0, 2.0, 3.0]) * step) * np.asarray([1.0, 1e-3, 1e-7])


def traced(update):
    """theta after some of the steps; ``update(gradient, whether lr is to be divided by 10 now)`` gives it."""
    trace = []
    for step in range(1, STEPS + 1):
        theta = update(gradient(step), step == CHANGE_AT + 1)
        if step in RECORDED:
            trace.append(np.asarray(theta, dtype=float).tolist())
    return trace


def gram(values):
    """Of the columns: the unit matrix, where they are orthogonal."""
    values = np.asarray(values, dtype=float)
    return values.T @ values


def spread(values):
    """How start values are distributed, without their order: mean, deviation and quantiles of their sizes."""
    flat = np.asarray(values, dtype=float).ravel()
    return [flat.mean(), flat.std(), *np.quantile(np.abs(flat), [0.5, 0.9, 0.99, 0.999]), np.abs(flat).max()]


# Keras


def keras_cases():
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["JAX_ENABLE_X64"] = "1"
    import keras

    keras.config.set_floatx("float64")
    k, arrays = keras, keras.ops.convert_to_tensor

    def optimizer(made):
        theta = k.Variable(START, dtype="float64")

        def update(grad, change):
            if change:
                made.learning_rate = float(made.learning_rate) / 10
            made.apply([arrays(grad, dtype="float64")], [theta])
            return theta.numpy()

        return traced(update)

    o = k.optimizers
    cases = {
        "optimizer sgd": optimizer(o.SGD()),
        "optimizer sgd:momentum=0.9": optimizer(o.SGD(momentum=0.9)),
        "optimizer sgd:momentum=0.9,nesterov=true": optimizer(o.SGD(momentum=0.9, nesterov=True)),
        "optimizer momentum": optimizer(o.SGD(momentum=0.9)),
        "optimizer nesterov": optimizer(o.SGD(momentum=0.9, nesterov=True)),
        "optimizer rmsprop": optimizer(o.RMSprop()),
        "optimizer rmsprop:momentum=0.9": optimizer(o.RMSprop(momentum=0.9)),
        "optimizer rmsprop:momentum=0.5,centered=true": optimizer(o.RMSprop(momentum=0.5, centered=True)),
        "optimizer adam": optimizer(o.Adam()),
        "optimizer adam:amsgrad=true": optimizer(o.Adam(amsgrad=True)),
        "optimizer adamw": optimizer(o.AdamW()),
        "optimizer adadelta": optimizer(o.Adadelta()),
        "optimizer adagrad": optimizer(o.Adagrad()),
        "optimizer adamax": optimizer(o.Adamax()),
        "optimizer nadam": optimizer(o.Nadam()),
        "optimizer lion": optimizer(o.Lion()),
    }

    def batch_norm(layer, x):
        layer.build(x.shape)
        out = layer(x, training=True)
        parts = [out, layer.moving_mean, layer.moving_variance, layer(x, training=False)]
        return [np.asarray(p).tolist() for p in parts]

    def layer(made, x):
        return np.asarray(made(arrays(x, dtype="float64"))).tolist()

    n = k.layers
    dense, table = n.Dense(SHAPE[1]), n.Embedding(*SHAPE)
    dense.build((None, SHAPE[0]))
    table.build()
    cases.update(
        {
            "layer batch_norm1d:num_features=4": batch_norm(n.BatchNormalization(), ROWS),
            "layer batch_norm2d:num_features=2": batch_norm(n.BatchNormalization(axis=1), IMAGES),
            "layer layer_norm:normalized_shape=4": layer(n.LayerNormalization(), ROWS / 50),
            "layer rms_norm:normalized_shape=4": layer(n.RMSNormalization(), ROWS / 1000),
            "layer group_norm:num_groups=2,num_channels=4": layer(n.GroupNormalization(2), ROWS / 50),
            "layer linear:in_features=400,out_features=600": spread(dense.kernel),
            "layer embedding:num_embeddings=400,embedding_dim=600": spread(table.embeddings),
        }
    )
    a = k.activations
    functions = {
        "relu": a.relu, "relu6": a.relu6, "elu": a.elu, "celu": a.celu, "selu": a.selu, "gelu": a.gelu,
        "silu": a.silu, "mish": a.mish, "sigmoid": a.sigmoid, "log_sigmoid": a.log_sigmoid,
        "hard_sigmoid": a.hard_sigmoid, "hard_swish": a.hard_silu, "hard_tanh": a.hard_tanh, "tanh": a.tanh,
        "softsign": a.softsign, "softplus": a.softplus, "softmax": a.softmax, "log_softmax": a.log_softmax,
        "softshrink": a.soft_shrink, "hardshrink": a.hard_shrink, "squareplus": a.squareplus,
        "leaky_relu": n.LeakyReLU(),
    }  # fmt: skip
    for name, function in functions.items():
        shaped = X.reshape(1, -1)
        cases["activation " + name] = np.asarray(function(arrays(shaped, dtype="float64"))).ravel().tolist()

    i = k.initializers
    start = {
        "normal": i.RandomNormal(), "uniform": i.RandomUniform(), "truncated_normal": i.TruncatedNormal(),
        "zeros": i.Zeros(), "ones": i.Ones(), "constant": i.Constant(), "identity": i.Identity(),
        "variance_scaling": i.VarianceScaling(),
        "xavier_normal": i.GlorotNormal(), "xavier_uniform": i.GlorotUniform(),
        "glorot_normal": i.GlorotNormal(), "glorot_uniform": i.GlorotUniform(),
        "he_normal": i.HeNormal(), "he_uniform": i.HeUniform(),
        "kaiming_normal": i.HeNormal(), "kaiming_uniform": i.HeUniform(),
        "lecun_normal": i.LecunNormal(), "lecun_uniform": i.LecunUniform(),
    }  # fmt: skip
    cases.update(
        {"initializer " + name: spread(made(SHAPE, dtype="float32")) for name, made in start.items()}
    )

    cases["initializer orthogonal"] = spread(gram(i.Orthogonal()(SMALL, dtype="float64")))

    s = k.losses

    def loss(made, y_pred, y_true):
        return float(made(y_true, y_pred))

    signs = 2 * BINARY - 1
    cases.update(
        {
            "loss mse": loss(s.MeanSquaredError(), PREDICTED, TARGET),
            "loss mae": loss(s.MeanAbsoluteError(), PREDICTED, TARGET),
            "loss huber": loss(s.Huber(), PREDICTED, TARGET),
            "loss log_cosh": loss(s.LogCosh(), PREDICTED, TARGET),
            "loss msle": loss(s.MeanSquaredLogarithmicError(), POSITIVE, COUNTS),
            "loss mape": loss(s.MeanAbsolutePercentageError(), PREDICTED, TARGET),
            "loss poisson_nll": loss(s.Poisson(), POSITIVE, COUNTS),
            "loss binary_cross_entropy": loss(s.BinaryCrossentropy(), PROBABILITIES, BINARY),
            "loss cross_entropy": loss(s.SparseCategoricalCrossentropy(from_logits=True), PREDICTED, LABELS),
            "loss hinge": loss(s.Hinge(), PREDICTED, signs),
            "loss squared_hinge": loss(s.SquaredHinge(), PREDICTED, signs),
            "loss binary_focal": loss(s.BinaryFocalCrossentropy(from_logits=True), PREDICTED, BINARY),
            "loss kl_divergence": loss(s.KLDivergence(), OTHERS, DISTRIBUTIONS),
            "loss dice": loss(s.Dice(), PROBABILITIES, BINARY),
            "loss tversky": loss(s.Tversky(), PROBABILITIES, BINARY),
        }
    )

    d = o.schedules

    def schedule(made):
        return [float(made(t)) for t in range(60)]

    def plateau(lr=0.5, **options):
        class Model:
            optimizer = o.SGD(lr)

        callback = k.callbacks.ReduceLROnPlateau(**options)
        callback.set_model(Model())
        callback.on_train_begin()
        found = []
        for epoch, value in enumerate(LOOKS):
            callback.on_epoch_end(epoch, {"val_loss": value})
            found.append(float(Model.optimizer.learning_rate))
        return found

    cases.update(
        {
            "schedule cosine:lr=0.3,total_steps=40,min_lr=0.03": schedule(d.CosineDecay(0.3, 40, 0.1)),
            "schedule cosine_warm_restarts:lr=0.3,T_0=5": schedule(d.CosineDecayRestarts(0.3, 5)),
            "schedule cosine_warm_restarts:lr=0.3,T_0=5,M_mult=0.5,min_lr=0.03": schedule(
                d.CosineDecayRestarts(0.3, 5, m_mul=0.5, alpha=0.1)
            ),
            "schedule exponential:lr=0.3,decay_steps=7,gamma=0.5": schedule(d.ExponentialDecay(0.3, 7, 0.5)),
            "schedule time:lr=0.3,decay_steps=7,rate=0.5": schedule(d.InverseTimeDecay(0.3, 7, 0.5)),
            "schedule multistep:lr=0.3,milestones=(5,9),gamma=0.1": schedule(
                d.PiecewiseConstantDecay([5, 9], [0.3, 0.03, 0.003])
            ),
            "schedule polynomial:lr=0.3,total_steps=40,power=2.0": schedule(
                d.PolynomialDecay(0.3, 40, power=2.0)
            ),
            "schedule warmup:schedule='cosine:lr=0.3,total_steps=30',steps=10": schedule(
                d.CosineDecay(0.0, 30, warmup_target=0.3, warmup_steps=10)
            ),
            "schedule reduce_on_plateau:lr=0.5,patience=2": plateau(patience=2),
            "schedule reduce_on_plateau:lr=0.5,patience=1,factor=0.3,min_lr=0.01": plateau(
                patience=1, factor=0.3, min_lr=0.01
            ),
            "schedule reduce_on_plateau:lr=2e-8,patience=1": plateau(2e-8, patience=1),
        }
    )
    return {"keras": keras.__version__, "backend": "jax"}, cases


# Chainer


def chainer_cases():
    import chainer
    from chainer import functions as f
    from chainer import initializers as i
    from chainer import links
    from chainer import optimizers as o

    chainer.config.dtype = np.float64

    def optimizer(made, rate="lr"):
        link = chainer.Link()
        with link.init_scope():
            link.theta = chainer.Parameter(START.copy())
        made.setup(link)

        def update(grad, change):
            if change and rate:
                setattr(made.hyperparam, rate, getattr(made.hyperparam, rate) / 10)
            link.theta.grad = grad
            made.update()
            return link.theta.array

        return traced(update)

    cases = {
        "optimizer sgd": optimizer(o.SGD()),
        "optimizer momentum": optimizer(o.MomentumSGD()),
        "optimizer adam": optimizer(o.Adam(), "alpha"),
        "optimizer adam:amsgrad=true": optimizer(o.Adam(amsgrad=True), "alpha"),
        "optimizer adamw": optimizer(o.AdamW(), "alpha"),
        "optimizer adamw:weight_decay=0.02": optimizer(o.AdamW(weight_decay_rate=0.02), "alpha"),
        "optimizer rmsprop": optimizer(o.RMSprop()),
        "optimizer adagrad": optimizer(o.AdaGrad()),
        "optimizer adadelta": optimizer(o.AdaDelta(), None),
    }

    def batch_norm(made, x):
        with chainer.using_config("train", True):
            out = made(x)
        with chainer.using_config("train", False):
            after = made(x)
        parts = [out.array, made.avg_mean, made.avg_var, after.array]
        return [np.asarray(p).tolist() for p in parts]

    linear = links.Linear(SHAPE[0], SHAPE[1])
    table = links.EmbedID(*SHAPE)
    cases.update(
        {
            "layer batch_norm1d:num_features=4": batch_norm(links.BatchNormalization(4), ROWS / 50),
            "layer batch_norm2d:num_features=2": batch_norm(links.BatchNormalization(2), IMAGES / 50),
            "layer layer_norm:normalized_shape=4": links.LayerNormalization(4)(ROWS / 500).array.tolist(),
            "layer group_norm:num_groups=2,num_channels=4": links.GroupNormalization(2)(
                ROWS / 50
            ).array.tolist(),
            "layer linear:in_features=400,out_features=600": spread(linear.W.array),
            "layer embedding:num_embeddings=400,embedding_dim=600": spread(table.W.array),
        }
    )
    functions = {
        "relu": f.relu, "leaky_relu": f.leaky_relu, "elu": f.elu, "selu": f.selu, "sigmoid": f.sigmoid,
        "tanh": f.tanh, "softplus": f.softplus, "hard_sigmoid": f.hard_sigmoid, "softmax": f.softmax,
        "log_softmax": f.log_softmax, "relu6": f.relu6,
    }  # fmt: skip
    for name, function in functions.items():
        cases["activation " + name] = function(X.reshape(1, -1)).array.ravel().tolist()

    def start(made):
        values = np.zeros(SHAPE[::-1])  # Chainer's weights are (out, in)
        made(values)
        return spread(values)

    cases.update(
        {
            "initializer normal": start(i.Normal()),
            "initializer uniform": start(i.Uniform()),
            "initializer zeros": start(i.Zero()),
            "initializer ones": start(i.One()),
            "initializer xavier_normal": start(i.GlorotNormal()),
            "initializer xavier_uniform": start(i.GlorotUniform()),
            "initializer glorot_normal": start(i.GlorotNormal()),
            "initializer glorot_uniform": start(i.GlorotUniform()),
            "initializer he_normal": start(i.HeNormal()),
            "initializer he_uniform": start(i.HeUniform()),
            "initializer kaiming_normal": start(i.HeNormal()),
            "initializer kaiming_uniform": start(i.HeUniform()),
            "initializer lecun_normal": start(i.LeCunNormal()),
            "initializer lecun_uniform": start(i.LeCunUniform()),
        }
    )
    ignored = np.where(np.arange(5) == 3, -1, LABELS).astype(np.int32)
    cases.update(
        {
            "loss mse": float(f.mean_squared_error(PREDICTED, TARGET).array),
            "loss mae": float(f.mean_absolute_error(PREDICTED, TARGET).array),
            "loss cross_entropy": float(f.softmax_cross_entropy(PREDICTED, ignored).array),
            "loss binary_cross_entropy": float(
                f.sigmoid_cross_entropy(PREDICTED, BINARY.astype(np.int32)).array
            ),
        }
    )
    return {"chainer": chainer.__version__}, cases


# Optax, Flax and jax.nn


def optax_cases():
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        return _optax_cases(jax)
    finally:
        jax.config.update("jax_enable_x64", before)


def _flax_cases(jax):
    from flax import __version__ as flax_version
    from flax import linen

    jnp = jax.numpy

    def batch_norm(axis, x):
        made = linen.BatchNorm(use_running_average=False, axis=axis)
        variables = made.init(jax.random.key(0), x)
        out, changed = made.apply(variables, x, mutable=["batch_stats"])
        stats = changed["batch_stats"]
        fixed = linen.BatchNorm(use_running_average=True, axis=axis)
        after = fixed.apply({**variables, "batch_stats": stats}, x)
        return [np.asarray(p).tolist() for p in (out, stats["mean"], stats["var"], after)]

    def layer(made, x):
        return np.asarray(made.apply(made.init(jax.random.key(0), x), x)).tolist()

    dense = linen.Dense(SHAPE[1]).init(jax.random.key(1), jnp.zeros((1, SHAPE[0])))
    table = linen.Embed(*SHAPE).init(jax.random.key(1), jnp.zeros(1, dtype=int))
    return flax_version, {
        "layer batch_norm1d:num_features=4": batch_norm(-1, jnp.asarray(ROWS)),
        "layer batch_norm2d:num_features=2": batch_norm(1, jnp.asarray(IMAGES)),
        "layer layer_norm:normalized_shape=4": layer(linen.LayerNorm(), jnp.asarray(ROWS / 1000)),
        "layer rms_norm:normalized_shape=4": layer(linen.RMSNorm(), jnp.asarray(ROWS / 1000)),
        "layer group_norm:num_groups=2,num_channels=4": layer(
            linen.GroupNorm(num_groups=2), jnp.asarray(ROWS / 1000)
        ),
        "layer linear:in_features=400,out_features=600": spread(dense["params"]["kernel"]),
        "layer embedding:num_embeddings=400,embedding_dim=600": spread(table["params"]["embedding"]),
    }


def _optax_cases(jax):
    import optax
    from optax.contrib import reduce_on_plateau

    jnp = jax.numpy

    def optimizer(make, lr, **options):
        made = optax.inject_hyperparams(make)(learning_rate=lr, **options)
        theta = jnp.asarray(START)
        state = made.init(theta)

        @jax.jit
        def applied(theta, grad, state):
            updates, state = made.update(grad, state, theta)
            return optax.apply_updates(theta, updates), state

        def update(grad, change):
            nonlocal theta, state
            if change:
                state.hyperparams["learning_rate"] = state.hyperparams["learning_rate"] / 10
            theta, state = applied(theta, jnp.asarray(grad), state)
            return theta

        return traced(update)

    o = optax
    cases = {
        "optimizer sgd:lr=0.01": optimizer(o.sgd, 0.01),
        "optimizer sgd:lr=0.01,momentum=0.9,nesterov=true": optimizer(
            o.sgd, 0.01, momentum=0.9, nesterov=True
        ),
        "optimizer momentum:lr=0.01": optimizer(o.sgd, 0.01, momentum=0.9),
        "optimizer nesterov:lr=0.01": optimizer(o.sgd, 0.01, momentum=0.9, nesterov=True),
        "optimizer adam:lr=0.01": optimizer(o.adam, 0.01),
        "optimizer adam:lr=0.01,amsgrad=corrected": optimizer(o.amsgrad, 0.01),
        "optimizer adamw:lr=0.01": optimizer(o.adamw, 0.01),
        "optimizer rmsprop:lr=0.01": optimizer(o.rmsprop, 0.01),
        "optimizer rmsprop:lr=0.01,momentum=0.9": optimizer(o.rmsprop, 0.01, momentum=0.9),
        "optimizer rmsprop:lr=0.01,centered=true": optimizer(o.rmsprop, 0.01, centered=True),
        "optimizer adagrad:lr=0.01": optimizer(o.adagrad, 0.01),
        "optimizer adadelta:lr=1.0": optimizer(o.adadelta, 1.0),
        "optimizer adamax:lr=0.01": optimizer(o.adamax, 0.01),
        "optimizer nadam:lr=0.01": optimizer(o.nadam, 0.01),
        "optimizer radam:lr=0.01": optimizer(o.radam, 0.01),
        "optimizer adabelief:lr=0.01": optimizer(o.adabelief, 0.01),
        "optimizer yogi:lr=0.01": optimizer(o.yogi, 0.01),
        "optimizer lion:lr=0.01": optimizer(o.lion, 0.01),
        "optimizer lamb:lr=0.01": optimizer(o.lamb, 0.01),
        "optimizer lars:lr=0.01": optimizer(o.lars, 0.01),
        "optimizer novograd:lr=0.01": optimizer(o.novograd, 0.01),
    }

    versions = {"optax": optax.__version__, "jax": jax.__version__}
    if importlib.util.find_spec("flax") is not None:
        versions["flax"], layers = _flax_cases(jax)
        cases.update(layers)
    a = jax.nn
    functions = {
        "relu": a.relu, "relu6": a.relu6, "leaky_relu": a.leaky_relu, "elu": a.elu, "celu": a.celu,
        "selu": a.selu, "gelu": a.gelu, "silu": a.silu, "mish": a.mish, "sigmoid": a.sigmoid,
        "log_sigmoid": a.log_sigmoid, "hard_sigmoid": a.hard_sigmoid, "hard_swish": a.hard_silu,
        "hard_tanh": a.hard_tanh, "tanh": a.tanh, "softsign": a.soft_sign, "softplus": a.softplus,
        "softmax": a.softmax, "log_softmax": a.log_softmax, "squareplus": a.squareplus,
    }  # fmt: skip
    for name, function in functions.items():
        cases["activation " + name] = np.asarray(function(jnp.asarray(X).reshape(1, -1))).ravel().tolist()

    i = a.initializers
    start = {
        "normal": i.normal(), "uniform": i.uniform(), "truncated_normal": i.truncated_normal(),
        "zeros": i.zeros, "ones": i.ones,
        "xavier_normal": i.xavier_normal(), "xavier_uniform": i.xavier_uniform(),
        "glorot_normal": i.glorot_normal(), "glorot_uniform": i.glorot_uniform(),
        "he_normal": i.he_normal(), "he_uniform": i.he_uniform(),
        "kaiming_normal": i.kaiming_normal(), "kaiming_uniform": i.kaiming_uniform(),
        "lecun_normal": i.lecun_normal(), "lecun_uniform": i.lecun_uniform(),
    }  # fmt: skip
    for name, made in start.items():
        cases["initializer " + name] = spread(made(jax.random.key(2), SHAPE, "float32"))

    cases["initializer orthogonal"] = spread(gram(i.orthogonal()(jax.random.key(2), SMALL, "float64")))

    s = optax.losses
    p, t, b = map(jnp.asarray, (PREDICTED, TARGET, BINARY))
    log_q, q = jnp.log(jnp.asarray(OTHERS)), jnp.asarray(DISTRIBUTIONS)
    losses = {
        "mse": s.l2_loss(p, t), "huber": s.huber_loss(p, t), "log_cosh": s.log_cosh(p, t),
        "binary_cross_entropy": s.sigmoid_binary_cross_entropy(p, b),
        "cross_entropy": s.softmax_cross_entropy_with_integer_labels(p, jnp.asarray(LABELS)),
        "binary_focal": s.sigmoid_focal_loss(p, b), "kl_divergence": s.kl_divergence(log_q, q),
        "hinge": s.hinge_loss(p, 2 * b - 1),
    }  # fmt: skip
    cases.update({"loss " + name: float(jnp.mean(value)) for name, value in losses.items()})

    def schedule(made):
        return np.asarray(jax.vmap(made)(jnp.arange(60))).tolist()

    def plateau(lr=0.5, **options):
        made = reduce_on_plateau(**options)
        state = made.init(jnp.zeros(1))
        update = jax.jit(lambda state, value: made.update(jnp.zeros(1), state, value=value)[1])
        found = []
        for value in LOOKS:
            state = update(state, value)
            found.append(lr * float(state.scale))
        return found

    cases.update(
        {
            "schedule constant:lr=0.3": schedule(o.constant_schedule(0.3)),
            "schedule exponential:lr=0.3,gamma=0.9": schedule(o.exponential_decay(0.3, 1, 0.9)),
            "schedule cosine:lr=0.3,total_steps=40": schedule(o.cosine_decay_schedule(0.3, 40)),
            "schedule linear:lr=0.3,total_steps=40": schedule(o.linear_schedule(0.3, 0.0, 40)),
            "schedule polynomial:lr=0.3,total_steps=40,power=2.0": schedule(
                o.polynomial_schedule(0.3, 0.0, 2.0, 40)
            ),
            "schedule multistep:lr=0.3,milestones=(5,9),gamma=0.1": schedule(
                o.piecewise_constant_schedule(0.3, {5: 0.1, 9: 0.1})
            ),
            "schedule warmup:schedule='cosine:lr=0.3,total_steps=30',steps=10": schedule(
                o.warmup_cosine_decay_schedule(0.0, 0.3, 10, 40)
            ),
            "schedule onecycle:max_lr=0.3,total_steps=50": schedule(o.cosine_onecycle_schedule(50, 0.3)),
            "schedule one_cycle:max_lr=0.3,total_steps=50": schedule(o.cosine_onecycle_schedule(50, 0.3)),
            (
                "schedule onecycle:max_lr=0.3,total_steps=50,anneal_strategy=linear,three_phase=true,"
                "pct_final=0.85"
            ): schedule(o.linear_onecycle_schedule(50, 0.3)),
            "schedule cosine_warm_restarts:lr=0.3,T_0=5,warmup_steps=2": schedule(
                o.sgdr_schedule(
                    [
                        {"init_value": 0.0, "peak_value": 0.3, "warmup_steps": 2, "decay_steps": 5}
                        for _ in range(12)
                    ]
                )
            ),
            "schedule join:schedules=(0.3,0.1),boundaries=(7,)": schedule(
                o.join_schedules([o.constant_schedule(0.3), o.constant_schedule(0.1)], [7])
            ),
            "schedule reduce_on_plateau:lr=0.5,patience=2,cooldown=1": plateau(patience=2, cooldown=1),
            "schedule reduce_on_plateau:lr=2e-8,patience=1": plateau(2e-8, patience=1),
        }
    )
    return versions, cases


MAKERS = {"keras": keras_cases, "chainer": chainer_cases, "optax": optax_cases}


def main(names):
    for name in names:
        versions, cases = MAKERS[name]()
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in cases.items())
        HERE.mkdir(exist_ok=True)
        path = HERE / f"{name}.json"
        path.write_text(f'{{\n "versions": {json.dumps(versions)},\n "cases": {{\n{lines}\n }}\n}}\n')
        print(f"wrote {name}: {len(cases)} cases")


if __name__ == "__main__":
    main(sys.argv[1:])
