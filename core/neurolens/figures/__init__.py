"""The paper's figures, each with a caption that says network, data, seed and precision: a module for each chapter."""

from neurolens.figures.base import Picture as Picture
from neurolens.figures.fooling import contact_sheet as contact_sheet
from neurolens.figures.fooling import fooling_rows as fooling_rows
from neurolens.figures.fooling import messiness as messiness
from neurolens.figures.fooling import overview as overview
