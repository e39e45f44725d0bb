"""Studies: which classes, which weights, and what happens when either is missing or damaged."""

import dataclasses
import json

import neurolens as nl
import pytest
import torch
from neurolens.studies import cards, sources, study
from neurolens.studies.cards import read_card
from neurolens.studies.own import own_networks


@pytest.fixture(scope="module")
def planted():
    return nl.open_study("planted")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """An empty cache, so that no network but the shipped ones is here."""
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def trained(planted, own):
    """A near pair trained for a moment, among the user's own networks."""
    fresh = dataclasses.replace(planted, _lenses={})
    recipe = fresh.recipe("near_pair", width=4, epochs=1)
    return fresh, fresh.train_network("near_pair", recipe, progress=False)


def test_planted_has_ten_balanced_classes(planted):
    for images, each in ((planted.train, 500), (planted.test, 100)):
        assert torch.bincount(images.labels).tolist() == [each] * 10
    assert planted.train.fingerprint != planted.test.fingerprint
    assert planted.notice == ""


def test_a_networks_images_are_labelled_as_its_logits(planted):
    a, b = planted.classes_of("near_pair")
    pair = planted.images("near_pair", "test")
    assert pair.classes == (a, b)
    assert torch.equal(pair.only(b).pixels, planted.test.only(b).pixels)
    assert planted.images("all", "test").classes == planted.test.classes
    assert len(planted.images("far_pair", "train")) == 1000


def test_the_card_states_what_the_stored_weights_do(trained):
    opened, card = trained
    assert read_card(card.weights.with_suffix(".json")) == card
    measured = card.measure(opened.images("near_pair"))
    assert measured["accuracy"] == card.accuracy
    assert measured["tested_on"] == 200
    lens = opened.lens("near_pair")
    test = opened.images("near_pair")
    assert (lens.logits(test.rgb()).argmax(1).cpu() == test.labels).double().mean().item() == card.accuracy
    assert card.weights.parent == own_networks() / "planted"  # the user's own comes before the shipped one
    assert not list(card.weights.parent.glob("*.checkpoint"))


def test_damaged_files_name_the_cure(trained):
    opened, card = trained
    content = card.weights.read_bytes()
    card.weights.write_bytes(content[:-1] + b"?")
    again = r"train it again: neurolens train planted near_pair \(or delete .*near_pair\.json, which brings the shipped"
    with pytest.raises(ValueError, match=f"are not those of their card; {again}"):
        opened.lens("near_pair")
    card.weights.unlink()
    with pytest.raises(FileNotFoundError, match=f"are missing; {again}"):
        opened.lens("near_pair")
    for text in ("{", "[]", '"text"', "{}"):
        card.weights.with_suffix(".json").write_text(text)
        with pytest.raises(ValueError, match=f"is damaged .*{again}"):
            opened.card("near_pair")
    card.weights.with_suffix(".json").unlink()
    assert opened.card("near_pair").shipped


def test_a_cure_promises_the_shipped_network_only_where_there_is_one(trained, monkeypatch):
    opened, card = trained
    monkeypatch.setattr(cards, "SHIPPED", cards.SHIPPED / "nothing")
    card.weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"train it again: neurolens train planted near_pair$"):
        opened.lens("near_pair")


def test_a_lens_says_whose_network_it_is(trained):
    opened, card = trained
    assert not card.shipped
    assert opened.lens("near_pair").name == "planted/near_pair (yours)"
    assert opened.card("far_pair").shipped
    assert opened.lens("far_pair").name == "planted/far_pair"


def test_a_lens_draws_no_random_numbers(planted, own):
    before = torch.get_rng_state()
    lens = dataclasses.replace(planted, _lenses={}).lens("near_pair")
    assert torch.equal(torch.get_rng_state(), before)
    assert {p.dtype for p in lens.network.parameters()} == {torch.float32}


def test_a_device_or_folder_that_cannot_be_used_is_refused_before_any_work(planted, own, monkeypatch):
    monkeypatch.setattr(study, "train", None)
    recipe = planted.recipe("near_pair", width=4, epochs=1)
    absent = ["foo", "meta", *([] if torch.cuda.is_available() else ["cuda"])]
    for device in absent:
        message = rf"`device` \(='{device}'\) is not on this machine; use 'c"
        with pytest.raises(ValueError, match=message):
            planted.train_network("near_pair", recipe, device=device)
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(planted, _lenses={}).lens("near_pair", device)
    (own / "file").write_text("")
    with pytest.raises(
        ValueError, match=r"`out` \(='.*file/planted'\) cannot be written \(Not a directory\); name a folder"
    ):
        planted.train_network("near_pair", recipe, own / "file")


def test_missing_and_unknown_networks(planted, own, monkeypatch):
    monkeypatch.setattr(study, "SHIPPED", own / "nothing")
    with pytest.raises(FileNotFoundError, match="train it: neurolens train planted vgg16"):
        dataclasses.replace(planted, _lenses={}).lens("vgg16")
    with pytest.raises(ValueError, match=r"`network` \(='nar_pair'\) must be one of near_pair, far_pair"):
        planted.lens("nar_pair")
    with pytest.raises(ValueError, match=r"`split` \(='dev'\)"):
        planted.images("near_pair", "dev")


@pytest.mark.parametrize("name", ["near_pair", "far_pair", "all"])
def test_shipped_planted_networks_reach_97_percent(planted, own, name):
    card = dataclasses.replace(planted, _lenses={}).card(name)
    assert card.weights.is_relative_to(study.SHIPPED)
    assert card.measure(planted.images(name))["accuracy"] == pytest.approx(card.accuracy, abs=0.002)
    assert card.accuracy >= 0.97
    assert card.recipe.width == 16


@pytest.mark.parametrize("file", sorted(study.SHIPPED.glob("cifar10/*.json")), ids=lambda file: file.stem)
def test_the_command_that_trains_a_shipped_network_has_its_cards_recipe(file):
    card = study.read_card(file)
    settings = {**study.SETTINGS["cifar10"][card.network], **study.NETWORKS[card.network]}
    assert study.Recipe(**settings) == card.recipe


@pytest.mark.cifar10
def test_shipped_cifar10_network_measures_as_its_card_says():
    cifar10 = nl.open_study("cifar10")
    assert [len(cifar10.train), len(cifar10.test)] == [50_000, 10_000]
    assert torch.bincount(cifar10.train.labels).tolist() == [5000] * 10
    assert {"plane", "car", "cat", "dog"} <= set(cifar10.train.classes)
    card = cifar10.card("near_pair")
    sample = cifar10.images("near_pair").sample(200)
    measured = card.measure(sample)["accuracy"]
    assert abs(measured - card.accuracy) < 4 * (card.accuracy * (1 - card.accuracy) / 200) ** 0.5


def test_without_cifar10_the_planted_study_stands_in_and_says_so(own, monkeypatch):
    monkeypatch.delenv("NEUROLENS_DATA", raising=False)

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(study, "download_cifar10", offline)
    monkeypatch.setattr(study, "_planted", lambda notice: notice)
    for name in (None, "cifar10"):
        notice = nl.open_study(name)
        assert notice.startswith("CIFAR-10 is not on this machine")
        assert notice.count(".") == 1, "one sentence"
        assert "NEUROLENS_DATA" in notice


def test_a_data_folder_that_is_not_there_or_not_cifar10_is_said(own, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROLENS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"`NEUROLENS_DATA` \(='.*nowhere'\) does not exist; let"):
        nl.open_study()
    monkeypatch.setenv("NEUROLENS_DATA", str(tmp_path))
    few = nl.Images(torch.zeros(2, 3, 8, 8).byte(), torch.tensor([0, 1]), ("ham", "egg"), "train", "")
    monkeypatch.setattr(study, "load_images", lambda *a, **k: few)
    with pytest.raises(ValueError, match="is not CIFAR-10: its classes are ham, egg; let NEUROLENS_DATA"):
        nl.open_study("cifar10")
    names = {"train": ("cat", "dog", "plane", "bird"), "test": ("cat", "dog", "plane")}
    blank = torch.zeros(2, 3, 8, 8).byte()
    monkeypatch.setattr(
        study, "load_images", lambda _, split: nl.Images(blank, torch.arange(2), names[split], split, "here")
    )
    with pytest.raises(ValueError, match="here has bird in one of `train` and `test` only; let NEUROLENS_DATA"):
        nl.open_study("cifar10")
    with pytest.raises(ValueError, match=r"`name` \(='mnist'\) must be one of cifar10, planted"):
        nl.open_study("mnist")
    assert sources.SPLITS == ("train", "test")


def test_a_card_is_plain_json(trained):
    text = json.loads(trained[1].weights.with_suffix(".json").read_text())
    assert {"accuracy", "per_class", "recipe", "sha256", "trained_on", "parameters"} <= set(text)
    assert "weights" not in text  # a path of the machine it was made on


def test_the_card_says_in_which_precision_a_network_was_trained(trained, planted):
    _, card = trained
    assert card.precision == card.recipe.precision_on("cpu")
    file = card.weights.with_suffix(".json")
    text = json.loads(file.read_text())
    assert text["precision"] == card.precision
    del text["precision"], text["recipe"]["precision"]  # as it was before either was recorded
    file.write_text(json.dumps(text))
    old = read_card(file)
    assert old.precision is None
    assert old.recipe == card.recipe
    shipped = [read_card(one) for one in cards.SHIPPED.glob("*/*.json")]
    assert {one.precision for one in shipped} == {"bf16"}
