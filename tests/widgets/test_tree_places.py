"""Which studies can be opened here, and places that fit them."""

import neurolens as nl
import pytest
from neurolens.studies import study as studies

from neurolens_widgets import tree_places
from neurolens_widgets.tree_places import Place, Places, studies_here


def test_studies_that_have_images_and_networks(monkeypatch, tmp_path):
    monkeypatch.setenv("NEUROLENS_DATA", str(tmp_path))
    assert studies_here() == ("cifar10", "planted")
    monkeypatch.setenv("NEUROLENS_DATA", str(tmp_path / "nothing"))
    assert studies_here() == ("planted",)
    monkeypatch.delenv("NEUROLENS_DATA")
    monkeypatch.setattr(tree_places, "cache_folder", lambda: tmp_path)
    assert studies_here() == ("planted",)
    (tmp_path / tree_places.BATCHES).mkdir()
    assert studies_here() == ("cifar10", "planted")
    monkeypatch.setattr(tree_places, "find_cards", lambda name: {})
    assert studies_here() == ()


def test_a_place_that_fits(planted_cache):
    places = Places(planted_cache, 20)
    asked = Place("planted", "somebody's", "horse", "layer9", "channels")
    fitted = places.fit(asked)
    assert fitted.network == next(iter(planted_cache.cards()))
    lens = planted_cache.lens(fitted.network)
    assert fitted[2:] == (lens.classes[0], lens.stages[-1], "channels")
    assert places.fit(fitted) == fitted
    assert places.fit(fitted._replace(category="")).category == ""


def test_grows_once(planted_cache, monkeypatch):
    places = Places(planted_cache, 20)
    place = places.grow(Place("planted", "all", "lion", "layer4", "channels"))
    tree = places.trees[place]
    assert len(tree.images) == 20
    assert places.filters(place) is not None
    monkeypatch.setattr(nl, "grow_category_tree", None)
    assert places.trees[places.grow(place)] is tree


def test_a_study_whose_images_went_away(planted_cache, monkeypatch):
    places = Places(planted_cache, 20)
    monkeypatch.setattr(nl, "open_study", lambda name, download: studies._planted("there is no CIFAR-10 here"))
    with pytest.raises(FileNotFoundError, match="there is no CIFAR-10 here"):
        places.grow(Place("cifar10", "all", "cat", "layer4", "channels"))
    assert places.study("cifar10") is None
