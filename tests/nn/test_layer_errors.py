"""What layers say of arguments and shapes that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.errors import ArgumentError, ShapeError
from learnkit.nn.leaves import Leaf
from learnkit.plugins import registry


def of_test(x):
    return x


WRONG = [
    (lambda: nn.Linear(0, 3), "Linear: in_features is 0, expected an integer >= 1"),
    (lambda: nn.Linear(3, 2.0), "Linear: out_features is 2.0, expected an integer >= 1"),
    (lambda: nn.Linear(True, 3), "Linear: in_features is True, expected an integer >= 1"),
    (lambda: nn.Linear(3, None), "Linear: out_features is None, expected an integer >= 1"),
    (lambda: nn.Linear(3, 2, weight_init="he_norml"), "did you mean 'he_normal'?"),
    (lambda: nn.Linear(3, 2, weight_constraint="max_nrm"), "did you mean 'max_norm'?"),
    (lambda: nn.Linear(3, 2, weight_constraint=np.abs), "expected a learnkit.nn.Constraint or its name"),
    (lambda: nn.MaxNorm(max_value=0), "MaxNorm: max_value is 0, expected a number > 0"),
    (lambda: nn.MaxNorm(axis="in"), "MaxNorm: axis is 'in', expected an integer or a tuple of them"),
    (lambda: nn.UnitNorm(axis=()), "UnitNorm: axis is (), expected an integer or a tuple of them"),
    (lambda: nn.Bilinear(3, 0, 1), "Bilinear: in2_features is 0, expected an integer >= 1"),
    (lambda: nn.Embedding(0, 3), "Embedding: num_embeddings is 0, expected an integer >= 1"),
    (lambda: nn.Embedding(3, 2, 3), "Embedding: padding_idx is 3, expected an integer in [-3, 3) or None"),
    (lambda: nn.Conv2d(0, 3, 3), "Conv2d: in_channels is 0, expected an integer >= 1"),
    (lambda: nn.Conv2d(3, 3, 0), "Conv2d: kernel_size is 0, expected an integer >= 1, or 2 of them"),
    (lambda: nn.Conv2d(3, 3, (3, 3, 3)), "Conv2d: kernel_size is (3, 3, 3), expected an integer >= 1, or 2"),
    (lambda: nn.Conv1d(3, 3, 2.0), "Conv1d: kernel_size is 2.0, expected an integer >= 1"),
    (lambda: nn.Conv2d(3, 3, 3, stride=0), "Conv2d: stride is 0, expected an integer >= 1"),
    (lambda: nn.Conv2d(3, 3, 3, padding=-1), "Conv2d: padding is -1, expected an integer >= 0"),
    (
        lambda: nn.Conv2d(3, 3, 3, padding="full"),
        "Conv2d: padding is 'full', expected an integer >= 0, 'same'",
    ),
    (lambda: nn.Conv1d(3, 3, 3, 2, "same"), "Conv1d: padding is 'same' with stride (2,), expected stride 1"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), "Conv2d: groups is 2, expected a divisor of in_channels, 3"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), "Conv2d: groups is 2, expected a divisor of out_channels, 3"),
    (
        lambda: nn.Conv2d(4, 3, 3, padding_mode="circle"),
        "did you mean 'circular'?), expected 'zeros', 'reflect', 'replicate' or 'circular'",
    ),
    (lambda: nn.Conv2d(4, 3, 3, bias=1), "Conv2d: bias is 1, expected True or False"),
    (lambda: nn.Conv2d(4, 3, 3, bias_init="zeroes"), "did you mean 'zeros'?"),
    (lambda: nn.ConvTranspose2d(4, 3, 3, 2, 1, 2), "output_padding is 2, expected less than stride, 2"),
    (lambda: nn.MaxPool2d(2, padding=2), "MaxPool2d: padding is 2, expected at most half of kernel_size, 2"),
    (lambda: nn.MaxPool1d((2, 2)), "MaxPool1d: kernel_size is (2, 2), expected an integer >= 1"),
    (lambda: nn.AvgPool2d(2, stride=0), "AvgPool2d: stride is 0, expected an integer >= 1, or 2 of them"),
    (lambda: nn.AvgPool2d(2, ceil_mode=1), "AvgPool2d: ceil_mode is 1, expected True or False"),
    (
        lambda: nn.AvgPool2d(2, count_include_pad=0),
        "AvgPool2d: count_include_pad is 0, expected True or False",
    ),
    (
        lambda: nn.AdaptiveAvgPool2d(0),
        "AdaptiveAvgPool2d: output_size is 0, expected an integer >= 1 or None, or 2 of them",
    ),
    (
        lambda: nn.UpsamplingNearest2d(0.5),
        "UpsamplingNearest2d: scale_factor is 0.5, expected an integer >= 1",
    ),
    (lambda: nn.BatchNorm1d(0), "BatchNorm1d: num_features is 0, expected an integer >= 1"),
    (lambda: nn.BatchNorm2d(2, eps=0), "BatchNorm2d: eps is 0, expected a number > 0"),
    (
        lambda: nn.BatchNorm2d(2, momentum=1.5),
        "BatchNorm2d: momentum is 1.5, expected a number in [0, 1] or None",
    ),
    (
        lambda: nn.LayerNorm(()),
        "LayerNorm: normalized_shape is (), expected an integer >= 1, or a tuple of them",
    ),
    (lambda: nn.RMSNorm((3, 0)), "RMSNorm: normalized_shape is (3, 0), expected"),
    (lambda: nn.RMSNorm(3, eps=-1.0), "RMSNorm: eps is -1.0, expected a number > 0"),
    (lambda: nn.GroupNorm(3, 4), "GroupNorm: num_groups is 3, expected a divisor of num_channels, 4"),
    (lambda: nn.WeightNorm(nn.ReLU()), "WeightNorm: ReLU() has no parameter 'weight'; it has none"),
    (lambda: nn.WeightNorm(nn.Linear(3, 2), "wieght"), "it has weight, bias"),
    (lambda: nn.WeightNorm(nn.Linear(3, 2), axis=2), "WeightNorm: axis is 2, expected an axis of the shape"),
    (lambda: nn.WeightNorm(nn.Linear(None, 2)), "give the layer its input size as a number"),
    (lambda: nn.WeightNorm(nn.Linear(3, 2, weight_constraint="unit_norm")), "has a constraint"),
    (lambda: nn.WeightNorm("linear"), "WeightNorm: layer is 'linear', expected a Module"),
    (lambda: nn.Dropout(1.0), "Dropout: p is 1.0, expected a number in [0, 1)"),
    (lambda: nn.Dropout(-0.1), "Dropout: p is -0.1, expected a number in [0, 1)"),
    (lambda: nn.Dropout("half"), "Dropout: p is 'half', expected a number in [0, 1)"),
    (lambda: nn.DropPath(1), "DropPath: p is 1, expected a number in [0, 1)"),
    (lambda: nn.GaussianDropout(2.0), "GaussianDropout: p is 2.0, expected a number in [0, 1)"),
    (lambda: nn.GaussianNoise(-1.0), "GaussianNoise: std is -1.0, expected a number >= 0"),
    (lambda: nn.Softmax(axis=1.0), "Softmax: axis is 1.0, expected an integer"),
    (lambda: nn.Softmax(axis=True), "Softmax: axis is True, expected an integer"),
    (lambda: nn.Flatten(1.5), "Flatten: start_dim is 1.5, expected an integer"),
    (lambda: nn.Reshape((-1, -1)), "Reshape: shape is (-1, -1), expected integers >= 1"),
    (lambda: nn.Permute((1, 2)), "Permute: axes is (1, 2), expected 0 to n - 1, each once"),
    (lambda: nn.Concat(axis="channels"), "Concat: axis is 'channels', expected an integer"),
    (lambda: nn.Residual(shortcut=3), "Residual: shortcut is 3, expected a Module or None"),
    (lambda: nn.Lambda(3), "Lambda: fn is 3, expected a function of one array"),
    (lambda: nn.Lambda(nn.ReLU()), "Lambda: fn is ReLU(), which is a layer already and is used as it is"),
    (lambda: nn.Lambda("no.such.module:f"), "but 'no.such.module' has not been imported"),
    (lambda: nn.Lambda("learnkit.nn:ReLU"), "but 'learnkit.nn' has no function of that name"),
    (lambda: nn.MLP((3,)), "MLP: sizes is (3,), expected the numbers of features"),
    (lambda: nn.MLP((3, None, 2)), "MLP: sizes[1] is None, expected an integer >= 1"),
    (lambda: nn.MLP((3, 4, 2), activation=nn.ReLU()), "MLP: activation is ReLU(), expected a name"),
    (lambda: nn.MLP((3, 4, 2), "rlu"), "did you mean 'relu'?"),
    (
        lambda: nn.MLP((3, 4, 2), norm="dropout"),
        "norm is 'dropout', which does not take a number",
    ),
    (lambda: nn.MLP((3, 4, 2), norm=3), "MLP: norm is 3, expected a name or None"),
    (lambda: nn.MLP((3, 2), dropout=1), "Dropout: p is 1, expected a number in [0, 1)"),
    (
        lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU),
        "Sequential: layer 1 is <class 'learnkit.nn.activations.rectifiers.ReLU'>",
    ),
    (lambda: nn.Sequential(nn.ReLU), "write ReLU(...) with parentheses"),
    (lambda: nn.Sequential([nn.ReLU()]), "Sequential: layer 0 is [ReLU()], expected a Module"),
    (lambda: nn.Sequential(np.tanh), "write Lambda(function) for a function"),
    (lambda: nn.Parallel(nn.ReLU(), 3), "Parallel: layer 1 is 3, expected a Module"),
    (lambda: nn.training(seed=-1).__enter__(), "seed is -1, expected an integer >= 0"),
    (lambda: nn.training(step=0.5).__enter__(), "step is 0.5, expected an integer >= 0"),
    (lambda: Leaf((2, -2), nn.init.Zeros()), "shape is (2, -2), expected a tuple of integers >= 0"),
    (
        lambda: registry.create("layer", "batch_norm1d"),
        "'batch_norm1d' needs the option 'num_features'",
    ),
]


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_values_out_of_range_are_refused(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)


#: layer, shapes of its inputs, what it says
SHAPES = [
    (lambda: nn.Linear(3, 2), [()], "linear got x of shape (), expected (..., 3)"),
    (lambda: nn.Bilinear(3, 2, 1), [(4, 3), (4, 3)], "inputs of shapes (4, 3) and (4, 3), expected (..., 3)"),
    (lambda: nn.Bilinear(3, 2, 1), [(4, 3), (5, 2)], "with equal axes in front"),
    (lambda: nn.Bilinear(3, 2, 1), [(4, 3)], "Bilinear got one input, expected two"),
    (
        lambda: nn.BatchNorm1d(3),
        [(4, 2)],
        "got x of shape (4, 2), expected (batch, channels) or (batch, channels, length) "
        "with 3 channels in axis 1",
    ),
    (lambda: nn.BatchNorm2d(3), [(4, 3)], "expected (batch, channels, height, width) with 3 channels"),
    (lambda: nn.InstanceNorm1d(3), [(3, 4)], "expected (batch, channels, length) with 3 channels in axis 1"),
    (
        lambda: nn.Conv2d(1, 2, 3), [(4, 8, 8)],
        "got x of shape (4, 8, 8), expected (batch, channels, height, width) with 1 channels in axis 1\n"
        "  one example is a batch of 1; images without an axis of channels need one: Reshape((1, ...))",
    ),
    (lambda: nn.Conv1d(1, 2, 3), [(4, 2, 8)], "expected (batch, channels, length) with 1 channels in axis 1"),
    (
        lambda: nn.Conv2d(1, 2, 3, dilation=2, padding=1), [(4, 1, 2, 8)],
        "got x of shape (4, 1, 2, 8), which is smaller, with its padding, than the window of 5 x 5",
    ),
    (lambda: nn.Conv1d(1, 2, 3), [(4, 1, 2)], "smaller, with its padding, than the window of 3"),
    (
        lambda: nn.Conv2d(1, 2, 3, padding=2, padding_mode="reflect"), [(4, 1, 2, 8)],
        "has too few pixels for a padding of 2 with padding_mode 'reflect'",
    ),
    (lambda: nn.ConvTranspose2d(1, 2, 2, padding=1), [(4, 1, 1, 1)], "of which its padding leaves nothing"),
    (lambda: nn.MaxPool2d(3), [(4, 1, 2, 8)], "MaxPool2d got x of shape (4, 1, 2, 8), which is smaller"),
    (lambda: nn.AvgPool1d(2), [(4, 8)], "got x of shape (4, 8), expected (batch, channels, length)"),
    (lambda: nn.AdaptiveAvgPool2d(2), [(4, 1, 0, 3)], "AdaptiveAvgPool2d got x of shape (4, 1, 0, 3)"),
    (lambda: nn.UpsamplingNearest2d(2), [(4, 1, 3)], "UpsamplingNearest2d got x of shape (4, 1, 3)"),
    (lambda: nn.LayerNorm((2, 3)), [(4, 3)], "LayerNorm got x of shape (4, 3), expected (..., 2, 3)"),
    (lambda: nn.LayerNorm((2, 3)), [(3,)], "LayerNorm got x of shape (3,), expected (..., 2, 3)"),
    (lambda: nn.RMSNorm(3), [()], "RMSNorm got x of shape (), expected (..., 3)"),
    (lambda: nn.GroupNorm(1, 3), [(3,)], "expected (batch, 3, ...) with channels in axis 1"),
    (lambda: nn.Flatten(), [()], "Flatten got an array without axes, expected (batch, ...)"),
    (lambda: nn.Flatten(2), [(2, 3)], "Flatten from axis 2 to -1 got x of shape (2, 3)"),
    (lambda: nn.Reshape((2, -1)), [(4, 3)], "3 elements an example do not make (2, -1)"),
    (lambda: nn.Reshape(4), [()], "Reshape got an array without axes"),
    (lambda: nn.Permute((0, 2, 1)), [(4, 3)], "Permute of 3 axes got x of shape (4, 3)"),
    (lambda: nn.Residual(nn.Linear(3, 1)), [(4, 3)], "arrays of shapes (4, 3), (4, 1), expected equal"),
    (lambda: nn.Add(), [(4, 3)], "Add without layers got ndarray, expected a tuple of arrays"),
    (lambda: nn.Concat(axis=1), [[(4, 3), (5, 3)]], "along axis 1 got arrays of shapes (4, 3), (5, 3)"),
    (lambda: nn.Concat(axis=2), [[(4, 3), (4, 3)]], "Concat along axis 2 got arrays of shapes"),
    (lambda: nn.Parallel(nn.ReLU()), [[(4, 3), (4, 3)]], "Parallel of 1 layers got 2 inputs"),
    (lambda: nn.Parallel(nn.ReLU(), nn.Linear(2, 2)), [(4, 3)], "layer 1 (Linear("),
    (lambda: nn.Residual(nn.ReLU(), shortcut=nn.Linear(2, 2)), [(4, 3)], "layer shortcut (Linear("),
]  # fmt: skip


@pytest.mark.parametrize(("make", "shapes", "text"), SHAPES)
def test_shapes_that_do_not_fit(make, shapes, text):
    layer = make()
    nn.initialize(layer, dtype="float64")
    inputs = [tuple(np.ones(s) for s in x) if isinstance(x, list) else np.ones(x) for x in shapes]
    with pytest.raises(ShapeError) as caught:
        layer(*inputs)
    assert text in str(caught.value)


def test_shapes_that_do_not_fit_name_the_layer():
    model = nn.Sequential(nn.Linear(3, 4), nn.Residual(nn.ReLU(), nn.Parallel(nn.ReLU(), nn.Linear(5, 1))))
    nn.initialize(model)
    with pytest.raises(ShapeError) as caught:
        model(np.ones((2, 3), dtype="float32"))
    assert str(caught.value).splitlines() == [
        "layer 1.1.1 (Linear(in_features=5, out_features=1)): linear got x of shape (2, 4), "
        "expected (..., 5)",
        "  the last axis of x must have in_features entries; Flatten() makes one axis of several",
    ]


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([0, 5], "Embedding got id 5, expected 0 <= id < 5, the number of its rows"),
        ([-1, 2], "Embedding got id -1, expected 0 <= id < 5"),
        ([1.5, 2.0], "Embedding got ids that are no whole numbers"),
        ([np.nan, 2.0], "Embedding got ids that are no whole numbers"),
        ([np.inf, 2.0], "Embedding got id inf, expected 0 <= id < 5"),
        ([True, False], "Embedding got ids of dtype"),
    ],
)
def test_ids_are_looked_at_on_the_host(backend, ids, text):
    table = nn.Embedding(5, 2)
    nn.initialize(table, backend=backend.backend)
    there = backend.asarray(np.asarray(ids))
    if not backend.backend.on_host and "dtype" not in text:
        with backend.no_sync():
            table(backend.asarray(np.asarray([0.0, 4.0])))  # not looked at: that would wait for the device
        return
    with pytest.raises(ArgumentError) as caught:
        table(there)
    assert text in str(caught.value)


def test_floats_that_cannot_count_the_rows_are_refused():
    table = nn.Embedding(2**24 + 1, 1)
    with pytest.raises(ArgumentError, match="float32, which cannot count 16777217 rows\n  pass integers"):
        table(np.asarray([1.0], dtype="float32"))


def test_a_function_that_cannot_be_found_again_cannot_be_saved():
    """One at the top level of a module can be, by its name."""
    layer = nn.Lambda(of_test)
    described = registry.describe(layer)
    assert described["fn"] == f"{__name__}:of_test"
    assert registry.create("layer", described).fn is of_test
    model = nn.Sequential(nn.ReLU(), nn.Lambda(lambda x: 2 * x))
    assert repr(model).startswith("Sequential(ReLU(), Lambda(test_a_function")
    with pytest.raises(ArgumentError) as caught:
        registry.describe(model)
    assert "sequential.layers[1]: Lambda: test_a_function" in str(caught.value)
    assert "cannot be saved: it is neither registered nor a function that can be " in str(caught.value)
    assert "at the top level of a module, or as a Module that a plugin registers" in str(caught.value)


def test_a_registered_function_is_saved_by_its_name():
    with registry.isolated() as fresh:
        fresh.plugins.builtin("activation")["twice"] = of_test
        described = registry.describe(nn.Lambda(of_test))
        assert described["fn"] == {"kind": "activation", "factory": "twice"}
        assert registry.create("layer", described).fn is of_test


def test_a_layer_that_was_not_initialised_says_what_to_do():
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(ArgumentError) as caught:
        model(np.ones((1, 2)))
    assert "leaf 'weight' of Linear has no array yet\n  give the model to a Trainer" in str(caught.value)
    with pytest.raises(ArgumentError, match=r"leaf '0\.weight' has no array yet"):
        model.arrays()
    with pytest.raises(ArgumentError, match=r"leaf '0\.weight' has no array yet"):
        model.leaves()


def test_a_module_without_a_forward_function_says_so():
    class Empty(nn.Module):
        pass

    with pytest.raises(TypeError, match=r"Empty defines no forward function: give it a __call__\(self, x\)"):
        Empty()(np.ones(2))
