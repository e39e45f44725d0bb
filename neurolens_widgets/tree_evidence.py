"""What a critical filter looks for: top images, optimum and values, from what ships or from the tree itself (§2.3)."""

from dataclasses import dataclass, replace

import neurolens as nl
import numpy as np
from neurolens.studies.cards import SHIPPED
from numpy.typing import NDArray

from neurolens_widgets.canvas import RGBA, framed, rgba
from neurolens_widgets.filters import Filters, Optimum

TOP, BINS = 9, 40


@dataclass(frozen=True)
class Evidence:
    """What is known of a filter.

    Attributes:
        top: Its strongest images.
        source: Where they were looked for.
        optimum: What a climb found, for it or for its channel; None where nothing ships.
        of: The address that the optimum is of.
        edges: Of the bins of its values.
        counts: How many images are in each.
    """

    top: list[RGBA]
    source: str
    optimum: Optimum | None
    of: str
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]


def shipped_filters(study: nl.Study, network: str) -> Filters | None:
    """Return what ships of a network's filters, or None where nothing does; nothing is scanned here."""
    folder = SHIPPED / study.name
    try:
        scan = nl.Scan.load(folder / f"{network}.scan.npz")
        atlas = folder / f"{network}.atlas.npz"
        images = study.images(network)
        return Filters(study.lens(network), images, scan, nl.Atlas.load(atlas) if atlas.exists() else None)
    except (FileNotFoundError, ValueError):  # it may be of another network: one's own
        return None


def find_evidence(tree: nl.PredictionTree, images: nl.Images, known: Filters | None, address: str) -> Evidence:
    """Return what is known of one of a tree's filters, from a scan where there is one, otherwise from the tree."""
    if known is not None:
        try:
            return _scanned(known, known.read(address))
        except ValueError:
            pass  # neurons are scanned in the last layer only
    values = tree.outputs()[:, tree.filters.index(address)].astype(np.float64)
    strongest = [tree.images[leaf] for leaf in np.argsort(-values, kind="stable")[:TOP]]
    counts, edges = np.histogram(values, BINS)
    pictures = [rgba(images.pixels[image].numpy()) for image in strongest]
    return Evidence(pictures, f"the tree's {len(values)} images", None, address, edges, counts)


def _scanned(known: Filters, unit: nl.LayerUnit) -> Evidence:
    channel = replace(unit, neuron=None)
    optima = ((known.optimum(str(one)), str(one)) for one in (unit, channel))
    optimum, of = next((pair for pair in optima if pair[0] is not None), (None, str(unit)))
    top = [
        framed(known.images.pixels[image].numpy(), known.frame(unit.layer, position))
        for image, position in known.top(unit)
    ]
    edges, counts, _ = known.histogram(unit)
    return Evidence(top, f"all {len(known.scan)} test images", optimum, of, edges, counts)
