"""The claim of §2.2: what counts as evidence depends on what the training set contrasts."""

import torch
from jaxtyping import Float
from torch import Tensor

from neurolens import statistics
from neurolens.claims.ledger import Check, Claim, Verdict
from neurolens.lens import Lens
from neurolens.statistics import Estimate
from neurolens.studies import planted
from neurolens.studies.data import Images
from neurolens.studies.study import Study
from neurolens.units import Objective, logit
from neurolens.visualization.ascent import Ascent
from neurolens.visualization.attribution import difference_map, grad_cam
from neurolens.visualization.evidence import effective_area, occlusion, share_inside

KINDS = ("area of the Grad-CAM", "area of the occlusion map", "area changed by the climb")
EVIDENCE_PAIR = Claim(
    "evidence-pair",
    "2.2, Fig. 3",
    "super-dogs of cat–dog show heads, of plane–dog whole dogs: evidence depends on what the training set contrasts",
    tuple(Check(f"{kind}, far pair minus near pair", at_least=0) for kind in KINDS),
    "By eye in the paper, on five images; here the share of the image that carries the positive evidence "
    "(inverse participation ratio), on the same test images under both networks. So it is the second half of the "
    "statement that is judged: whether the near pair's smaller evidence is the head is not, where no head is marked "
    "(on the built-in study, which knows its heads, chapter 11 does). One network each, not trained equally long.",
    "02_discriminative_evidence",
)


def evidence_pair(
    near: Lens,
    far: Lens,
    images: Images,
    *,
    climbs: int = 64,
    steps: int = 20,
    learning_rate: float = 1e-2,
    progress: bool = False,
) -> Verdict:
    """Compare where two networks find the evidence for the class that they share, on real images of it.

    Args:
        near: The network of the near pair.
        far: That of the far pair.
        images: Of the shared class.
        climbs: From how many of the images to climb that class.
        steps: Of each climb.
        learning_rate: Of each climb.
        progress: Show progress bars.

    Raises:
        ValueError: If the networks do not share exactly one class, or the images are of another one.
    """
    shared = set(near.classes) & set(far.classes)
    if len(shared) != 1 or set(images.classes) != shared:
        raise ValueError(
            f"`near` and `far` (={near.classes}, {far.classes}) must share one class, that of `images` "
            f"(={images.classes})"
        )
    name = images.classes[0]
    setting = (
        f"{near.name} and {far.name}, {len(images)} {images.split} images of {name} of {images.source}; climbed: "
        f"{min(climbs, len(images))}, lr {learning_rate:g}, {steps} steps; fp32"
    )
    x, measured = images.rgb(), {}
    pairs = (_areas(lens, x, logit(name), climbs, steps, learning_rate, progress) for lens in (near, far))
    for kind, a, b in zip(KINDS, *pairs, strict=True):
        both = torch.isfinite(a) & torch.isfinite(b)  # an image may have no evidence for the class at all
        measured[f"{kind}, far pair minus near pair"] = statistics.mean((b - a)[both])
        measured[f"{kind}, near pair"] = statistics.mean(a[both])
    return EVIDENCE_PAIR.judge(setting, measured)


def evidence_on_parts(study: Study, network: str, each: int = 100) -> dict[str, tuple[Estimate, float]]:
    """Return, for the planted study, the share of the occlusion map on each part, and the part's share of the area.

    The images are fresh ones of the class that both pairs share; where the near pair differs is known.

    Args:
        study: The planted study.
        network: `"near_pair"` or `"far_pair"`.
        each: How many images.

    Raises:
        ValueError: If the parts of the study's images are not known.
    """
    if study.name != "planted":
        raise ValueError(f"`study` (={study.name!r}) must be the planted one, whose parts are known")
    drawn = planted.render(each, planted.SEEDS["test"])
    name = study.pairs["near_pair"][1]
    shown = torch.as_tensor(drawn.labels == planted.CLASSES.index(name))
    heat = occlusion(study.lens(network), torch.as_tensor(drawn.pixels)[shown].float() / 255, logit(name))
    masks = {part: torch.as_tensor(drawn.mask(part))[shown] for part in planted.PARTS}
    found = {}
    for part, mask in masks.items():
        inside = share_inside(heat, mask)
        found[part] = statistics.mean(inside[torch.isfinite(inside)]), mask.double().mean().item()
    return found


def _areas(
    lens: Lens, x: Tensor, target: Objective, climbs: int, steps: int, learning_rate: float, progress: bool
) -> list[Float[Tensor, " n"]]:
    cams = torch.cat([grad_cam(lens, batch, target).values.cpu() for batch in x.split(100)])
    drops = occlusion(lens, x, target, progress=progress).values
    ends = []
    for batch in x[:climbs].split(64):
        climb = Ascent(lens, target, batch, learning_rate, steps)
        for _ in climb:
            pass
        ends.append(climb.images.cpu())
    change = difference_map(x[:climbs], torch.cat(ends))
    return [effective_area(maps) for maps in (cams, drops, change)]
