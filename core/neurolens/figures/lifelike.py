"""The figures of §2.4: what makes generated images lifelike (Fig. 7)."""

from jaxtyping import Float
from torch import Tensor

from neurolens.figures.base import BLUE, CORAL, Picture, array, name_row, show
from neurolens.visualization.lifelike import PLAIN, Climbs, TradeOff
from neurolens.visualization.spectra import high_frequency_share, radial_spectrum

COLOURS = (CORAL, BLUE, "#edae49", "#66a182", "#8d6a9f")  # plain first; told apart by the colour-blind too


def lifelike_rows(climbs: Climbs, columns: int = 10) -> Picture:
    """Draw Fig. 7: the same classes climbed in several ways, a row for each way, all of a column at one score."""
    columns = min(columns, len(climbs.names))
    picture = Picture(8, 0.9 * len(climbs.images) + 0.7, climbs.setting)
    axes = picture.subplots(len(climbs.images), columns, squeeze=False)
    for row, (way, images) in zip(axes, climbs.images.items(), strict=True):
        shares = high_frequency_share(images)
        for i, ax in enumerate(row):
            show(ax, images[i], f"{shares[i]:.0%}")
        name_row(row[0], way)
    for ax, name, level in zip(axes[0], climbs.names, climbs.level, strict=False):
        ax.set_title(f"{name}\nΦ = {level:.3g}\n{ax.get_title()}", fontsize=8)
    return picture


def spectra(climbs: Climbs, real: Float[Tensor, "m c h w"]) -> Picture:
    """Plot the mean radial spectrum of each way's images, and of real ones with the middle 80% of them."""
    picture = Picture(8, 3.6, f"{climbs.setting}; {len(real)} real test images")
    ax = picture.subplots()
    theirs = radial_spectrum(real).log10()
    rings = range(1, theirs.shape[1] + 1)
    low, high = theirs.quantile(0.1, 0), theirs.quantile(0.9, 0)
    ax.fill_between(rings, array(10**low), array(10**high), color="0.85", lw=0)
    ax.plot(rings, array(10 ** theirs.mean(0)), color="0.35", lw=2, label="real images")
    for colour, (way, images) in zip(COLOURS, climbs.images.items(), strict=False):
        style = "-" if way == PLAIN else "--"
        ax.plot(rings, array(10 ** radial_spectrum(images).log10().mean(0)), style, color=colour, lw=1.8, label=way)
    ax.axvline(len(rings) / 2, color="0.6", lw=0.8, ls=":")
    ax.set(xlabel="cycles per image (dotted: half the Nyquist frequency)", ylabel="power", yscale="log")
    ax.legend(frameon=False, fontsize=8, ncols=2)
    ax.spines[["top", "right"]].set_visible(False)
    return picture


def trade_offs(curves: dict[str, TradeOff]) -> Picture:
    """Plot, for each prior, the rise of Φ and the high-frequency share against λ, both after the last step."""
    settings = "; ".join(dict.fromkeys(curve.setting for curve in curves.values()))
    picture = Picture(8, 3.2, settings)
    axes = picture.subplots(1, len(curves), squeeze=False)[0]
    for ax, (name, curve) in zip(axes, curves.items(), strict=True):
        weights, chosen = curve.weights[1:], curve.strongest()
        ax.plot(weights, array(curve.gains[1:]), "o-", color=BLUE, ms=4)
        ax.axhline(0, color="none")  # keeps zero in view
        ax.axhline(curve.gains[0].item(), color=BLUE, lw=0.8, ls=":")
        ax.axvline(chosen, color="0.6", lw=0.8)
        last = ", the largest tried" if chosen == weights[-1] else ""
        ax.set(xscale="log", title=name, xlabel=f"λ (grey: chosen{last})")
        ax.set_ylabel("rise of Φ (dotted: without)", color=BLUE)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        twin = ax.twinx()
        twin.plot(weights, array(curve.shares[1:]), "^--", color=CORAL, ms=4)
        twin.axhline(curve.shares[0].item(), color=CORAL, lw=0.8, ls=":")
        twin.set_ylim(0, 1)
        twin.set_ylabel("high-frequency share", color=CORAL)
        for side in (ax, twin):
            side.spines["top"].set_visible(False)
    return picture
