"""Ways to draw what a prediction rests on, as maps of the picture's size; one of them never asks the network."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from neurolens.lens import Lens
from neurolens.units import Objective, logit
from neurolens.visualization.ascent import Ascent
from neurolens.visualization.attribution import activation_and_gradient, difference_map, grad_cam
from neurolens.visualization.evidence import occlusion
from neurolens.visualization.fooling import edges

Maps = Float[Tensor, "n h w"]
PATCH, STRIDE = 8, 4  # of the occlusion, in pixels
RATE, STEPS = 1e-2, 20  # of the climb, as in the claim of §2.2


def cam_map(lens: Lens, images: Tensor, target: Objective) -> Maps:
    """Return Grad-CAM at the last stage (Selvaraju et al. 2017), enlarged bilinearly."""
    return _enlarged(grad_cam(lens, images, target).values, images)


def contribution_map(lens: Lens, images: Tensor, target: Objective) -> Maps:
    """Return relu(sum_c A_c · ∂target/∂A_c) at the last stage but one: what each position contributes.

    At the last stage itself it would be Grad-CAM, wherever a mean over the positions and a linear head follow.
    """
    activation, gradient = activation_and_gradient(lens, images, target, lens.stages[-2], "fp32")
    return _enlarged((activation * gradient).sum(1).relu(), images)


def occlusion_map(lens: Lens, images: Tensor, target: Objective) -> Maps:
    """Return for every pixel the mean loss over the patches that cover it (Zeiler & Fergus 2014)."""
    losses = occlusion(lens, images, target, PATCH, STRIDE).values.to(images)[:, None]
    patch = torch.ones(1, 1, PATCH, PATCH).to(losses)
    laid, covers = (F.conv_transpose2d(x, patch, stride=STRIDE) for x in (losses, torch.ones_like(losses)))
    return (laid / covers)[:, 0].relu()


def climb_map(lens: Lens, images: Tensor, target: Objective) -> Maps:
    """Return where 20 steps of Eq. (1) change the picture, sqrt(sum_c (x* - x)²) (§2.1)."""
    climb = Ascent(lens, target, images, RATE, STEPS)
    for _ in climb:
        pass
    return difference_map(images, climb.images.to(images))


def edge_map(lens: Lens, images: Tensor, target: Objective) -> Maps:
    """Return the picture's own edges: the control, which knows nothing of network and target."""
    return edges(images)


METHODS: dict[str, Callable[[Lens, Tensor, Objective], Maps]] = {
    "Grad-CAM": cam_map,
    "contribution map": contribution_map,
    "occlusion": occlusion_map,
    "change by the climb": climb_map,
    "edge map (control)": edge_map,
}


def evidence_maps(lens: Lens, images: Float[Tensor, "n c h w"], method: str) -> Maps:
    """Return each picture's evidence for the class that the network takes it for.

    Args:
        lens: The network.
        images: RGB in [0, 1], of a size that patches of 8 pixels, 4 apart, cover.
        method: One of `METHODS`.

    Raises:
        ValueError: If there is no such method.
    """
    if method not in METHODS:
        raise ValueError(f"`method` (={method!r}) must be one of {', '.join(METHODS)}")
    predicted = lens.logits(images).argmax(1).cpu()
    maps = torch.zeros(len(images), *images.shape[2:])
    for k in predicted.unique().tolist():
        members = predicted == k
        maps[members] = METHODS[method](lens, images[members], logit(lens.classes[k])).cpu().float()
    return maps


def _enlarged(maps: Float[Tensor, "n h w"], images: Tensor) -> Maps:
    size = (int(images.shape[2]), int(images.shape[3]))
    return F.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
