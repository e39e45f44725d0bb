"""Fig. 4 and 5: what units look for, natural and generated; and how that changes with depth."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.utils import make_grid

from neurolens.figures.base import BLUE, CORAL, Picture, array, name_row, show
from neurolens.lens import Lens
from neurolens.studies.data import Images
from neurolens.units import LayerUnit
from neurolens.visualization.atlas import Atlas
from neurolens.visualization.scan import Scan


def unit_cards(lens: Lens, images: Images, scan: Scan, atlas: Atlas, units: Sequence[str]) -> Picture:
    """Draw Fig. 5: for each unit its top images, its optimum, and the histogram of its values over all images.

    The red line is the optimum's own value: how far beyond anything real the ascent went.

    Args:
        lens: The network.
        images: Those that were scanned.
        scan: Of them.
        atlas: Holds the units' optima.
        units: Their addresses.
    """
    caption = f"{lens.name}, {len(scan)} {images.split} images of {images.source}; {_made(atlas)}"
    picture = Picture(8, 1.35 * len(units) + 0.6, caption)
    axes = picture.subplots(len(units), 3, squeeze=False, width_ratios=[9, 1.2, 3])
    for row, (address, (strip, optimum, chart)) in enumerate(zip(units, axes, strict=True)):
        (_, unit), *_ = lens[address].terms
        assert isinstance(unit, LayerUnit)
        part, place = scan.find(unit)
        tops = images.rgb(part.top.seen(place))
        show(strip, make_grid(tops, len(tops), padding=1, pad_value=1), "" if row else "most active images")
        strip.set_ylabel(address, fontsize=8)
        show(optimum, atlas.images[atlas.places[address]].float() / 255, "" if row else "optimum")
        edges, counts = part.histogram.edges()[place], part.histogram.counts[place]
        chart.stairs(array(counts), array(edges), fill=True, color=BLUE)
        score = atlas.scores[atlas.places[address]].item()
        chart.axvline(score, color=CORAL)
        used = counts.nonzero()
        low, high = edges[int(used.min())].item(), edges[int(used.max()) + 1].item()
        margin = 0.05 * (max(high, score) - min(low, score))
        chart.set_xlim(min(low, score) - margin, max(high, score) + margin)
        chart.set_title("" if row else "values, and the optimum's", fontsize=8)
        chart.tick_params(labelsize=7)
        chart.set_yticks([])
        chart.spines[["top", "right", "left"]].set_visible(False)
    return picture


def atlas_rows(lens: Lens, atlas: Atlas, columns: int = 16) -> Picture:
    """Draw Fig. 4's generated half: the optima of the first channels of every stage, a row for each."""
    caption = (
        f"{lens.name}; {atlas.about['steps']} steps of Adam, seed {atlas.about['seed']}, {atlas.about['precision']}"
    )
    picture = Picture(8, 0.62 * len(lens.stages) + 0.4, caption)
    for ax, layer in zip(picture.subplots(len(lens.stages), 1, squeeze=False)[:, 0], lens.stages, strict=True):
        shown = [str(LayerUnit(layer, i)) for i in range(min(columns, lens.layers[layer][0]))]
        optima = atlas.images[[atlas.places[unit] for unit in shown]].float() / 255
        show(ax, make_grid(optima, columns, padding=1, pad_value=1))
        name_row(ax, layer)
    return picture


def by_depth(lens: Lens, measures: Mapping[str, Mapping[str, Tensor]], data: str) -> Picture:
    """Draw how a measure of all channels changes from stage to stage: the median, and half of all channels.

    Args:
        lens: The network.
        measures: By what they measure, and then by stage, a value for every channel.
        data: What they were measured on, for the caption.
    """
    picture = Picture(8, 2.5, f"{lens.name}, {data}, fp32. Line: median; band: the middle half of the channels.")
    axes = picture.subplots(1, len(measures), squeeze=False)[0]
    for ax, (name, values) in zip(axes, measures.items(), strict=True):
        known = [v[torch.isfinite(v)].double() for v in (values[layer] for layer in lens.stages)]
        low, middle, high = (np.array([array(torch.quantile(v, q)) for v in known]) for q in (0.25, 0.5, 0.75))
        places = np.arange(len(known))
        ax.fill_between(places, low, high, color=BLUE, alpha=0.2, linewidth=0)
        ax.plot(places, middle, color=BLUE, marker="o", markersize=3)
        ax.set_xticks(places, lens.stages, rotation=60, fontsize=7)
        ax.set_title(name, fontsize=8)
        ax.tick_params(axis="y", labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
    return picture


def _made(atlas: Atlas) -> str:
    return f"optima: {atlas.about['steps']} steps of Adam, seed {atlas.about['seed']}, {atlas.about['precision']}"
