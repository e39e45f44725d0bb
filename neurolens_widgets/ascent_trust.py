"""What speaks for the picture that an ascent reached, and for its Grad-CAM. No widget here."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import neurolens as nl
import torch
from jaxtyping import Float
from neurolens.units import ClassUnit
from torch import Tensor

from neurolens_widgets.verdicts import Verdict, Verdicts

if TYPE_CHECKING:
    from neurolens_widgets.ascent_studio import AscentStudio

MEASURED = 200  # real images that the objective is measured on


class AscentTrust:
    """Keeps the lines of an `AscentStudio` with what it shows: none while it runs.

    Args:
        studio: Whose pictures are measured.
        verdicts: The lines.
    """

    def __init__(self, studio: "AscentStudio", verdicts: Verdicts):
        self.studio, self.verdicts = studio, verdicts
        self._yardsticks: dict[str, nl.Yardstick] = {}
        self._frame: object = None
        self._number = 0  # of the frame: a picture's key, since frames come and go

    def follow(self) -> None:
        """Measure what the studio shows, where it rests; a picture that was not climbed to has a Grad-CAM alone."""
        studio = self.studio
        if studio.status in ("running", "error"):
            self.verdicts.leave()
            return
        if studio.now_frame is not self._frame:
            self._frame, self._number = studio.now_frame, self._number + 1
        picture = torch.from_numpy(studio.now_frame.image[None, ..., :3]).permute(0, 3, 1, 2).float() / 255
        cheap = None
        if studio.ascent is not None and studio.history:
            picture = studio.ascent.images.cpu()
            cheap = partial(self._optimum, picture, studio.climbed)
        target = studio.evidence_target
        self.verdicts.follow((self._number, target), cheap, self._checks(picture, target) if studio.lens.stages else [])

    def _checks(self, picture: Float[Tensor, "1 c h w"], target: str) -> list[Callable[[], Verdict]]:
        lens = self.studio.lens

        def faithful() -> nl.Faithfulness:
            return nl.faithfulness(lens, picture, nl.grad_cam(lens, picture, target).values, _probability(lens, target))

        return [faithful, lambda: nl.check_sanity(lens, picture, target)]

    def _optimum(self, picture: Float[Tensor, "1 c h w"], objective: str) -> nl.OptimumTrust:
        lens, images = self.studio.lens, self.studio.images
        if objective not in self._yardsticks:
            some = images.sample(MEASURED)
            self._yardsticks[objective] = nl.make_yardstick(lens, some, objective)
        return nl.trust_optimum(lens, picture, self._yardsticks[objective])


def _probability(lens: nl.Lens, target: str) -> nl.Objective:
    """Return the probability of a target that is a class, whose areas lie in [0, 1]; any other as it is."""
    objective = lens[target]
    ((weight, unit), *more) = objective.terms
    if more or not isinstance(unit, ClassUnit):
        return objective
    return nl.Objective(((weight, replace(unit, kind="softmax")),))
