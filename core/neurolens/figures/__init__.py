"""The paper's figures, each with a caption that says network, data, seed and precision: a module for each chapter."""

from neurolens.figures.base import Picture as Picture
from neurolens.figures.categories import category_map as category_map
from neurolens.figures.categories import tree_layout as tree_layout
from neurolens.figures.evidence import super_grid as super_grid
from neurolens.figures.fooling import contact_sheet as contact_sheet
from neurolens.figures.fooling import fooling_rows as fooling_rows
from neurolens.figures.fooling import messiness as messiness
from neurolens.figures.fooling import overview as overview
from neurolens.figures.lifelike import lifelike_rows as lifelike_rows
from neurolens.figures.lifelike import spectra as spectra
from neurolens.figures.lifelike import trade_offs as trade_offs
from neurolens.figures.manifold import manifold_map as manifold_map
from neurolens.figures.middle import atlas_rows as atlas_rows
from neurolens.figures.middle import by_depth as by_depth
from neurolens.figures.middle import unit_cards as unit_cards
from neurolens.figures.outsiders import logit_bars as logit_bars
from neurolens.figures.outsiders import noise_reasons as noise_reasons
from neurolens.figures.outsiders import noise_to_images as noise_to_images
from neurolens.figures.outsiders import noise_winners as noise_winners
from neurolens.figures.outsiders import prediction_heat as prediction_heat
from neurolens.figures.prediction_tree import tree_figure as tree_figure
from neurolens.figures.super_images import learning_curves as learning_curves
from neurolens.figures.super_images import super_rows as super_rows
