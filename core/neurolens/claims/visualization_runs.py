"""How each claim of §2 is measured from scratch: sizes by budget, and what chapters 01 to 06 do on the way."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from neurolens.claims import evidence as on_evidence
from neurolens.claims import fooling as on_fooling
from neurolens.claims import lifelike as on_lifelike
from neurolens.claims import middle as on_middle
from neurolens.claims import outsiders as on_outsiders
from neurolens.claims.ledger import Verdict
from neurolens.claims.run import Run, test_images
from neurolens.claims.super_train import SuperTraining, super_training
from neurolens.clustering.raw_clusters import raw_clusters
from neurolens.lens import Lens
from neurolens.lesson import Lesson
from neurolens.studies.data import gaussian_noise
from neurolens.visualization.fooling import Fooling, fool
from neurolens.visualization.lifelike import Climbs, climb_in_ways, paced_rate, trade_off
from neurolens.visualization.outsiders import PredictionTable, logit_terms, prediction_table
from neurolens.visualization.priors import AlphaNorm, Jitter, TotalVariation
from neurolens.visualization.scan import open_scan
from neurolens.watching import Bar

THREE = ("all", "reseeded", "vgg16")


def _accuracy(lesson: Lesson, progress: bool) -> Verdict:
    test = lesson.study.images("near_pair")
    seen = test.sample(lesson.pick(fast=100, cpu=len(test), gpu=len(test)), seed=lesson.seed)
    return on_fooling.acc_cat_dog(lesson.study.lens("near_pair"), seen)


def fool_few(lesson: Lesson, progress: bool = False) -> Fooling:
    """Return the paper's climb, lr 1e-4 and 100 steps, from a few images of the near pair's first class."""
    return _fool(lesson, lesson.pick(fast=12, cpu=64, gpu=500), 1e-4, 100, progress)


def fool_many(lesson: Lesson, progress: bool = False) -> Fooling:
    """Return the same climb in fewer, longer steps, from many images."""
    return _fool(lesson, None, 1e-3, 10, progress)


def _fool(lesson: Lesson, few: int | None, learning_rate: float, steps: int, progress: bool) -> Fooling:
    lens = lesson.study.lens("near_pair")
    start, target = lens.classes
    cats = lesson.study.images("near_pair").only(start)
    cats = cats.sample(lesson.pick(fast=24, cpu=640, gpu=5000), seed=lesson.seed)
    return fool(lens, cats[:few].rgb(), target, learning_rate, steps, progress=progress)


def _subtle(lesson: Lesson, progress: bool) -> Verdict:
    return on_fooling.fool_subtle(lesson.study.lens("near_pair"), fool_few(lesson, progress))


def _messy(lesson: Lesson, progress: bool) -> Verdict:
    return on_fooling.fool_messy(lesson.study.lens("near_pair"), fool_many(lesson, progress))


def _sketch(lesson: Lesson, progress: bool) -> Verdict:
    return on_fooling.fool_sketch(lesson.study.lens("near_pair"), fool_many(lesson, progress))


def _evidence(lesson: Lesson, progress: bool) -> Verdict:
    near, far = lesson.study.lens("near_pair"), lesson.study.lens("far_pair")
    seen = lesson.study.test.only(near.classes[1])
    seen = seen.sample(lesson.pick(fast=12, cpu=500, gpu=len(seen)), seed=lesson.seed)
    climbs = lesson.pick(fast=4, cpu=64, gpu=256)
    return on_evidence.evidence_pair(near, far, seen, climbs=climbs, progress=progress)


def _semantics(lesson: Lesson, progress: bool) -> Verdict:
    images = lesson.study.test
    few = images.sample(lesson.pick(fast=20, cpu=250, gpu=1000), seed=lesson.seed)
    scan = open_scan(lesson.study, "all", progress=progress)
    return on_middle.semantics_depth(lesson.study.lens("all"), images, scan, few)


def _histograms(lesson: Lesson, progress: bool) -> Verdict:
    return on_middle.histogram_depth(lesson.study.lens("all"), open_scan(lesson.study, "all", progress=progress))


def super_seeds(lesson: Lesson) -> Sequence[int]:
    """Return the seeds of the networks that learn from super images."""
    return range(lesson.pick(fast=2, cpu=3, gpu=5))


def learn_from_super(lesson: Lesson, progress: bool = False) -> SuperTraining:
    """Return what small networks learn from super images and from real ones."""
    return super_training(
        lesson.study.lens("all"),
        lesson.study.train,
        test_images(lesson, fast=200, cpu=1000),
        lesson.pick(fast=(1, 3), cpu=(1, 3, 10, 30), gpu=(1, 3, 10, 30, 100)),
        seeds=len(super_seeds(lesson)),
        width=lesson.pick(fast=4, cpu=16, gpu=32),
        updates=lesson.pick(fast=10, cpu=100, gpu=1000),
        steps=lesson.pick(fast=3, cpu=30, gpu=200),
        progress=progress,
    )


def _super_train(lesson: Lesson, progress: bool) -> Verdict:
    return learn_from_super(lesson, progress).verdict()


def climb_lifelike(lesson: Lesson, progress: bool = False) -> Climbs:
    """Return every class climbed plainly, with jitter of the gradient and of the image, and with total variation."""
    lens, climb = lesson.study.lens("all"), _climb(lesson)
    weights = lesson.pick(fast=(30, 100), cpu=(10, 30, 100, 300, 1000, 3000), gpu=(10, 30, 100, 300, 1000, 3000))
    variation = trade_off(lens, TotalVariation, weights, **climb, progress=progress)
    ways: dict[str, dict[str, Any]] = {
        "jitter": {"jitter": Jitter()},
        "jitter (image)": {"jitter": Jitter(of="image")},
        "TV": {"priors": [TotalVariation(variation.strongest())]},
    }
    return climb_in_ways(lens, ways, seeds=_starts(lesson), **climb, progress=progress)


def climb_unclipped(lesson: Lesson, progress: bool = False) -> Climbs:
    """Return every class climbed plainly and under the α-norm, where no pixel is held in [0, 1]."""
    lens, climb = lesson.study.lens("all"), {**_climb(lesson), "keep_range": False, "progress": progress}
    weights = [10.0**k for k in range(9)]
    weights = lesson.pick(fast=weights[:2], cpu=weights, gpu=weights)
    bound = trade_off(lens, AlphaNorm, weights, **climb)
    ways = {"α-norm": {"priors": [AlphaNorm(bound.strongest())]}}
    return climb_in_ways(lens, ways, seeds=_starts(lesson), **climb)


def _climb(lesson: Lesson) -> dict:
    rate = paced_rate(lesson.study.lens("all"), 0.03)
    return {"steps": lesson.pick(fast=8, cpu=60, gpu=100), "learning_rate": rate}


def _starts(lesson: Lesson) -> Sequence[int]:
    return range(lesson.pick(fast=2, cpu=5, gpu=10))


def _real(lesson: Lesson) -> Float[Tensor, "n c h w"]:
    return test_images(lesson, fast=100, cpu=1000).rgb()


def _transforms(lesson: Lesson, progress: bool) -> Verdict:
    return on_lifelike.lifelike_transforms(climb_lifelike(lesson, progress), _real(lesson))


def _regularisers(lesson: Lesson, progress: bool) -> Verdict:
    clipped, unclipped = climb_lifelike(lesson, progress), climb_unclipped(lesson, progress)
    return on_lifelike.lifelike_regularisers(clipped, unclipped, _real(lesson))


def pooling_seeds(lesson: Lesson) -> Sequence[int]:
    """Return the seeds of the networks with and without pooling; 0 to 7 were seen when the rule was written."""
    return range(8, 8 + lesson.pick(fast=2, cpu=8, gpu=12))


def _pooling(lesson: Lesson, progress: bool = False) -> Verdict:
    study = lesson.study
    pair = study.images("near_pair", "train")
    pair = pair.sample(lesson.pick(fast=64, cpu=1000, gpu=len(pair)), seed=lesson.seed)
    width, epochs = lesson.pick(fast=(4, 1), cpu=(16, 12), gpu=(16, 14))
    return on_lifelike.lifelike_pooling(
        pair,
        study.images("near_pair"),
        seeds=pooling_seeds(lesson),
        recipe=study.recipe("near_pair", width=width, epochs=epochs),
        steps=lesson.pick(fast=8, cpu=60, gpu=100),
        progress=progress,
    )


def tabulate_unseen(lesson: Lesson, lens: Lens, progress: bool = False) -> PredictionTable:
    """Return what a network of a pair predicts for the test images of all classes, and for as much noise."""
    test = test_images(lesson, fast=100, cpu=10_000)
    return prediction_table(
        lens, test, gaussian_noise(lesson.study.train, len(test), seed=lesson.seed), progress=progress
    )


def _unseen_by_near_pair(lesson: Lesson, progress: bool) -> Verdict:
    return on_outsiders.ood_cat_dog(tabulate_unseen(lesson, lesson.study.lens("near_pair"), progress))


def _unseen_by_far_pair(lesson: Lesson, progress: bool) -> Verdict:
    return on_outsiders.ood_plane_dog(tabulate_unseen(lesson, lesson.study.lens("far_pair"), progress))


def tabulate_noise(lesson: Lesson, lens: Lens) -> PredictionTable:
    """Return what a network of all classes predicts for noise, and for a few test images."""
    noise = gaussian_noise(lesson.study.train, lesson.pick(fast=100, cpu=10_000, gpu=10_000), seed=lesson.seed)
    test = lesson.study.test
    return prediction_table(lens, test.sample(100), noise)


def _noise_class(lesson: Lesson, progress: bool) -> Verdict:
    lenses = [*map(lesson.study.lens, THREE)]
    tables = (tabulate_noise(lesson, lens) for lens in Bar(lenses, "noise", disable=not progress, leave=False))
    return on_outsiders.noise_bird(*tables)


def _noise_terms(lesson: Lesson, progress: bool) -> Verdict:
    study = lesson.study
    shown = test_images(lesson, fast=100, cpu=2000)
    noise = gaussian_noise(study.train, len(shown), seed=lesson.seed)
    return on_outsiders.noise_bias(logit_terms(study.lens("all"), shown, noise, progress=progress))


def cluster_seeds(lesson: Lesson) -> Sequence[int]:
    """Return the seeds of K-Means."""
    return range(lesson.pick(fast=2, cpu=5, gpu=10))


def _raw_images(lesson: Lesson, progress: bool) -> Verdict:
    study, images = lesson.study, test_images(lesson, fast=100, cpu=10_000)
    named = "bird" if "bird" in images.classes else tabulate_noise(lesson, study.lens("all")).favourite("noise")
    seeds = Bar(cluster_seeds(lesson), "K-Means", disable=not progress, leave=False)
    runs = [raw_clusters(images, seed) for seed in seeds]
    return on_outsiders.kmeans_bird(runs, gaussian_noise(study.train, 1000, seed=lesson.seed).rgb(), named)


PAIR = ("near_pair",)
RUNS = {
    "acc-cat-dog": Run(_accuracy, PAIR),
    "fool-subtle": Run(_subtle, PAIR),
    "fool-messy": Run(_messy, PAIR),
    "fool-sketch": Run(_sketch, PAIR),
    "evidence-pair": Run(_evidence, ("near_pair", "far_pair")),
    "semantics-depth": Run(_semantics),
    "histogram-depth": Run(_histograms),
    "super-train": Run(_super_train, seeds=super_seeds),
    "lifelike-transforms": Run(_transforms),
    "lifelike-regularisers": Run(_regularisers),
    "lifelike-pooling": Run(_pooling, (), seeds=pooling_seeds, study="planted"),
    "ood-cat-dog": Run(_unseen_by_near_pair, PAIR),
    "ood-plane-dog": Run(_unseen_by_far_pair, ("far_pair",)),
    "noise-bird": Run(_noise_class, THREE),
    "noise-bias": Run(_noise_terms),
    "kmeans-bird": Run(_raw_images, seeds=cluster_seeds),
}
