"""NeuroLens: what do CNN neurons learn?"""

from neurolens import claims as claims
from neurolens import course as course
from neurolens import figures as figures
from neurolens import statistics as statistics
from neurolens.lens import Lens as Lens
from neurolens.studies.data import Images as Images
from neurolens.studies.data import gaussian_noise as gaussian_noise
from neurolens.studies.sources import load_images as load_images
from neurolens.studies.study import Study as Study
from neurolens.studies.study import open_study as open_study
from neurolens.units import Objective as Objective
from neurolens.units import parse as parse
from neurolens.visualization.ascent import Ascent as Ascent
from neurolens.visualization.ascent import Step as Step
from neurolens.visualization.atlas import Atlas as Atlas
from neurolens.visualization.atlas import build_atlas as build_atlas
from neurolens.visualization.atlas import open_atlas as open_atlas
from neurolens.visualization.attribution import HeatMap as HeatMap
from neurolens.visualization.attribution import difference_map as difference_map
from neurolens.visualization.attribution import grad_cam as grad_cam
from neurolens.visualization.fooling import Fooling as Fooling
from neurolens.visualization.fooling import background_complexity as background_complexity
from neurolens.visualization.fooling import edges as edges
from neurolens.visualization.fooling import fool as fool
from neurolens.visualization.fooling import robustness as robustness
from neurolens.visualization.scan import Scan as Scan
from neurolens.visualization.scan import open_scan as open_scan
from neurolens.visualization.scan import scan as scan

__version__ = "0.1.0"
