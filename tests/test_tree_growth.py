"""Trees grow from vectors and from categories, stop whole or not at all, and are kept in the cache."""

import itertools

import neurolens as nl
import numpy as np
import pytest
from neurolens.clustering import tree_growth
from neurolens.clustering.filters import Filters
from neurolens.clustering.tree_growth import grow_category_tree, grow_prediction_tree, open_prediction_tree
from neurolens.clustering.tree_merges import TreeOptions, merge_closest


@pytest.fixture(scope="module")
def study(planted_cache):
    return planted_cache


def test_a_tree_is_the_merges(monkeypatch):
    vectors = np.random.default_rng(0).random((9, 12))
    options = TreeOptions(masked=True)
    tree = grow_prediction_tree(vectors, options=options, progress=True)
    assert tree.merges == tuple(merge_closest(vectors, options))
    assert tree.options == options
    assert tree.images == tuple(range(9))
    assert tree.filters == Filters("filters", (12,))
    np.testing.assert_array_equal(tree.vectors, vectors.astype(np.float32))


def test_an_interrupt_leaves_nothing(monkeypatch):
    def interrupted(*args):
        yield from itertools.islice(merge_closest(*args), 3)
        raise KeyboardInterrupt

    monkeypatch.setattr(tree_growth, "merge_closest", interrupted)
    with pytest.raises(KeyboardInterrupt, match="stopped after 3 of 8 merges; no tree was built"):
        grow_prediction_tree(np.random.default_rng(0).random((9, 12)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"filters": Filters("layer4", (5, 2))},
            r"`filters` and `images` \(=10 and 9\) must be 12 and 9, as `vectors`",
        ),
        ({"images": [1, 2]}, r"`filters` and `images` \(=12 and 2\) must be 12 and 9"),
        ({"vectors": np.zeros((9, 12))}, "are all zero: the layer is dead"),
        ({"vectors": np.ones((1, 12))}, "must be two or more images"),
    ],
)
def test_bad_input(changes, message):
    with pytest.raises(ValueError, match=message):
        grow_prediction_tree(**{"vectors": np.ones((9, 12)), **changes})


@pytest.mark.parametrize("kind", ["neurons", "channels"])
def test_the_tree_of_a_category(study, kind):
    lens, images = study.lens("near_pair"), study.images("near_pair")
    few = images[list(range(0, len(images), 5))]
    category = images.classes[1]
    tree = grow_category_tree(lens, few, category, "layer3", kind=kind)
    assert tree.images == tuple(i for i, label in enumerate(few.labels.tolist()) if label == 1)
    vectors = tree.filters.outputs(lens, few.rgb(tree.images))
    np.testing.assert_array_equal(tree.vectors, vectors)
    assert tree.merges == tuple(merge_closest(vectors))
    for word in (lens.name, "test images of planted", "fp32", f"layer3 {kind}", f"{len(vectors)} images of {category}"):
        assert word in tree.caption
    for merge in tree.merges[:5]:  # every critical filter is a unit of the network
        lens[tree.filters.address(merge.filter)]


def test_the_path_of_an_image(study):
    lens, images = study.lens("near_pair"), study.images("near_pair")[list(range(0, 200, 5))]
    tree = grow_category_tree(lens, images, images.classes[0])
    other = images.rgb()[-1]  # of the other class
    assert tree.path(other, lens) == tree.path(tree.filters.outputs(lens, other[None])[0])
    with pytest.raises(ValueError, match=r"`lens` .* is not the network of this tree, planted/near_pair"):
        tree.path(other, study.lens("far_pair"))
    for wrong in (other[None], tree.outputs()[0]):
        with pytest.raises(ValueError, match=r"`image` \(of shape .*\) must be one image \(c, h, w\)"):
            tree.path(wrong, lens)


def test_the_tree_of_all_images(study):
    lens, images = study.lens("near_pair"), study.images("near_pair")[list(range(0, 200, 9))]
    tree = grow_category_tree(lens, images)
    assert tree.images == tuple(range(len(images)))
    assert tree.filters.layer == lens.stages[-1]
    assert tree.category == ""


def test_a_category_that_is_not_there(study):
    lens, images = study.lens("near_pair"), study.images("near_pair")
    with pytest.raises(ValueError, match=rf"`category` \(='cow'\) must be one of {', '.join(images.classes)}"):
        grow_category_tree(lens, images, "cow")
    one = images[[0]]
    with pytest.raises(ValueError, match=r"have 1 of any class; a tree needs two"):
        grow_category_tree(lens, one)
    absent = images.classes[1 - int(one.labels[0])]
    with pytest.raises(ValueError, match=f"have 0 of {absent}; a tree needs two"):
        grow_category_tree(lens, one, absent)
    with pytest.raises(ValueError, match=r"`layer` \(='layer9'\) is not in"):
        grow_category_tree(lens, images, layer="layer9")
    small = nl.Images(images.pixels[:, :, :16, :16], images.labels, images.classes, "test", "corners")
    with pytest.raises(ValueError, match=r"`images` \(of \(16, 16\) pixels\) must have the size of"):
        grow_category_tree(lens, small)


def test_a_study_s_tree_grows_once(study, monkeypatch, tmp_path):
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path))
    category = study.images("near_pair").classes[0]
    first = open_prediction_tree(study, "near_pair", category, progress=False)
    (file,) = (tmp_path / "trees").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(tree_growth, "merge_closest", None)  # whoever grows again fails
        again = open_prediction_tree(study, "near_pair", category)
        assert (again.merges, again.about, again.images) == (first.merges, first.about, first.images)
        np.testing.assert_array_equal(again.vectors, first.vectors)
    for changes in ({"kind": "channels"}, {"options": TreeOptions(masked=True)}, {"layer": "layer3"}):
        open_prediction_tree(study, "near_pair", category, progress=False, **changes)
    assert len([*(tmp_path / "trees").iterdir()]) == 4
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.warns(UserWarning, match=r"cannot be used \(.* is damaged .* making it again"):
        again = open_prediction_tree(study, "near_pair", category, progress=False)
    assert again.merges == first.merges
