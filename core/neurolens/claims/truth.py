"""Planted truth, scored: each method against what is known, beside chance and beside networks that know nothing."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from neurolens import statistics
from neurolens.claims.truth_maps import METHODS, Maps, evidence_maps
from neurolens.claims.truth_scores import SCORES, energies, own_and_chance
from neurolens.claims.truth_structures import grade_structures
from neurolens.claims.truth_table import LEARNED, Grade, Grades
from neurolens.lens import Lens
from neurolens.studies import planted
from neurolens.studies.data import Images
from neurolens.studies.decoy import Decoy, plant_decoy
from neurolens.studies.study import Study, open_study
from neurolens.studies.variants import AGREEMENT, BASE, DECOY, SHUFFLED, untrained_lens, variant_lens
from neurolens.watching import Bar

FRESH = max(planted.SEEDS.values()) + 1  # of pictures that no network has seen
SHARE = "share of the evidence"
IMAGES, NETWORKS = "pictures", "networks"


def exam_pictures(each: int = 50, seed: int = FRESH) -> tuple[Images, Bool[Tensor, "n h w"]]:
    """Return fresh pictures of the near pair, and the masks of the head, in which alone the two differ.

    Args:
        each: Of each of the two.
        seed: Of the first's; the second's is the next.

    Raises:
        ValueError: As `planted.render_as` does.
    """
    drawn = [planted.render_as(name, each, seed + i) for i, name in enumerate(planted.NEAR_PAIR)]
    pixels = torch.cat([torch.as_tensor(one.pixels) for one in drawn])
    heads = torch.cat([torch.as_tensor(one.evidence(*planted.NEAR_PAIR)) for one in drawn])
    labels = torch.arange(len(drawn)).repeat_interleave(each)
    return Images(pixels, labels, planted.NEAR_PAIR, "fresh", f"planted, seeds {seed} and {seed + 1}"), heads


def grade_methods(
    each: int = 50, networks: int = 5, *, seed: int = FRESH, methods: Sequence[str] = (), progress: bool = False
) -> Grades:
    """Grade every method on the planted study, where parts, evidence and hierarchy are known.

    Evidence is that for the class that the network predicts. Chance is what the same maps score on the masks of other
    pictures.

    Args:
        each: Pictures of each of the near pair.
        networks: How many with random weights.
        seed: Of the pictures.
        methods: Only these ways to draw evidence; where none are given, all, and channels, filters and hierarchies too.
        progress: Show a progress bar.

    Raises:
        ValueError: If `each` or `networks` is below 2, or a method is unknown.
    """
    if min(each, networks) < 2:
        raise ValueError(f"`each` and `networks` (={each} and {networks}) must be 2 or more, for an interval")
    if unknown := set(methods) - set(METHODS):
        raise ValueError(f"`methods` (={sorted(unknown)}) must be some of {', '.join(METHODS)}")
    images, heads = exam_pictures(each, seed)
    decoy = plant_decoy(images, AGREEMENT["test"], seed)
    blank = {
        "shuffled labels": [variant_lens(name, progress=progress) for name in SHUFFLED],
        "random weights": [untrained_lens(BASE, s) for s in range(networks)],
    }
    study, misled, grades = open_study("planted"), variant_lens(DECOY, progress=progress), list[Grade]()
    for method in Bar(methods or METHODS, "methods", disable=not progress, leave=False):
        maps = _maps(study.lens(BASE), images, method)
        grades += _on_pictures(method, study, misled, images, heads, decoy, maps)
        trained = statistics.mean(energies(maps[::2], heads[::2]).diagonal())
        grades += _where_nothing_was_learned(method, images[::2], heads[::2], blank, trained)
    if not methods:
        grades += grade_structures(images, heads, networks, seed=seed, progress=progress)
    setting = (
        f"{len(images)} fresh pictures of {images.source}, every second of them for networks that learned nothing; "
        f"the decoy agrees with the class in {AGREEMENT['train']:.0%} of the training pictures, half of these; fp32"
    )
    return Grades(tuple(grades), setting)


def _on_pictures(
    method: str, study: Study, misled: Lens, images: Images, heads: Tensor, decoy: Decoy, maps: Maps
) -> Iterator[Grade]:
    """Yield the grades of one method on networks that learned something: the head, or the decoy."""
    near, far = study.lens(BASE), study.lens("far_pair")
    for score, pairs in SCORES.items():
        own, chance = own_and_chance(pairs(maps, heads))
        yield Grade.paired(method, "head, near pair", score, own, chance, IMAGES)

    shared = images.labels == images.classes.index(planted.FAR_PAIR[1])
    on_near, on_far = (
        energies(m, heads[shared]).diagonal()
        for m in (maps[shared], _maps(far, images[shared.nonzero()[:, 0]], method))
    )
    yield Grade(method, "head, near pair minus far pair", SHARE, statistics.mean(on_near - on_far), 0, True, IMAGES)

    exposed, clean = (energies(_maps(lens, decoy.images, method), decoy.mask) for lens in (misled, near))
    own, chance = own_and_chance(exposed)
    yield Grade.paired(method, "patch, decoy network", SHARE, own, chance, IMAGES)
    more = statistics.mean(own - clean.diagonal())
    yield Grade(method, "patch, decoy network minus clean one", SHARE, more, 0, True, IMAGES)


def _where_nothing_was_learned(
    method: str, images: Images, heads: Tensor, blank: dict[str, list[Lens]], trained: statistics.Estimate
) -> Iterator[Grade]:
    """Yield the grades of one method where there is no head to find; intervals over networks."""
    for name, lenses in blank.items():
        scored = [own_and_chance(energies(_maps(lens, images, method), heads)) for lens in lenses]
        values = torch.stack([own.mean() for own, _ in scored])
        chance = torch.stack([others.mean() for _, others in scored]).mean().item()
        yield Grade(method, f"head, {name}", SHARE, statistics.over_seeds(values), chance, False, NETWORKS)
        learned = trained.minus(statistics.over_seeds(values))
        yield Grade(method, f"head, {LEARNED}{name}", SHARE, learned, 0, True, NETWORKS)


def _maps(lens: Lens, images: Images, method: str) -> Maps:
    return evidence_maps(lens, images.rgb(), method)
