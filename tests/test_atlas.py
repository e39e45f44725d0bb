"""An atlas holds for each unit what a single ascent finds, survives an interrupt, and says what its images score."""

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.cache import save_arrays
from neurolens.twin import Twin
from neurolens.visualization import atlas as atlas_module
from neurolens.visualization.atlas import Atlas, build_atlas, open_atlas
from torch import nn

SIZE = (8, 8)
UNITS = ("stage.C0", "stage.C2N5", "stage.C4", "head.C1")


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Tanh())
        self.head = nn.Linear(5, 2)

    def forward(self, images):
        return self.head(self.stage(images).mean((2, 3)))


@pytest.fixture(scope="module")
def lens():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nl.Lens(Small(), ("day", "night"), SIZE)


def build(lens, **changes):
    return build_atlas(lens, **{"units": UNITS, "steps": 5, "progress": False, **changes})


def test_scores_are_those_of_the_stored_pixels(lens):
    found = build(lens)
    assert found.places == {unit: i for i, unit in enumerate(UNITS)}
    for unit, image, score in zip(found.units, found.images, found.scores, strict=True):
        objective = lens[unit]
        outputs = lens.outputs(image[None].float() / 255, objective.layers)
        assert objective.score(outputs, lens.classes).item() == pytest.approx(score.item(), abs=1e-6)


class Silent(nn.Module):
    """A channel that the grey start leaves at 0, without a gradient."""

    def __init__(self):
        super().__init__()
        self.stage = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU())
        self.head = nn.Linear(2, 2)
        with torch.no_grad():
            self.stage[0].weight.fill_(1.0)
            self.stage[0].bias.copy_(torch.tensor([-1.0, -2.5]))

    def forward(self, images):
        return self.head(self.stage(images).mean((2, 3)))


def test_a_unit_that_the_start_leaves_silent_is_woken():
    lens = nl.Lens(Silent(), ("day", "night"), SIZE)
    start = atlas_module.grey_noise(lens, 0)
    assert lens.outputs(start, ["stage"])["stage"][0, 1].max() == 0
    found = build_atlas(lens, ["stage.C0", "stage.C1"], steps=40, progress=False)
    plain = nl.Ascent(lens, "stage.C0", start, 0.03, 40, optimizer=torch.optim.Adam).run()
    assert torch.equal(found.images[0], (plain.best_images[0] * 255).round().byte())
    assert found.scores[1] > 0.3  # of 0.5, where all is white


def test_climbing_together_is_climbing_alone(lens, monkeypatch):
    together = build(lens)
    monkeypatch.setattr(atlas_module, "TOGETHER", 1)
    alone = build(lens)
    assert (together.images.int() - alone.images.int()).abs().max() <= 1
    torch.testing.assert_close(together.scores, alone.scores, atol=1e-3, rtol=1e-3)
    start = build(lens, steps=0)
    assert (together.scores > start.scores).all()


def test_large_images_climb_by_few_so_that_memory_is_bounded(lens, monkeypatch):
    """Three pictures' pixels hold three units at a time, whatever the size of a picture."""
    sizes, real = [], Twin.__call__

    def noting(twin, images, *args, **kwargs):
        sizes.append(len(images))
        return real(twin, images, *args, **kwargs)

    monkeypatch.setattr(Twin, "__call__", noting)
    monkeypatch.setattr(atlas_module, "TOGETHER", 3 * lens.size[0] * lens.size[1])
    assert len(build(lens, units=None, steps=1).images) == 5
    assert max(sizes) == 3


def test_all_channels_of_all_stages_unless_units_are_named(lens):
    found = build(lens, units=None, steps=0)
    assert found.units == tuple(f"stage.C{i}" for i in range(5))


def test_the_seed_decides(lens):
    assert torch.equal(build(lens).images, build(lens).images)
    assert not torch.equal(build(lens, seed=1).images, build(lens).images)


def test_goes_on_after_an_interrupt(lens, tmp_path, monkeypatch):
    monkeypatch.setattr(atlas_module, "TOGETHER", 1)
    whole, real, passes = build(lens), Twin.__call__, []

    def interrupted(*args, **kwargs):
        passes.append(args[0])
        if len(passes) == 17:  # seven passes a unit; this one is in the middle of the third's climb
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(Twin, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(lens, checkpoint=tmp_path / "atlas.npz")
    assert len(Atlas.load(tmp_path / "atlas.npz").images) == 2
    resumed = build(lens, checkpoint=tmp_path / "atlas.npz")
    assert len(passes) == 17 + 2 * 7
    assert torch.equal(resumed.images, whole.images)
    assert torch.equal(resumed.scores, whole.scores)


def test_a_checkpoint_of_something_else_or_damaged_is_made_anew(lens, tmp_path):
    checkpoint = tmp_path / "atlas.npz"
    build(lens, checkpoint=checkpoint, steps=1)
    with pytest.warns(UserWarning, match="is of another network or recipe; climbing again"):
        build(lens, checkpoint=checkpoint)
    checkpoint.write_bytes(b"torn")
    with pytest.warns(UserWarning, match=r"atlas.npz cannot be used .*damaged.*making it again"):
        build(lens, checkpoint=checkpoint)
    save_arrays(checkpoint, {"units": []}, {"scores": np.zeros(0)})
    with pytest.raises(ValueError, match=r"is no atlas \('images' is missing\); delete it"):
        Atlas.load(checkpoint)


def test_an_unknown_unit_is_an_error_before_any_work(lens):
    with pytest.raises(ValueError, match=r"`channel` \(=5\) exceeds stage: 5 channels"):
        build(lens, units=["stage.C0", "stage.C5"])


def test_a_study_has_one_atlas(monkeypatch):
    study = nl.open_study("planted")
    first = open_atlas(study, "near_pair", steps=1, units=["stem.C0"], progress=False)
    monkeypatch.setattr(atlas_module, "Ascent", None)  # whoever climbs again fails
    again = open_atlas(study, "near_pair", steps=1, units=["stem.C0"], progress=False)
    assert torch.equal(first.images, again.images)


@pytest.mark.parametrize("network", ["near_pair", "far_pair", "all", "reseeded", "vgg16"])
def test_the_planted_networks_ship_with_atlases_that_are_theirs(network, planted_cache, monkeypatch):
    lens = planted_cache.lens(network)
    with monkeypatch.context() as patch:
        patch.setattr(atlas_module, "Ascent", None)  # whoever climbs fails
        shipped = open_atlas(planted_cache, network, progress=False)
    assert len(shipped.images) == sum(lens.layers[layer][0] for layer in lens.stages)
    layer = lens.stages[-1]
    places = [place for unit, place in shipped.places.items() if unit.startswith(f"{layer}.")]
    with torch.no_grad():
        values = lens.outputs(shipped.images[places].float() / 255, [layer])[layer].mean((2, 3)).diagonal()
    torch.testing.assert_close(shipped.scores[places], values, rtol=1e-4, atol=1e-4)
