"""How each claim of §3 is measured from scratch: sizes by budget, and what chapters 07 to 10 do on the way."""

from collections.abc import Sequence

from neurolens.claims import categories as on_categories
from neurolens.claims.critical import critical_filters, measure_coherence, tree_coarse_to_fine
from neurolens.claims.ledger import Verdict
from neurolens.claims.manifold import umap
from neurolens.claims.penalty import penalty_training
from neurolens.claims.removal import measure_removal
from neurolens.claims.run import Run, test_images
from neurolens.claims.updating import online_update, without_a_class
from neurolens.clustering.categories import Categories, measure_categories
from neurolens.clustering.manifold import embed_features, embed_pixels
from neurolens.clustering.penalty import levels_apart
from neurolens.lesson import Lesson
from neurolens.studies import planted
from neurolens.studies.data import Images, gaussian_noise
from neurolens.studies.training import Recipe
from neurolens.watching import Bar

JUDGES = ("reseeded", "vgg16", "near_pair")  # networks that did not grow the tree


def resampled_categories(lesson: Lesson, progress: bool = False) -> Categories:
    """Return the distances of all categories and noise, and of resampled data sets."""
    study, test = lesson.study, test_images(lesson, fast=100, cpu=10_000)
    noise = gaussian_noise(study.train, len(test) // len(test.classes), seed=lesson.seed)
    replicates = lesson.pick(fast=10, cpu=100, gpu=1000)
    return measure_categories(
        study.lens("all"), test, noise, replicates=replicates, seed=lesson.seed, progress=progress
    )


def _tree_centre(lesson: Lesson, progress: bool) -> Verdict:
    expected = lesson.study.pairs["near_pair"][0]
    return on_categories.mst_centre(resampled_categories(lesson, progress), expected)


def _closest_pairs(lesson: Lesson, progress: bool) -> Verdict:
    first = lesson.study.pairs["near_pair"]
    return on_categories.near_pairs(resampled_categories(lesson, progress), first)


def _last_merge(lesson: Lesson, progress: bool) -> Verdict:
    kingdoms = on_categories.KINGDOMS.get(lesson.study.name, on_categories.KINGDOMS["cifar10"])
    return on_categories.two_kingdoms(resampled_categories(lesson, progress), kingdoms)


def _maps(lesson: Lesson, progress: bool) -> Verdict:
    test, lens = test_images(lesson, fast=200, cpu=10_000), lesson.study.lens("all")
    with Bar(total=2, desc="maps", disable=not progress, leave=False) as bar:
        raw = embed_pixels(test, seed=lesson.seed)
        bar.update()
        features = embed_features(lens, test, seed=lesson.seed, progress=progress)
        bar.update()
    return umap(raw, features)


def _removal(lesson: Lesson, progress: bool) -> Verdict:
    each = lesson.pick(fast=3, cpu=50, gpu=200)
    test = test_images(lesson, fast=300, cpu=2000)
    return critical_filters(
        measure_removal(lesson.study.lens("all"), test, each=each, seed=lesson.seed, progress=progress)
    )


def _coherence(lesson: Lesson, progress: bool) -> Verdict:
    study = lesson.study
    lens, judge = study.lens("all"), study.lens(next(name for name in JUDGES if name in study.cards()))
    test = test_images(lesson, fast=300, cpu=2000)
    return tree_coarse_to_fine(measure_coherence(lens, judge, test, seed=lesson.seed, progress=progress))


def update_seeds(lesson: Lesson) -> Sequence[int]:
    """Return the seeds of the networks that meet new images; 0 and 1 were seen when the rule was written."""
    return range(2, 2 + lesson.pick(fast=2, cpu=3, gpu=5))


def small_recipe(lesson: Lesson) -> Recipe:
    """Return how the small networks of chapter 10 are trained."""
    width, epochs = lesson.pick(fast=(4, 1), cpu=(8, 8), gpu=(32, 24))
    return lesson.study.recipe("all", width=width, epochs=epochs, coarse_share=0.5)


def _few(lesson: Lesson) -> tuple[Images, Images]:
    train = lesson.study.train
    few = train.sample(lesson.pick(fast=500, cpu=5000, gpu=len(train)), seed=lesson.seed)
    return few, test_images(lesson, fast=100, cpu=1000)


def _updates(lesson: Lesson, progress: bool) -> Verdict:
    few, test = _few(lesson)
    seeds = update_seeds(lesson)
    lenses = without_a_class(small_recipe(lesson), few, test, seeds, progress=progress)
    new, per_tree, steps = lesson.pick(fast=(16, 8, 3), cpu=(200, 100, 100), gpu=(200, 100, 100))
    found = online_update(lenses, seeds, few, test, new=new, per_tree=per_tree, steps=steps, progress=progress)
    return found.verdict()


def penalty_seeds(lesson: Lesson) -> Sequence[int]:
    """Return the seeds of the networks trained with a penalty; 0 to 2 were seen when the rule was written."""
    return range(3, 3 + lesson.pick(fast=2, cpu=8, gpu=8))


def _penalty(lesson: Lesson, progress: bool) -> Verdict:
    study = lesson.study
    few, test = _few(lesson)
    categories = measure_categories(study.lens("all"), few.sample(1000, seed=lesson.seed))
    known = levels_apart(planted.HIERARCHY, test.classes) if study.name == "planted" else None
    half = small_recipe(lesson)
    recipe = study.recipe("all", width=half.width, epochs=max(1, half.epochs // 2), coarse_share=0.5)
    seeds = penalty_seeds(lesson)
    return penalty_training(categories, few, test, recipe, seeds, known=known, progress=progress).verdict()


RUNS = {
    "mst-centre": Run(_tree_centre),
    "near-pairs": Run(_closest_pairs),
    "two-kingdoms": Run(_last_merge),
    "umap": Run(_maps),
    "penalty": Run(_penalty, seeds=penalty_seeds),
    "online-update": Run(_updates, (), seeds=update_seeds),
    "tree-coarse-to-fine": Run(_coherence, judges=JUDGES),
    "critical-filters": Run(_removal),
}
