"""How much of an image is high frequency, and how far its spectrum is from that of real images (§2.4)."""

import torch
from jaxtyping import Float
from torch import Tensor

HIGH = 0.25  # cycles per pixel: half the Nyquist frequency
ROUNDING = (1 / 255) ** 2 / 12  # variance of what 8-bit pixels round away


def power_spectrum(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """Return |DFT(x)|² / (h·w)², the mean over the colours; without [0, 0] it sums to the pixels' variance (Parseval).

    The image is taken as one tile of a periodic pattern: a step from border to border counts as an edge.
    """
    h, w = images.shape[2:]
    if not len(images):  # which the FFT library refuses
        return torch.empty(0, h, w, dtype=torch.float64)
    return (torch.fft.fft2(images.cpu().double()).abs() / (h * w)).square().mean(1)


def frequencies(h: int, w: int) -> Float[Tensor, "h w"]:
    """Return sqrt(f_y² + f_x²) of each place of a power spectrum, in cycles per pixel; the axes' Nyquist is 0.5."""
    return torch.hypot(torch.fft.fftfreq(h, dtype=torch.float64)[:, None], torch.fft.fftfreq(w, dtype=torch.float64))


def radial_spectrum(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n r"]:
    """Return the mean power of each ring k - ½ ≤ f < k + ½, k = 1, 2, … cycles per shorter side, up to Nyquist."""
    h, w = images.shape[2:]
    ring = torch.floor(frequencies(h, w) * min(h, w) + 0.5).long()
    power = power_spectrum(images)
    return torch.stack([power[:, ring == k].mean(1) for k in range(1, min(h, w) // 2 + 1)], 1).float()


def high_frequency_share(images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Return Σ_{f > ¼} P / Σ_{f > 0} P: the power above half the Nyquist frequency, f in cycles per pixel, as a share.

    0 for an image of one colour; white noise has the share of the frequencies that count, 0.81 at 32×32.
    """
    power = power_spectrum(images)
    f = frequencies(*images.shape[2:])
    everything = power[:, f > 0].sum(1)
    return torch.where(everything > 0, power[:, f > HIGH].sum(1) / everything, 0).float()


def spectrum_distance(images: Float[Tensor, "n c h w"], real: Float[Tensor, "m c h w"]) -> Float[Tensor, " n"]:
    """Return the RMS over the rings of log10 S(x) - mean log10 S(real), S the radial spectrum, in decades.

    0: spread over the frequencies as in a typical real image, and at its contrast; 1: off by a factor of ten. To each
    power that of 8-bit rounding is added, below which nothing is known.

    Raises:
        ValueError: If the two sets differ in size or colours, or there are no real images.
    """
    if images.shape[1:] != real.shape[1:] or not len(real):
        raise ValueError(f"`real` (={tuple(real.shape)}) must be images like `images` (={tuple(images.shape)})")
    floor = ROUNDING / (images.shape[2] * images.shape[3])
    mine, theirs = ((radial_spectrum(x) + floor).log10() for x in (images, real))
    return (mine - theirs.mean(0)).square().mean(1).sqrt()
