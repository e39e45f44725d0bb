"""What the paper claims, and what we find: one module for each of its sections."""

from neurolens.claims.categories import KINGDOMS as KINGDOMS
from neurolens.claims.categories import MST_CENTRE, NEAR_PAIRS, TWO_KINGDOMS
from neurolens.claims.categories import mst_centre as mst_centre
from neurolens.claims.categories import near_pairs as near_pairs
from neurolens.claims.categories import two_kingdoms as two_kingdoms
from neurolens.claims.critical import CRITICAL_FILTERS, TREE_COARSE_TO_FINE
from neurolens.claims.critical import CoherenceByDepth as CoherenceByDepth
from neurolens.claims.critical import critical_filters as critical_filters
from neurolens.claims.critical import measure_coherence as measure_coherence
from neurolens.claims.critical import planted_traits as planted_traits
from neurolens.claims.critical import tree_coarse_to_fine as tree_coarse_to_fine
from neurolens.claims.evidence import EVIDENCE_PAIR
from neurolens.claims.evidence import evidence_on_parts as evidence_on_parts
from neurolens.claims.evidence import evidence_pair as evidence_pair
from neurolens.claims.fooling import ACC_CAT_DOG, FOOL_MESSY, FOOL_SKETCH, FOOL_SUBTLE
from neurolens.claims.fooling import acc_cat_dog as acc_cat_dog
from neurolens.claims.fooling import fool_messy as fool_messy
from neurolens.claims.fooling import fool_sketch as fool_sketch
from neurolens.claims.fooling import fool_subtle as fool_subtle
from neurolens.claims.fooling import pixel_correlation as pixel_correlation
from neurolens.claims.ledger import Check as Check
from neurolens.claims.ledger import Claim as Claim
from neurolens.claims.ledger import Verdict as Verdict
from neurolens.claims.lifelike import LIFELIKE_POOLING, LIFELIKE_REGULARISERS, LIFELIKE_TRANSFORMS
from neurolens.claims.lifelike import lifelike_pooling as lifelike_pooling
from neurolens.claims.lifelike import lifelike_regularisers as lifelike_regularisers
from neurolens.claims.lifelike import lifelike_transforms as lifelike_transforms
from neurolens.claims.manifold import UMAP
from neurolens.claims.manifold import umap as umap
from neurolens.claims.middle import HISTOGRAM_DEPTH, SEMANTICS_DEPTH
from neurolens.claims.middle import histogram_depth as histogram_depth
from neurolens.claims.middle import semantics_depth as semantics_depth
from neurolens.claims.outsiders import KMEANS_BIRD, NOISE_BIAS, NOISE_BIRD, OOD_CAT_DOG, OOD_PLANE_DOG
from neurolens.claims.outsiders import TABLE_1 as TABLE_1
from neurolens.claims.outsiders import NoiseExplanation as NoiseExplanation
from neurolens.claims.outsiders import explain_noise as explain_noise
from neurolens.claims.outsiders import kmeans_bird as kmeans_bird
from neurolens.claims.outsiders import noise_bias as noise_bias
from neurolens.claims.outsiders import noise_bird as noise_bird
from neurolens.claims.outsiders import noise_over_seeds as noise_over_seeds
from neurolens.claims.outsiders import ood_cat_dog as ood_cat_dog
from neurolens.claims.outsiders import ood_plane_dog as ood_plane_dog
from neurolens.claims.penalty import PENALTY
from neurolens.claims.penalty import PenaltyTraining as PenaltyTraining
from neurolens.claims.penalty import penalty_training as penalty_training
from neurolens.claims.removal import RemovalCurves as RemovalCurves
from neurolens.claims.removal import measure_removal as measure_removal
from neurolens.claims.stability import filters_on_parts as filters_on_parts
from neurolens.claims.stability import tree_stability as tree_stability
from neurolens.claims.super_train import SUPER_TRAIN
from neurolens.claims.super_train import SuperTraining as SuperTraining
from neurolens.claims.super_train import super_set as super_set
from neurolens.claims.super_train import super_training as super_training
from neurolens.claims.updating import ONLINE_UPDATE
from neurolens.claims.updating import OnlineUpdate as OnlineUpdate
from neurolens.claims.updating import online_update as online_update
from neurolens.claims.updating import without_a_class as without_a_class

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
