"""The claims of §2.3: what filters answer to, and how, from the lowest layer to the highest."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from neurolens import statistics
from neurolens.claims.ledger import Check, Claim, Verdict
from neurolens.lens import Lens
from neurolens.studies.data import Images
from neurolens.visualization.scan import NEURONS, Scan
from neurolens.visualization.semantics import (
    greyscale,
    preferred_frequency,
    sensitivity,
    shuffled,
    top_class_entropy,
)

SEMANTICS_DEPTH = Claim(
    "semantics-depth",
    "2.3, Fig. 4",
    "low layers look for colours and textures, high layers for parts and objects",
    (
        Check("class entropy of the top images (bits), low minus high", at_least=0),
        Check("sensitivity to colour, low minus high", at_least=0),
        Check("sensitivity to shape, high minus low", at_least=0),
        Check("preferred frequency (cycles per image), low minus high", at_least=0),
    ),
    "By eye in the paper, on a few filters; here all channels of the first and the last stage, by what happens to "
    "their values without colour, with patches in another order, and on gratings.",
    "03_middle_layers",
    over="the channels, of one network",
)
HISTOGRAM_DEPTH = Claim(
    "histogram-depth",
    "2.3, Fig. 5",
    "low filters' activation histograms are bell-shaped; high filters' are sparse with a long tail",
    (
        Check("|skewness|, low", at_most=0.5),
        Check("|excess kurtosis|, low", at_most=1),
        Check("skewness, high minus low", at_least=0),
        Check("excess kurtosis, high minus low", at_least=0),
        Check("sparseness, high minus low", at_least=0),
    ),
    "The paper shows four histograms, of channels below and of neurons above; here medians over all channels of the "
    "first and the last stage, like with like.",
    "03_middle_layers",
    over="the channels, of one network",
    bounds=(0, math.inf),
)


def semantics_depth(lens: Lens, images: Images, scan: Scan, few: Images) -> Verdict:
    """Compare all channels of the first stage with all of the last.

    Args:
        lens: The network.
        images: Those that were scanned.
        scan: Of them.
        few: Images on which to take away colour and shape.
    """
    low, high = lens.stages[0], lens.stages[-1]
    entropy = {name: top_class_entropy(scan, images.labels, name) for name in (low, high)}
    colour, shape = (sensitivity(lens, few.rgb(), change) for change in (greyscale, shuffled))
    frequency = preferred_frequency(lens)
    measured = {
        "class entropy of the top images (bits), low minus high": _difference(entropy[low], entropy[high]),
        "sensitivity to colour, low minus high": _difference(colour[low], colour[high]),
        "sensitivity to shape, high minus low": _difference(shape[high], shape[low]),
        "preferred frequency (cycles per image), low minus high": _difference(frequency[low], frequency[high]),
    }
    setting = f"{lens.name}, {low} and {high}, {len(scan)} images scanned, {len(few)} changed, {few.source}, fp32"
    return SEMANTICS_DEPTH.judge(setting, measured)


def histogram_depth(lens: Lens, scan: Scan) -> Verdict:
    """Compare the distributions of all channels of the first stage with those of the last."""
    low, high = (scan.units[name].moments for name in (lens.stages[0], lens.stages[-1]))
    measured = {
        "|skewness|, low": _median(low.skewness.abs()),
        "|excess kurtosis|, low": _median(low.kurtosis.abs()),
        "skewness, high minus low": _difference(high.skewness, low.skewness),
        "excess kurtosis, high minus low": _difference(high.kurtosis, low.kurtosis),
        "sparseness, high minus low": _difference(high.sparseness, low.sparseness),
    }
    neurons = scan.units.get(lens.stages[-1] + NEURONS)
    if neurons is not None:
        measured["skewness of the high neurons"] = _median(neurons.moments.skewness)
        measured["sparseness of the high neurons"] = _median(neurons.moments.sparseness)
    about = f"{lens.name}, {lens.stages[0]} and {lens.stages[-1]}, {len(scan)} images, {scan.about['precision']}"
    return HISTOGRAM_DEPTH.judge(about, measured)


def _median(values: Float[Tensor, " d"]) -> statistics.Estimate:
    return statistics.median(values[torch.isfinite(values)])


def _difference(a: Float[Tensor, " d"], b: Float[Tensor, " e"]) -> statistics.Estimate:
    return statistics.difference_of_medians(a[torch.isfinite(a)], b[torch.isfinite(b)])
