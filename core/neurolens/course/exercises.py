"""The exercises of all notebooks, by key; the first two digits are the notebook's number."""

from neurolens.course.exercise import Exercise as Exercise
from neurolens.course.exercises_filters import EXERCISES as _FILTERS
from neurolens.course.exercises_groups import EXERCISES as _GROUPS

EXERCISES = {**_FILTERS, **_GROUPS}
