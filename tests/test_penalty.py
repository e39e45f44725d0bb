"""The penalty's factor against a sum by hand and the focal loss; and training by it, resumed and refused."""

import math
from dataclasses import replace

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.clustering.penalty import CategoryPenalty, evenly, levels_apart, penalise, relative, severity
from neurolens.studies import planted, training
from neurolens.studies.training import Recipe, train
from torch.nn import functional as F

NAMES = ("cat", "dog", "truck")
DISTANCES = np.array([[0, 0.1, 0.4], [0.1, 0, 0.4], [0.4, 0.4, 0]])
TINY = Recipe(width=4, epochs=3, batch_size=20, coarse_share=0, learning_rate=0.05)


pytestmark = pytest.mark.usefixtures("one_thread")


def toy(n=60):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    pixels = (torch.rand(n, 3, 16, 16, generator=generator) * 100 + labels.view(-1, 1, 1, 1) * 60).byte()
    return nl.Images(pixels, labels, NAMES, "train", "toy")


def some_logits(n=7):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, generator=generator, dtype=torch.float64) * 2, torch.arange(n) % 3


@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_the_factor_is_the_expected_distance_summed_by_hand(share):
    logits, labels = some_logits()
    found = CategoryPenalty(NAMES, DISTANCES, share)(logits, labels)
    for row in range(len(labels)):
        e = [math.exp(z) for z in logits[row].tolist()]
        expected = sum(e[j] / sum(e) * DISTANCES[labels[row], j] / 0.3 for j in range(3))
        assert found[row].item() == pytest.approx(1 - share + share * expected)


def test_equal_distances_make_it_the_focal_loss():
    logits, labels = some_logits()
    even = evenly(CategoryPenalty(NAMES, DISTANCES))
    right = logits.softmax(1)[torch.arange(len(labels)), labels]
    torch.testing.assert_close(even(logits, labels), 1 - right)
    loss = F.cross_entropy(logits, labels, reduction="none") * even(logits, labels)
    torch.testing.assert_close(loss, -(1 - right) * right.log())


def test_the_gradient_moves_probability_from_the_far_class_to_the_near_one():
    logits = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    penalty, label = CategoryPenalty(NAMES, DISTANCES), torch.tensor([0])
    (F.cross_entropy(logits, label, reduction="none") * penalty(logits, label)).sum().backward()
    cat, dog, truck = logits.grad[0].tolist()
    assert cat < 0 < dog < truck
    assert torch.autograd.gradcheck(lambda z: penalty(z, label), (logits,))


def test_severity_is_the_mean_distance_of_the_mistakes():
    labels, predicted = torch.tensor([0, 1, 2, 0]), torch.tensor([0, 0, 0, 2])
    assert severity(predicted, labels, DISTANCES) == pytest.approx((0.1 + 0.4 + 0.4) / 3 / 0.3)
    assert np.isnan(severity(labels, labels, DISTANCES))
    rows, columns = (~np.eye(3, dtype=bool)).nonzero()  # every mistake once
    assert severity(torch.from_numpy(columns), torch.from_numpy(rows), DISTANCES) == pytest.approx(1)
    assert relative(DISTANCES)[rows, columns].mean() == pytest.approx(1)


def test_levels_apart_in_a_known_hierarchy():
    levels = levels_apart(planted.HIERARCHY, planted.CLASSES)
    lion, rabbit, owl, bus = map(planted.CLASSES.index, ("lion", "rabbit", "owl", "bus"))
    assert levels[lion, lion] == 0
    assert levels[lion, rabbit] == 1
    assert levels[lion, owl] == 2
    assert levels[lion, bus] == levels[bus, owl] == 3
    assert np.array_equal(levels, levels.T)
    with pytest.raises(ValueError, match=r"`known` .* must hold all classes; it lacks cat$"):
        levels_apart(planted.HIERARCHY, ("lion", "cat"))


def test_penalise_takes_the_network_s_order_of_the_classes(network):
    lens = nl.Lens(network, NAMES, (16, 16))
    categories = nl.measure_categories(lens, toy())
    penalty = penalise(categories, ("truck", "cat"), 0.5)
    assert penalty.names == ("truck", "cat")
    assert penalty.distances[0, 1] == categories.distances[2, 0]
    assert repr(penalty) == "CategoryPenalty(50% of the loss times the expected distance; truck, cat)"
    with pytest.raises(ValueError, match=r"`names` \(=\('bird',\)\) must be different ones of cat, dog, truck"):
        penalise(categories, ("bird",))


def test_equal_penalties_have_equal_fingerprints_and_others_do_not():
    penalty = CategoryPenalty(NAMES, DISTANCES)
    assert penalty.fingerprint == CategoryPenalty(NAMES, DISTANCES.copy(), 1).fingerprint
    others = [
        CategoryPenalty(NAMES, DISTANCES, 0.5),
        CategoryPenalty(NAMES[::-1], DISTANCES),
        CategoryPenalty(NAMES, DISTANCES**2),
        evenly(penalty),
    ]
    assert len({penalty.fingerprint, *(other.fingerprint for other in others)}) == 5


def weights(network):
    return torch.cat([v.flatten().double() for v in network.state_dict().values()])


def test_training_without_a_share_is_the_plain_training(tmp_path):
    plain = train(TINY, toy(), toy(), tmp_path / "a", progress=False)
    zero = train(TINY, toy(), toy(), tmp_path / "b", penalty=CategoryPenalty(NAMES, DISTANCES, 0), progress=False)
    whole = train(TINY, toy(), toy(), tmp_path / "c", penalty=CategoryPenalty(NAMES, DISTANCES), progress=False)
    torch.testing.assert_close(weights(plain), weights(zero), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(weights(plain), weights(whole), rtol=1e-2)


def test_an_interrupted_run_with_a_penalty_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    penalty = CategoryPenalty(NAMES, DISTANCES)
    whole = train(TINY, toy(), toy(), tmp_path / "whole", penalty=penalty, progress=False)
    real, batches = training.crop_and_flip, []

    def interrupted(*args):
        batches.append(1)
        if len(batches) == 5:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(training, "crop_and_flip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, toy(), toy(), tmp_path / "c", penalty=penalty, progress=False)
    monkeypatch.setattr(training, "crop_and_flip", real)
    resumed = train(TINY, toy(), toy(), tmp_path / "c", penalty=penalty, progress=False)
    assert torch.equal(weights(resumed), weights(whole))


def test_a_checkpoint_belongs_to_one_penalty(tmp_path):
    penalty, once = CategoryPenalty(NAMES, DISTANCES), replace(TINY, epochs=1)
    train(once, toy(), toy(), tmp_path / "plain", progress=False)
    assert {*torch.load(tmp_path / "plain", weights_only=True)} == {
        "recipe", "images", "epochs", "network", "optimizer", "schedule",
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"belongs to other penalty \(None, not [0-9a-f]{16}\); delete it"):
        train(once, toy(), toy(), tmp_path / "plain", penalty=penalty, progress=False)
    train(once, toy(), toy(), tmp_path / "far", penalty=penalty, progress=False)
    for other in (None, evenly(penalty)):
        with pytest.raises(ValueError, match="belongs to other penalty"):
            train(once, toy(), toy(), tmp_path / "far", penalty=other, progress=False)


@pytest.mark.parametrize(
    ("distances", "share", "message"),
    [
        (DISTANCES[:2, :2], 1, r"`distances` \(=\(2, 2\)\) must be between two or more of \('cat', 'dog', 'truck'\)"),
        (DISTANCES - 0.2, 1, "`distances` must be finite, 0 or more, 0 on the diagonal"),
        (DISTANCES * np.nan, 1, "`distances` must be finite"),
        (DISTANCES + np.eye(3), 1, "0 on the diagonal"),
        (DISTANCES * 0, 1, "not all of them 0"),
        (DISTANCES, 1.5, r"`share` \(=1.5\) must lie in \[0, 1\]; 0 is the plain loss"),
    ],
)
def test_bad_penalties(distances, share, message):
    with pytest.raises(ValueError, match=message):
        CategoryPenalty(NAMES, distances, share)
