"""All claims of the paper that are held against measurements, by id."""

import difflib

from neurolens.claims.categories import MST_CENTRE, NEAR_PAIRS, TWO_KINGDOMS
from neurolens.claims.critical import CRITICAL_FILTERS, TREE_COARSE_TO_FINE
from neurolens.claims.evidence import EVIDENCE_PAIR
from neurolens.claims.fooling import ACC_CAT_DOG, FOOL_MESSY, FOOL_SKETCH, FOOL_SUBTLE
from neurolens.claims.ledger import Claim
from neurolens.claims.lifelike import LIFELIKE_POOLING, LIFELIKE_REGULARISERS, LIFELIKE_TRANSFORMS
from neurolens.claims.manifold import UMAP
from neurolens.claims.middle import HISTOGRAM_DEPTH, SEMANTICS_DEPTH
from neurolens.claims.outsiders import KMEANS_BIRD, NOISE_BIAS, NOISE_BIRD, OOD_CAT_DOG, OOD_PLANE_DOG
from neurolens.claims.penalty import PENALTY
from neurolens.claims.super_train import SUPER_TRAIN
from neurolens.claims.updating import ONLINE_UPDATE

CLAIMS = {
    claim.id: claim
    for claim in (
        ACC_CAT_DOG,
        FOOL_SUBTLE,
        FOOL_MESSY,
        FOOL_SKETCH,
        EVIDENCE_PAIR,
        SEMANTICS_DEPTH,
        HISTOGRAM_DEPTH,
        SUPER_TRAIN,
        LIFELIKE_TRANSFORMS,
        LIFELIKE_REGULARISERS,
        LIFELIKE_POOLING,
        OOD_CAT_DOG,
        OOD_PLANE_DOG,
        NOISE_BIRD,
        NOISE_BIAS,
        KMEANS_BIRD,
        MST_CENTRE,
        NEAR_PAIRS,
        TWO_KINGDOMS,
        UMAP,
        PENALTY,
        ONLINE_UPDATE,
        TREE_COARSE_TO_FINE,
        CRITICAL_FILTERS,
    )
}


def named_claim(id: str) -> Claim:
    """Return the claim of this id.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if id not in CLAIMS:
        (nearest,) = difflib.get_close_matches(id, CLAIMS, n=1, cutoff=0)
        raise ValueError(f"`id` (={id!r}) is no claim's; the nearest is {nearest}; to see all: neurolens claims")
    return CLAIMS[id]
