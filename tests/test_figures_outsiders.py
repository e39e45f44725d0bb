"""Table 1 and the figures of noise are drawn, say how they were made, and show what they claim to show."""

import io
from dataclasses import replace

import neurolens as nl
import numpy as np
import torch
from neurolens.claims.outsiders import TABLE_1
from neurolens.figures.outsiders import logit_bars, noise_to_images, noise_winners, prediction_heat
from neurolens.visualization.outsiders import PredictionTable, logit_terms, noise_kinds, noise_path, prediction_table
from PIL import Image


def drawn(picture):
    pixels = np.asarray(Image.open(io.BytesIO(picture._repr_png_())).convert("RGB"))
    assert pixels.shape[1] <= 800
    assert pixels.std() > 5, "an empty figure"
    return " ".join(text.get_text() for text in picture.findobj(lambda artist: hasattr(artist, "get_text")))


def test_table_1_stands_beside_the_papers_numbers():
    predicted = torch.tensor([1] * 611 + [0] * 389 + [0] * 1000)
    shown, logits = torch.arange(2).repeat_interleave(1000), 4.0 * torch.nn.functional.one_hot(predicted)
    found = PredictionTable("toy", ("horse", "noise"), ("cat", "dog"), shown, logits)
    picture = prediction_heat(found, "some images", TABLE_1["ood-cat-dog"])
    text = drawn(picture)
    assert "61.1\npaper 72.5" in text
    assert "100.0\npaper 100.0" in text
    assert "38.9\n" not in text  # the paper gives the larger share only
    for word in ("toy", "some images", "1000 images", "fp32"):
        assert word in picture.caption


def test_figures_of_noise(network):
    pixels = torch.randint(0, 256, (12, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    images = nl.Images(pixels, torch.arange(12) % 3, ("cat", "dog", "fox"), "test", "noise")
    lens = nl.Lens(network, images.classes, name="toy")
    kinds = noise_kinds(images, 4)
    table = prediction_table(lens, kinds)
    text = drawn(noise_winners([table, replace(table, network="twin")], kinds, "some images"))
    assert all(kind in text for kind in kinds)
    best = table.favourite("1/f²")
    assert f"{best} {table.share('1/f²', best).value:.0%}" in text
    terms = logit_terms(lens, images, {"noise": kinds["the paper's"]})
    assert "wᵀx" in drawn(logit_bars(terms, "some images"))
    assert "fox" in drawn(noise_to_images(prediction_table(lens, noise_path(images, 3)), "some images"))
