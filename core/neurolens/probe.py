"""All that is known of one picture in a few seconds: what a network says of it, why, and how firmly."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neurolens.clustering.prediction_tree import PredictionTree
from neurolens.clustering.tree_growth import open_prediction_tree
from neurolens.clustering.tree_path import TreePath
from neurolens.lens import Lens
from neurolens.statistics import percent
from neurolens.studies.data import Images
from neurolens.studies.study import Study
from neurolens.units import ClassUnit, LayerUnit, Objective, logit
from neurolens.visualization.ascent import Ascent
from neurolens.visualization.atlas import Atlas, open_atlas
from neurolens.visualization.attribution import HeatMap, grad_cam
from neurolens.visualization.contribution import contributions
from neurolens.visualization.faithfulness import Faithfulness, faithfulness
from neurolens.visualization.fooling import Fooling, robustness
from neurolens.visualization.scan import Scan, open_scan
from neurolens.visualization.trust import OptimumTrust, make_yardstick, trust_optimum

UNITS, TOPS = 6, 3  # units shown, and real pictures of each
RATE, STEPS = 1e-3, 100  # of the climb to the second likeliest class


@dataclass(frozen=True)
class Material:
    """What is known of a network before a picture comes. Whatever is missing is left out of the probe.

    Attributes:
        lens: The network.
        images: Real images of its classes.
        scan: Of these.
        atlas: Of its channels.
        study: Whose network it is, for its prediction trees.
        network: Its name there.
    """

    lens: Lens
    images: Images | None = None
    scan: Scan | None = None
    atlas: Atlas | None = None
    study: Study | None = None
    network: str = ""

    def tree(self, category: str) -> PredictionTree | None:
        """Return the prediction tree of a category, from the cache where it was grown before."""
        return open_prediction_tree(self.study, self.network, category, progress=False) if self.study else None


@dataclass(frozen=True)
class ProbedUnit:
    """A channel that speaks for what the network says.

    Attributes:
        address: Its address.
        contribution: What it adds to the logit.
        optimum: What it would like to see best, RGB in 0 … 255; None where it is not known.
        tops: The real pictures that it answers to most.
        trust: Whether to believe the optimum.
    """

    address: str
    contribution: float
    optimum: Tensor | None
    tops: Float[Tensor, "n c h w"] | None
    trust: OptimumTrust | None


@dataclass(frozen=True)
class Probe:
    """What a network makes of one picture.

    Attributes:
        name: The picture's.
        network: The network's.
        classes: Its classes.
        picture: As the network sees it, RGB in [0, 1].
        probabilities: Of every class.
        evidence: Grad-CAM for the likeliest class.
        faithful: Whether the evidence can be believed.
        units: The channels that add most to the likeliest class's logit, the largest first.
        method: How their contributions were found.
        logit: Of the likeliest class; all contributions add up to it less the bias of the head.
        fooling: The climb to the second likeliest class.
        path: The way down the likeliest class's prediction tree; None where there is none.
        stations: The medoids' pictures on that way, leaf included.
        data: Where real pictures are from.
    """

    name: str
    network: str
    classes: tuple[str, ...]
    picture: Float[Tensor, "c h w"]
    probabilities: Float[Tensor, " k"]
    evidence: HeatMap
    faithful: Faithfulness
    units: tuple[ProbedUnit, ...]
    method: str
    logit: float
    fooling: Fooling
    path: TreePath | None
    stations: Float[Tensor, "s c h w"] | None
    data: str

    @property
    def said(self) -> str:
        """The likeliest class."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def sure(self) -> float:
        """Its probability."""
        return float(self.probabilities.max())

    @property
    def fooled(self) -> str:
        """How little it takes to change the answer, in a sentence."""
        climb, rival = self.fooling, self.fooling.target
        how = f"climbing the logit of {rival} at learning rate {climb.learning_rate:g}"
        moved = 255 * float((climb.end - climb.start).abs().mean())
        if climb.flipped[0]:
            steps = int(climb.flip_step[0])
            after = f"{steps} step{'s' if steps > 1 else ''} {how}"
            return f"becomes {rival} after {after}; {moved:.2f} grey levels a pixel by then"
        chance = float(climb.after[0])
        return (
            f"stays {self.said} for {climb.steps} steps {how} ({rival} {chance:.0%}, {moved:.2f} grey levels a pixel)"
        )

    @property
    def marked(self) -> str:
        """How often the Grad-CAM marks what counts, in a sentence."""
        beaten = self.faithful.beaten
        marks = "it seems so" if beaten.low > 0.5 else "it seems not" if beaten.high < 0.5 else "not clear"
        often = f"{percent(beaten.value)} of {beaten.n} trials"
        return f"{marks}: the map beats the same map laid elsewhere in {often}, by chance in 50%"

    def __repr__(self) -> str:
        strongest = ", ".join(unit.address for unit in self.units[:3])
        way = "" if self.path is None else f"; {self.path!r}"
        return f"Probe({self.name}: {self.said} {self.sure:.0%} by {self.network}; {strongest}; {self.fooled}{way})"


def gather(study: Study, network: str = "all") -> Material:
    """Return what is known of a study's network: its scan and atlas, made now where they do not ship.

    Raises:
        FileNotFoundError: If the network is neither shipped nor trained.
        ValueError: If the study has no network of this name.
    """
    lens = study.lens(network)
    return Material(lens, study.images(network), open_scan(study, network), open_atlas(study, network), study, network)


def probe(
    material: Material | Lens,
    picture: Float[Tensor, "c h w"],
    *,
    name: str = "picture",
    layer: str | None = None,
    learning_rate: float = RATE,
    steps: int = STEPS,
) -> Probe:
    """Return what a network says of a picture, where it sees that, by which channels, and how firmly.

    Args:
        material: The network and what is known of it; a lens alone gives less.
        picture: RGB in [0, 1], of the network's size; `read_picture` cuts any picture to that.
        name: What to call it.
        layer: Whose channels and evidence to show; the last stage where none is given.
        learning_rate: Of the climb to the second likeliest class.
        steps: Of that climb, at most.

    Raises:
        ValueError: If the picture has not the network's size, the layer no channels with positions, or there is but
            one class.
    """
    if isinstance(material, Lens):
        material = Material(material)
    lens, layer = material.lens, layer or material.lens.stages[-1]
    if tuple(picture.shape) != (3, *lens.size) or len(lens.classes) < 2:
        raise ValueError(
            f"`picture` (={tuple(picture.shape)}) must be RGB of {tuple(lens.size)} pixels, and the network have two "
            f"classes or more; `read_picture` cuts any picture to size"
        )
    batch = picture[None]
    logits = lens.logits(batch)[0].cpu()
    first, second = logits.topk(2).indices.tolist()
    objective, said = logit(lens.classes[first]), lens.classes[first]
    evidence = grad_cam(lens, batch, objective, layer, relu=False)
    probability = Objective(((1.0, ClassUnit("softmax", said)),))
    faithful = faithfulness(lens, batch, evidence.values, probability)
    units, method = _strongest(material, batch, objective, layer)
    fooling = _fool(lens, batch, lens.classes[second], learning_rate, steps)
    tree = material.tree(said)
    path = tree.path(picture, lens) if tree is not None else None
    stations = None
    if tree is not None and path is not None and material.images is not None:
        medoids = (tree[node].medoid for node in path.nodes[1:])
        stations = material.images.rgb([tree.images[medoid] for medoid in medoids if medoid is not None])
    data = "" if material.images is None else f"{material.images.split} images of {material.images.source}"
    return Probe(
        name,
        lens.name,
        lens.classes,
        picture,
        logits.softmax(0),
        evidence,
        faithful,
        units,
        method,
        float(logits[first]),
        fooling,
        path,
        stations,
        data,
    )


def _fool(lens: Lens, batch: Float[Tensor, "1 c h w"], target: str, learning_rate: float, steps: int) -> Fooling:
    """Climb a class until it is the likeliest, and no further."""
    index = lens.classes.index(target)
    before = lens.probabilities(batch)[:, index].cpu()
    for step in Ascent(lens, logit(target), batch, learning_rate, steps):
        assert step.logits is not None
        if flipped := int(step.logits.argmax()) == index:
            break
    end, after = step.images.cpu(), lens.probabilities(step.images)[:, index].cpu()
    moved = robustness(batch, end, learning_rate, max(1, step.index))
    never, flip = torch.zeros(1, dtype=torch.bool), torch.tensor([step.index if flipped else -1])
    return Fooling(target, learning_rate, step.index, batch, end, before, after, never, flip, moved)


def _strongest(
    material: Material, batch: Tensor, objective: Objective, layer: str
) -> tuple[tuple[ProbedUnit, ...], str]:
    """Return the channels that add most to the objective, and how that was found: exactly where that can be."""
    lens = material.lens
    try:
        found = contributions(lens, batch, objective, layer)
    except ValueError:  # the rest of the network is not linear
        found = contributions(lens, batch, objective, layer, method="integrated", steps=20)
    strongest = found.values[0].topk(min(UNITS, found.values.shape[1]))
    pairs = zip(strongest.indices.tolist(), strongest.values.tolist(), strict=True)
    return tuple(_look_up(material, LayerUnit(layer, channel), value) for channel, value in pairs), found.method


def _look_up(material: Material, unit: LayerUnit, contribution: float) -> ProbedUnit:
    address, scan, atlas, images = str(unit), material.scan, material.atlas, material.images
    optimum = tops = trust = None
    if scan is not None and images is not None and unit.layer in scan.units:
        part, place = scan.find(unit)
        tops = images.rgb(part.top.seen(place)[:TOPS])
    if atlas is not None and address in atlas.places:
        optimum = atlas.images[atlas.places[address]]
        if images is not None and tops is not None:
            yardstick = make_yardstick(material.lens, images, address, scan)
            trust = trust_optimum(material.lens, optimum[None].float() / 255, yardstick)
    return ProbedUnit(address, contribution, optimum, tops, trust)
