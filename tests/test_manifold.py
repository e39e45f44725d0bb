"""Embeddings are numpy's and umap-learn's, kept in the cache, and say of raw images and features what is so."""

import io
import sys
import warnings
from dataclasses import replace

import neurolens as nl
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from neurolens.claims.manifold import ACCURACY, RAW_ACCURACY, SILHOUETTE, umap
from neurolens.clustering import manifold as module
from neurolens.clustering.manifold import RAW, Manifold, embed_features, embed_pixels
from neurolens.clustering.separation import separation
from neurolens.figures.manifold import COLOURS, MOST, manifold_map
from PIL import Image
from scipy.spatial.distance import pdist
from sklearn import manifold as sklearn_manifold

CLASSES = ("cat", "dog", "hot dog")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache for every test."""
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path))
    return tmp_path / "manifolds"


@pytest.fixture
def lens(network):
    return nl.Lens(network, CLASSES, name="toy/net")


@pytest.fixture
def images():
    pixels = torch.randint(0, 256, (60, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    pixels[torch.arange(60) % 3 == 1] //= 2  # one class is darker
    return nl.Images(pixels, torch.arange(60) % 3, CLASSES, "test", "random pixels")


def by_svd(x, dimensions):
    """Principal components, from the whole singular value decomposition."""
    u, lengths, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    return (u * lengths)[:, :dimensions]


def same_up_to_signs(a, b):
    np.testing.assert_allclose(np.abs(a), np.abs(b), rtol=1e-3, atol=1e-3 * np.abs(b).max())


def test_pca_of_pixels_is_their_singular_value_decomposition(images):
    found = embed_pixels(images, method="pca")
    same_up_to_signs(found.points, by_svd(images.rgb().flatten(1).numpy(), 3))
    assert (found.points.dtype, found.of, found.classes) == (np.float32, RAW, CLASSES)
    assert found.labels.tolist() == images.labels.tolist()
    assert found.caption == "60 test images of random pixels, PCA seed 0"
    assert repr(found).startswith("Manifold(raw images in 3-D by PCA, 60 points: 10-NN accuracy 0.")


def test_pca_of_features_keeps_every_position(lens, images):
    maps = lens.outputs(images.rgb(), ["layer4"])["layer4"].flatten(1).numpy()
    found = embed_features(lens, images, method="pca")
    same_up_to_signs(found.points, by_svd(maps, 2))
    assert found.caption == "toy/net, layer4 (512 numbers), fp32, 60 test images of random pixels, PCA seed 0"
    expected = separation(maps, found.labels)
    np.testing.assert_array_equal(found.original.hits, expected.hits)
    np.testing.assert_allclose(found.original.silhouettes, expected.silhouettes, atol=1e-5)
    expected = sklearn_manifold.trustworthiness(maps, found.points, n_neighbors=10)
    assert found.trustworthiness.value == pytest.approx(expected, abs=1e-6)


def test_a_large_layer_is_projected_and_keeps_its_distances(lens, images, monkeypatch):
    monkeypatch.setattr(nl.Lens, "at_once", 25)
    features = module._features(lens, images, "layer1", "fp32", progress=False)
    maps = lens.outputs(images.rgb(), ["layer1"])["layer1"].flatten(1).numpy()
    assert (maps.shape, features.shape) == ((60, 4096), (60, 512))
    ratios = (pdist(features) / pdist(maps)) ** 2
    assert np.abs(ratios - 1).max() < 5 * (2 / 512) ** 0.5
    found = embed_features(lens, images, "layer1", method="pca")
    assert "layer1 (4096 numbers projected onto 512)" in found.caption


def test_what_was_made_once_comes_from_the_cache(lens, images, cache, monkeypatch):
    first = embed_features(lens, images, method="pca")
    assert len([*cache.iterdir()]) == 3  # the features, their scores, the embedding
    with monkeypatch.context() as patch:
        patch.setattr(module, "_features", None)
        embed_features(lens, images, dimensions=3, method="pca")
        patch.setattr(module, "_reducer", None)
        again = embed_features(lens, images, method="pca", neighbours=5)  # which PCA does not have
    np.testing.assert_array_equal(first.points, again.points)
    assert repr(first) == repr(again)
    with torch.no_grad():
        lens.network.layer4[0].conv1.weight.mul_(2)
    other = embed_features(lens, images, method="pca")
    assert not np.allclose(first.points, other.points)


def test_a_damaged_cache_is_made_again(lens, images, cache):
    first = embed_features(lens, images, method="pca")
    for file in cache.iterdir():
        file.write_bytes(file.read_bytes()[:-100])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        again = embed_features(lens, images, method="pca")
    assert len(caught) == 3
    assert all("is damaged" in str(warning.message) for warning in caught)
    np.testing.assert_array_equal(first.points, again.points)
    np.testing.assert_array_equal(embed_features(lens, images, method="pca").points, first.points)


def test_a_cache_of_something_else_is_made_again(images, cache):
    flat = embed_pixels(images, 2, "pca")
    known = {*cache.iterdir()}
    embed_pixels(images, 3, "pca")
    (solid,) = {*cache.iterdir()} - known
    for file in known:
        file.write_bytes(solid.read_bytes())
    with pytest.warns(UserWarning, match=r"is of something else\); making it again"):
        again = embed_pixels(images, 2, "pca")
    np.testing.assert_array_equal(flat.points, again.points)


def test_a_cache_that_cannot_be_written_is_done_without(images, tmp_path, monkeypatch):
    expected = embed_pixels(images, method="pca")

    def full(*args):
        raise OSError("disk full")

    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(module, "save_arrays", full)
    with pytest.warns(UserWarning, match=r"cannot be written \(disk full\); going on without"):
        found = embed_pixels(images, method="pca")
    np.testing.assert_array_equal(found.points, expected.points)


def test_without_umap_the_error_names_the_cure_before_any_work(lens, images, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    monkeypatch.setattr(module, "_features", None)
    with pytest.raises(ImportError, match=r'umap-learn; pip install "neurolens\[lab\]"'):
        embed_features(lens, images)


def test_bad_arguments_are_refused(lens, images):
    for wrong, message in (
        ({"method": "tsne"}, r"`method` \(='tsne'\) must be 'umap' or 'pca'"),
        ({"dimensions": 4}, r"`dimensions` \(=4\) must be 2 or 3"),
        ({"neighbours": 1}, r"`neighbours` \(=1\) must be 2 or more"),
        ({"neighbours": 60}, r"`images` \(=Images\(60 .* must be 61 or more"),
    ):
        with pytest.raises(ValueError, match=message):
            embed_pixels(images, **wrong)
        with pytest.raises(ValueError, match=message):
            embed_features(lens, images, **wrong)
    with pytest.raises(ValueError, match=r"`images` \(=Images\(20 .* must be 21 or more"):
        embed_pixels(images[:20])
    with pytest.raises(ValueError, match=r"`layer` \(='layer9'\) is not in toy/net; stages: stem, layer1"):
        embed_features(lens, images, "layer9")
    with pytest.raises(ValueError, match="fewer than the 3 numbers embedded"):
        module._settings(images, 3, 3, "pca", 15, 0)
    small = replace(images, pixels=images.pixels[:, :, :16, :16])
    with pytest.raises(ValueError, match=r"`images` \(=Images\(60 test images 16×16 .* must have the size of toy/net"):
        embed_features(lens, small)


def test_a_dead_layer_is_refused(lens, images, cache):
    with torch.no_grad():
        lens.network.layer4[1].bn2.weight.zero_()
        lens.network.layer4[1].bn2.bias.fill_(-1e6)
    with pytest.raises(ValueError, match=r"`layer` \(='layer4'\) of toy/net is the same for all images: take another"):
        embed_features(lens, images, method="pca")


def test_values_that_are_no_numbers_are_refused(lens, images, cache):
    with torch.no_grad():
        lens.network.layer4[0].conv1.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"`layer` \(='layer4'\) of toy/net is no number for image 0"):
        embed_features(lens, images, method="pca")
    assert not cache.exists()


def test_images_of_one_class_are_embedded_without_a_silhouette(images):
    alone = embed_pixels(replace(images, labels=torch.zeros(60, dtype=torch.int64)), method="pca")
    same_up_to_signs(alone.points, embed_pixels(images, method="pca").points)
    assert (alone.separation.accuracy.value, len(alone.separation.silhouettes)) == (1, 0)


def scattered(gap, dimensions, of, method="umap", k=10):
    """Classes whose centres lie `gap` apart, their points 1 about them, as if embedded."""
    generator, labels = np.random.default_rng(0), np.arange(40 * k) % k
    centres = gap * np.stack([labels % 4, labels // 4, 0 * labels][:dimensions], axis=1)
    points = (generator.normal(size=(len(labels), dimensions)) + centres).astype(np.float32)
    scores = separation(points, labels)
    about = {"data": "the same", "settings": "seed 0"}
    classes = tuple(f"class {i}" for i in range(k))
    return Manifold(points, labels, classes, method, of, about, scores, scores, np.ones(len(points)))


def test_the_claim_holds_where_features_separate_and_raw_images_overlap():
    mixed, apart = scattered(0, 3, RAW), scattered(12, 2, "layer4")
    verdict = umap(mixed, apart)
    assert verdict.outcome == "reproduced"
    assert verdict.measured[RAW_ACCURACY].high < 0.2
    assert (verdict.measured[ACCURACY].low, verdict.measured[SILHOUETTE].low) > (0.9, 0.7)
    assert umap(scattered(12, 3, RAW), apart).outcome == "partly"
    assert umap(mixed, scattered(0, 2, "layer4")).outcome == "partly"
    assert umap(scattered(12, 3, RAW), scattered(0, 2, "layer4")).outcome == "not reproduced"
    assert umap(scattered(0, 3, RAW, k=1), scattered(0, 2, "layer4", k=1)).outcome == "not testable"


def test_the_claim_refuses_other_embeddings():
    mixed, apart = scattered(0, 3, RAW), scattered(12, 2, "layer4")
    others = replace(apart, about={**apart.about, "data": "others"})
    drawn_anew = replace(apart, labels=apart.labels[::-1])
    for pair in (
        (apart, mixed),
        (mixed, others),
        (mixed, drawn_anew),
        (mixed, scattered(12, 2, "layer4", "pca")),
        (mixed, mixed),
    ):
        with pytest.raises(ValueError, match=r"`raw` and `features` .* must be raw images in 3-D and features"):
            umap(*pair)


def check_drawn(picture):
    pixels = np.asarray(Image.open(io.BytesIO(picture._repr_png_())).convert("RGB"))
    assert pixels.shape[1] == 800, "not as wide as a notebook's column"
    assert pixels.std() > 5, "an empty figure"


def test_the_figure_names_classes_scores_and_settings(lens, images):
    raw, features = embed_pixels(images, method="pca"), embed_features(lens, images, method="pca")
    picture = manifold_map(raw, features)
    check_drawn(picture)
    for word in ("toy/net", "layer4", "random pixels", "60 test images", "seed 0", "fp32"):
        assert word in picture.caption.replace("\n", " ")
    written = picture.findobj(lambda artist: hasattr(artist, "get_text"))
    said = " ".join(text.get_text() for text in written).replace("\n", " ")
    for word in (*CLASSES, raw.title, features.title, "trustworthiness", "axis 3", raw.scored, features.scored):
        assert word in said
    for ax in picture.axes:
        dots = sum(len(group.get_offsets()) for group in ax.collections)
        assert dots == (0 if not ax.axison else 60)


def test_the_figure_gives_thirty_classes_a_look_of_their_own_and_refuses_more():
    raw, features = (scattered(9, d, of, k=MOST) for d, of in ((3, RAW), (2, "layer4")))
    picture = manifold_map(raw, features)
    check_drawn(picture)
    (legend,) = [ax.get_legend() for ax in picture.axes if ax.get_legend()]
    looks = {(key.get_color(), key.get_marker()) for key in legend.legend_handles}
    assert len(looks) == MOST == 3 * len(COLOURS)
    for ax in (ax for ax in picture.axes if ax.collections):
        dots = {(to_hex(c), len(g.get_paths()[0])) for g in ax.collections for c in g.get_facecolors()}
        assert len(dots) == MOST
        assert {colour for colour, _ in dots} == {*COLOURS}
    many = (scattered(9, d, of, k=MOST + 1) for d, of in ((3, RAW), (2, "layer4")))
    with pytest.raises(ValueError, match="must have the same classes, 30 at most"):
        manifold_map(*many)
    with pytest.raises(ValueError, match=r"`raw` and `features` .* must be in 3-D and in 2-D"):
        manifold_map(features, raw)


@pytest.mark.slow
def test_umap_of_the_planted_study(cache, monkeypatch):
    study = nl.open_study("planted")
    lens, images = study.lens("all"), study.images("all")
    raw, features = embed_pixels(images), embed_features(lens, images)
    assert umap(raw, features).outcome == "reproduced"
    right = (lens.logits(images.rgb()).argmax(1) == images.labels).double().mean().item()
    assert features.separation.accuracy.value == pytest.approx(right, abs=0.02)
    kept = [*cache.iterdir()]
    assert not np.allclose(embed_features(lens, images, seed=1).points, features.points)
    for file in kept:
        file.unlink()
    np.testing.assert_array_equal(embed_features(lens, images).points, features.points)
    monkeypatch.setitem(sys.modules, "umap", None)
    np.testing.assert_array_equal(embed_features(lens, images).points, features.points)  # from the cache
    nearer = embed_pixels(images, method="pca").separation.accuracy
    assert nearer.high < features.separation.accuracy.low


@pytest.mark.slow
def test_umap_is_umap_learns(images):
    found = embed_pixels(images, 2, neighbours=5, seed=3)
    from umap import UMAP

    x = images.rgb().flatten(1).numpy()
    np.testing.assert_array_equal(found.points, UMAP(5, n_components=2, random_state=3, n_jobs=1).fit_transform(x))
    assert found.caption == "60 test images of random pixels, 5 neighbours, UMAP seed 3"
    equal = replace(images, pixels=images.pixels[:1].expand(60, -1, -1, -1).contiguous())
    assert np.isfinite(embed_pixels(equal).points).all()
