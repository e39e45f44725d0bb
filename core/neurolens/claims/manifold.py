"""The claim of §3.1 and Fig. 9: the network's features take apart what overlaps among the raw images."""

import numpy as np

from neurolens.claims.ledger import Check, Claim, Verdict
from neurolens.clustering.manifold import RAW, Manifold
from neurolens.clustering.separation import VOTERS

RAW_SILHOUETTE, RAW_ACCURACY = (f"{score} of raw images in 3-D" for score in ("silhouette", f"{VOTERS}-NN accuracy"))
SILHOUETTE, ACCURACY = (f"{score} of features in 2-D" for score in ("silhouette", f"{VOTERS}-NN accuracy"))
UMAP = Claim(
    "umap",
    "3.1, Fig. 9",
    "raw images in 3-D overlap; features in 2-D separate",
    (
        Check(RAW_SILHOUETTE, at_most=0.25),
        Check(RAW_ACCURACY, at_most=0.5),
        Check(SILHOUETTE, at_least=0.5),
        Check(ACCURACY, at_least=0.9),
    ),
    "By eye in the paper. Here a mean silhouette up to 0.25 is no substantial structure and one from 0.5 a reasonable "
    "one (Kaufman & Rousseeuw 1990); images overlap if the neighbours of most are of other classes, and separate if "
    "nine in ten lie among their own. Test images, all positions of the layer, UMAP's defaults; the paper says none. "
    "Five seeds of UMAP gave silhouettes 0.04 apart, more than the interval over images shows (planted study).",
    "08_manifolds",
    over="the images, of one embedding of one network",
    bounds=(-1, 1),
)


def umap(raw: Manifold, features: Manifold) -> Verdict:
    """Score how far the classes stand apart among raw images and among features; the spaces before UMAP beside them.

    The rule is made for ten classes: of two, one in two neighbours is of the same by chance.

    Args:
        raw: Raw images in 3-D by UMAP.
        features: Of the same images in 2-D by UMAP.

    Raises:
        ValueError: If they are something else.
    """
    found = [(m.of == RAW, m.points.shape[1], m.method) for m in (raw, features)]
    same = raw.about["data"] == features.about["data"] and np.array_equal(raw.labels, features.labels)
    if found != [(True, 3, "umap"), (False, 2, "umap")] or not same:
        raise ValueError(
            f"`raw` and `features` (={raw.title} and {features.title}) must be raw images in 3-D and features of the "
            "same images in 2-D, by UMAP; see embed_pixels and embed_features"
        )
    measured = {
        RAW_SILHOUETTE: raw.separation.silhouette,
        RAW_ACCURACY: raw.separation.accuracy,
        SILHOUETTE: features.separation.silhouette,
        ACCURACY: features.separation.accuracy,
    }
    for name, manifold in (("raw images", raw), ("features", features)):
        measured |= {
            f"silhouette of {name} before UMAP": manifold.original.silhouette,
            f"{VOTERS}-NN accuracy of {name} before UMAP": manifold.original.accuracy,
            f"trustworthiness of {name}": manifold.trustworthiness,
        }
    return UMAP.judge(f"{features.caption}; raw images {raw.about['settings']}", measured)
