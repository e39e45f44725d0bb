"""The course's own machinery: what a notebook starts with, what its exercises ask, and what a learner has done."""

from neurolens.course.checking import check as check
from neurolens.lesson import BUDGETS as BUDGETS
from neurolens.lesson import Lesson as Lesson
from neurolens.lesson import chosen_budget as chosen_budget
from neurolens.lesson import installed_version as installed_version
from neurolens.lesson import start as start
