"""The drawn tree shows what it was asked to show, the path in red, and says how it was made."""

import io

import neurolens as nl
import numpy as np
import pytest
import torch
from matplotlib.colors import same_color
from matplotlib.offsetbox import AnnotationBbox
from neurolens.clustering.filters import Filters
from neurolens.clustering.tree_growth import grow_prediction_tree
from neurolens.figures.prediction_tree import RED, path_filters, tree_figure
from PIL import Image


@pytest.fixture(scope="module")
def images():
    pixels = torch.randint(0, 256, (40, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    return nl.Images(pixels, torch.arange(40) % 2, ("horse", "dog"), "test", "forty noises")


@pytest.fixture(scope="module")
def tree():
    vectors = np.maximum(np.random.default_rng(0).normal(0.3, size=(20, 50)), 0)
    about = {"network": "toy/net", "data": "forty noises"}
    return grow_prediction_tree(
        vectors, Filters("layer4", (5, 2, 5)), images=range(0, 40, 2), category="horse", about=about
    )


def labels(picture):
    return {text.get_text(): text for text in picture.axes[0].texts}


def thumbnails(picture):
    return [box for box in picture.axes[0].artists if isinstance(box, AnnotationBbox)]


def test_nodes_labels_and_caption(tree, images):
    nodes = tree.shape.pruned(depth=3)
    picture = tree_figure(tree, images, nodes)
    pixels = np.asarray(Image.open(io.BytesIO(picture._repr_png_())))
    assert pixels.shape[1] <= 800
    caption = picture.caption.replace("\n", " ")
    for words in (
        "toy/net",
        "forty noises",
        "layer4 neurons",
        "20 images of horse",
        f"{len(nodes)} of {len(tree)} nodes",
    ):
        assert words in caption
    written = labels(picture)
    assert "ROOT" in written
    for node in nodes[1:]:
        name = tree[node].critical
        assert (f"{name}\n{tree[node].size} images" if name else f"image {tree.images[node]}") in written
    assert [label.get_text() for label in picture.axes[0].get_yticklabels()] == ["0", "1", "2", "3"]
    assert len(thumbnails(picture)) == len(nodes) - 1
    assert "red" not in caption


def test_a_thumbnail_is_the_medoid(tree, images):
    nodes = (tree.root, tree.root - 1)
    (thumbnail,) = thumbnails(tree_figure(tree, images, nodes))
    medoid = tree.images[tree[tree.root - 1].medoid]
    expected = images.pixels[medoid].permute(1, 2, 0).numpy() / 255
    np.testing.assert_allclose(thumbnail.offsetbox.get_data(), expected, atol=1e-6)


def test_the_path_is_red_and_ticked_where_active(tree, images):
    path = tree.path(tree.outputs()[3])
    nodes = tree.shape.pruned(branches=5)
    picture = tree_figure(tree, images, nodes, path)
    red = [line for line in picture.axes[0].lines if same_color(line.get_color(), RED)]
    assert len(red) == len({*nodes, path.leaf} & {*path.nodes}) - 1
    steps = {step.node: step for step in path.steps}
    for node in {*nodes} & {*path.nodes[1:-1]}:
        tick = " ✓" if steps[node].active else ""
        label = labels(picture)[f"{tree[node].critical}{tick}\n{tree[node].size} images"]
        assert same_color(label.get_color(), RED)
    assert f"leaf {path.leaf}, image {tree.images[path.leaf]}" in picture.caption.replace("\n", " ")


def test_passed_nodes_make_a_dashed_line(tree, images):
    nodes = tree.shape.pruned(branches=4)
    picture = tree_figure(tree, images, nodes)
    depths = tree.shape.depths
    passed = sum(depths[child] > depths[parent] + 1 for parent, child in tree.shape.edges(nodes))
    assert 0 < passed == sum(line.get_linestyle() == "--" for line in picture.axes[0].lines)


def test_what_does_not_fit(tree, images):
    assert len(thumbnails(tree_figure(tree, images))) > 10
    with pytest.raises(ValueError, match=r"`nodes` \(=20 branches, .* depths\) do not fit: at most 14 and 40"):
        tree_figure(tree, images, range(len(tree)))
    with pytest.raises(ValueError, match=r"`nodes` \(=\[0, 1\]\) must hold the root"):
        tree_figure(tree, images, [0, 1])
    with pytest.raises(ValueError, match="must be those the tree was grown on: it has image 38"):
        tree_figure(tree, images[:30])


def test_boxes_of_a_path_show_what_its_active_filters_like_best(tree, images):
    path = tree.path(tree.vectors[4])
    picture = path_filters(tree, images, path, columns=3, rows=2)
    first = next(step for step in path.steps if step.critical and step.active)
    outputs = tree.vectors[:, tree.filters.index(first.critical)]
    best = np.sort(outputs)[::-1][:3]
    assert [ax.get_title() for ax in picture.axes[:3]] == [f"{value:.2f}" for value in best]
    leaf = tree.images[int(outputs.argmax())]
    shown = picture.axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, images.rgb([leaf])[0].permute(1, 2, 0).numpy())
    assert picture.axes[0].get_yticklabels()[0].get_text().startswith(first.critical)
    assert f"{min(2, len(path.active_filters))} of {len(path.active_filters)} active critical filters" in (
        picture.caption.replace("\n", " ")
    )


def test_a_path_without_an_active_filter_has_no_boxes(tree, images):
    with pytest.raises(ValueError, match="must have an active critical filter"):
        path_filters(tree, images, tree.path(np.zeros(50)))
