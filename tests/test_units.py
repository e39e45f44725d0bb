"""Units and objectives: their values against sums done by hand, their errors against what the network has."""

import math
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from neurolens.units import ClassUnit, LayerUnit, Objective, parse

CLASSES = ("cat", "dog", "hot dog", "5", "0")
LAYERS = {"stem": (2, 2, 3), "layer4": (512, 4, 4), "layer4.0.conv1": (512, 4, 4), "head": (7,)}
SHAPES = {"stem": (3, 2, 2, 3), "layer1.0.conv1": (3, 4, 2, 2), "head": (3, 7), "output": (3, 5)}
_generator = torch.Generator().manual_seed(0)
OUTPUTS = {layer: torch.randn(*shape, generator=_generator).double() for layer, shape in SHAPES.items()}
STEM, CONV, HEAD, LOGITS = (OUTPUTS[layer].tolist() for layer in SHAPES)  # three images
SOFTMAX = [[math.exp(z) / sum(map(math.exp, row)) for z in row] for row in LOGITS]
BY_HAND = {
    "stem": [sum(map(sum, image[0] + image[1])) / 12 for image in STEM],
    "stem.C0": [sum(map(sum, image[0])) / 6 for image in STEM],
    "stem.C1": [sum(map(sum, image[1])) / 6 for image in STEM],
    "stem.C1N0": [image[1][0][0] for image in STEM],
    "stem.C0N2": [image[0][0][2] for image in STEM],
    "stem.C1N4": [image[1][1][1] for image in STEM],
    "layer1.0.conv1.C3": [sum(map(sum, image[3])) / 4 for image in CONV],
    "head": [sum(row) / 7 for row in HEAD],
    "head.C6": [row[6] for row in HEAD],
    "logit:cat": [row[0] for row in LOGITS],
    'logit:"hot dog"': [row[2] for row in LOGITS],
    "logit:1": [row[1] for row in LOGITS],
    "logit:5": [row[3] for row in LOGITS],  # a class of that name goes before an index, here one out of range
    "logit:0": [row[4] for row in LOGITS],  # and here one in range
    "softmax:dog": [row[1] for row in SOFTMAX],
    "softmax:2": [row[2] for row in SOFTMAX],
}


def score(objective):
    return objective.score(OUTPUTS, CLASSES).tolist()


@pytest.mark.parametrize("address", BY_HAND)
def test_a_unit_scores_every_image(address):
    assert score(parse(address)) == pytest.approx(BY_HAND[address], abs=1e-12)


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("logit:cat - stem.C1", {"logit:cat": 1, "stem.C1": -1}),
        ("logit:cat-stem.C1", {"logit:cat": 1, "stem.C1": -1}),
        ("-logit:cat + 2*softmax:dog", {"logit:cat": -1, "softmax:dog": 2}),
        ("softmax:dog - 0.5*stem.C1N4 - .25 * head", {"softmax:dog": 1, "stem.C1N4": -0.5, "head": -0.25}),
        ("1e-1*head.C6 + 2.5E+1*stem - 3.*stem.C0", {"head.C6": 0.1, "stem": 25, "stem.C0": -3}),
        ("stem - -2*head", {"stem": 1, "head": 2}),
        ("  + stem\n- 0*head ", {"stem": 1}),
        ("stem - stem + head", {"head": 1}),
    ],
)
def test_a_text_is_the_sum_it_says(text, weights):
    expected = [sum(w * BY_HAND[address][i] for address, w in weights.items()) for i in range(3)]
    assert score(parse(text)) == pytest.approx(expected, abs=1e-12)


def test_algebra_is_that_of_the_values():
    a, b, c = parse("logit:cat"), parse("stem.C1"), parse("softmax:dog")
    A, B, C = (np.array(BY_HAND[str(unit)]) for unit in (a, b, c))
    for objective, expected in {
        a - b: A - B,
        a - (b - c): A - (B - C),
        -(a - 2 * b): -(A - 2 * B),
        (a + b) * 0.5 - c / 4: (A + B) * 0.5 - C / 4,
        sum([a, b, c]): A + B + C,
        sum([a, -b], start=c): C + A - B,
        np.float64(2) * a - b * np.int64(3): 2 * A - 3 * B,
        a - a: 0 * A,
    }.items():
        assert score(objective) == pytest.approx(list(expected), abs=1e-12), str(objective)


def test_a_numpy_weight_is_multiplied_in_full_precision():
    ((weight, _),) = (parse("0.3*stem") * np.float32(0.1)).terms
    assert weight == 0.3 * float(np.float32(0.1))


def test_softmax_is_over_all_classes_and_stands_large_logits():
    logits = torch.tensor([[1e4, 1e4, 0.0], [-1e4, 0.0, 1e4]])
    probability = parse("softmax:1").score({"output": logits})
    assert probability.tolist() == [0.5, 0.0]


def test_gradient_is_the_weights_spread_over_the_positions():
    outputs = {layer: output.clone().requires_grad_() for layer, output in OUTPUTS.items()}
    parse("3*stem.C1 - stem.C0N4 + softmax:dog").score(outputs, CLASSES).sum().backward()
    for image in range(3):
        grad = outputs["stem"].grad[image]
        assert grad[1].tolist() == [[pytest.approx(0.5)] * 3] * 2
        assert grad[0].tolist() == [[0, 0, 0], [0, -1, 0]]
        p = SOFTMAX[image]
        expected = [p[1] * ((k == 1) - p[k]) for k in range(5)]
        assert outputs["output"].grad[image].tolist() == pytest.approx(expected, abs=1e-12)
    assert outputs["head"].grad is None


def test_positions_are_counted_by_row_in_every_memory_format():
    channels_last = {"stem": OUTPUTS["stem"].to(memory_format=torch.channels_last)}
    assert parse("stem.C1N4").score(channels_last).tolist() == BY_HAND["stem.C1N4"]


def test_an_objective_scores_a_real_network(network, images):
    outputs = {}
    hook = network.layer2.register_forward_hook(lambda module, inputs, output: outputs.update(layer2=output))
    outputs["output"] = network(images)
    hook.remove()
    objective = parse("logit:2 - 0.5*layer2.C7N17")
    assert objective.layers == {"layer2", "output"}
    expected = outputs["output"][:, 2] - 0.5 * outputs["layer2"][:, 7, 1, 1]  # 16×16: position 17 is row 1, column 1
    torch.testing.assert_close(objective.score(outputs), expected)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            "layer5",
            r"`layer` \(='layer5'\) is not in this network; nearest: layer4; it has stem, layer4, head$",
        ),
        ("layer4.0.conv2.C1", r"`layer` \(='layer4.0.conv2'\) .* nearest: layer4.0.conv1"),
        ("layer4.c18n3", r"`layer` .*; channels and neurons have capitals: layer4.C18N3$"),
        ("LAYER4.C1", r"`layer` \(='LAYER4'\) .* nearest: layer4; it has"),
        ("zebra", r"`layer` \(='zebra'\) .* nearest: none; it has stem, layer4, head$"),
        ("dog", r"`layer` \(='dog'\) .*; for the class write logit:dog$"),
        ('"hot dog"', r"`layer` \(='hot dog'\) .*; for the class write logit:\"hot dog\"$"),
        ("layer4.C512", r"`channel` \(=512\) exceeds layer4: 512 channels, C0 … C511$"),
        ("stem.C2", r"`channel` \(=2\) exceeds stem: 2 channels, C0 … C1$"),
        ("layer4.C511N16", r"`neuron` \(=16\) exceeds layer4.C511: 4×4 = 16 positions, N0 … N15$"),
        ("stem.C1N6", r"`neuron` \(=6\) exceeds stem.C1: 2×3 = 6 positions, N0 … N5$"),
        ("head.C7", r"`channel` \(=7\) exceeds head: 7 channels, C0 … C6$"),
        ("head.C1N0", r"`neuron` \(=0\) exceeds head.C1: one number, so no N$"),
        (
            "logit:dgo",
            r"`class` \(='dgo'\) is not in this network; nearest: dog; it has cat, dog, hot dog, 5, 0$",
        ),
        ("softmax:6", r"`class` \(='6'\) .*; it has cat, dog, hot dog, 5, 0$"),
        ("logit:cat - 2*layer5", r"`layer` \(='layer5'\)"),
    ],
)
def test_what_the_network_lacks_is_named_with_what_it_has(address, message):
    with pytest.raises(ValueError, match=message):
        parse(address).check(LAYERS, CLASSES)


@pytest.mark.parametrize("address", ["layer4.C511N15", "stem.C1N5", "head.C6", "head", "logit:5", "softmax:2"])
def test_what_the_network_has_passes(address):
    parse(address).check(LAYERS, CLASSES)


@pytest.mark.parametrize("classes", [None, ()])
def test_without_class_names_an_index_is_the_only_address(classes):
    parse("logit:999").check(LAYERS, classes)
    with pytest.raises(ValueError, match=r"`class` \(='dog'\) .* it has no class names, only indices: logit:0$"):
        parse("logit:dog").check(LAYERS, classes)


def test_a_long_list_is_cut():
    with pytest.raises(ValueError, match=r"it has c0, c1, .*, c11, … \(1000 in all\)$"):
        parse("logit:1000").check(LAYERS, [f"c{i}" for i in range(1000)])


@pytest.mark.parametrize("unit", [LayerUnit("stem", -1), LayerUnit("stem", 0, -1)])
def test_a_negative_index_is_refused(unit):
    with pytest.raises(ValueError, match=r"\(=-1\) exceeds stem"):
        Objective(((1, unit),)).check(LAYERS)


def test_a_neuron_needs_a_channel():
    with pytest.raises(ValueError, match=r"`neuron` \(=15\) needs a `channel`, as in layer4.C0N15"):
        LayerUnit("layer4", neuron=15)


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf])
def test_a_weight_is_finite(weight):
    with pytest.raises(ValueError, match=r"`weights` \(=\[-?(nan|inf)\]\) must be finite numbers, at least one"):
        weight * parse("stem")
    with pytest.raises(ValueError, match="must be finite"):
        parse("1e308*stem") * 10
    with pytest.raises(ValueError, match="must be finite"):
        parse("1e309*stem")


def test_an_objective_has_a_term():
    with pytest.raises(ValueError, match=r"`weights` \(=\[\]\) must be finite numbers, at least one"):
        Objective(())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda a: a * a,
        lambda a: a * "2",
        lambda a: a * [1],
        lambda a: a / a,
        lambda a: 1 / a,
        lambda a: a + 1,
        lambda a: 1 + a,
        lambda a: a - 1,
        lambda a: 1 - a,
        lambda a: a + "stem",
    ],
)
def test_only_objectives_add_and_only_numbers_scale(wrong):
    with pytest.raises(TypeError):
        wrong(parse("stem"))


def test_an_objective_is_a_value():
    objective = parse("logit:dog - 0.5*stem.C1")
    assert objective == Objective(((1, ClassUnit("logit", "dog")), (-0.5, LayerUnit("stem", 1))))
    assert pickle.loads(pickle.dumps(objective)) == objective  # noqa: S301
    with pytest.raises(FrozenInstanceError):
        objective.terms = ()
