"""Widgets for NeuroLens: they hold state and draw; `neurolens` does the work."""

import sys

from neurolens_widgets.ascent_studio import AscentStudio as AscentStudio
from neurolens_widgets.blind_vote import BlindVote as BlindVote
from neurolens_widgets.category_map import CategoryMap as CategoryMap
from neurolens_widgets.filter_picker import FilterPicker as FilterPicker
from neurolens_widgets.manifold_map import ManifoldMap as ManifoldMap
from neurolens_widgets.prediction import Prediction as Prediction
from neurolens_widgets.prediction_table import PredictionTable as PredictionTable
from neurolens_widgets.probe import Probe as Probe
from neurolens_widgets.tree_explorer import TreeExplorer as TreeExplorer

if "google.colab" in sys.modules:  # Colab shows ipycanvas and bqplot only after this
    from google.colab import output

    output.enable_custom_widget_manager()
