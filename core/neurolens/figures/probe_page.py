"""A probe as a page: one file that needs no other, in light and dark, with words for every picture."""

import base64
import io
from collections.abc import Sequence
from html import escape
from itertools import groupby

import matplotlib
import numpy as np
from PIL import Image
from torch import Tensor

from neurolens.clustering.tree_path import TreeStep
from neurolens.figures.base import DIFFERENCE, EVIDENCE, array
from neurolens.probe import Probe, ProbedUnit
from neurolens.statistics import percent

CLASSES, STATIONS = 5, 10  # shown at most
STYLE = """
.nl-probe { color-scheme: light dark; --ink: light-dark(#1f2328, #e6e8eb); --soft: light-dark(#5b636d, #a3abb5);
  --line: light-dark(#d9dce0, #3a4048); --accent: light-dark(#2b83c6, #5aa9e6); font: 14px/1.45 system-ui, sans-serif;
  color: var(--ink); max-width: 900px; }
.nl-probe summary { cursor: pointer; max-width: 75ch; }
.nl-probe h2 { font-size: 20px; margin: 0; } .nl-probe h3 { font-size: 15px; margin: 22px 0 6px; }
.nl-probe p { margin: 4px 0; max-width: 75ch; } .nl-probe .soft { color: var(--soft); }
.nl-probe .row { display: flex; flex-wrap: wrap; gap: 14px; align-items: flex-start; }
.nl-probe figure { margin: 0; width: 150px; } .nl-probe figcaption { font-size: 12px; color: var(--soft); }
.nl-probe img { image-rendering: pixelated; border-radius: 4px; display: block; width: 100%; }
.nl-probe td, .nl-probe th { padding: 4px 10px 4px 0; text-align: left; vertical-align: middle; font-weight: inherit; }
.nl-probe table { border-collapse: collapse; } .nl-probe tr + tr { border-top: 1px solid var(--line); }
.nl-probe .bar { width: 120px; } .nl-probe .bar i { display: block; height: 9px; background: var(--accent); }
.nl-probe ul { list-style: none; margin: 0; padding: 0; } .nl-probe li b { font-weight: inherit; }
.nl-probe li { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 10px; padding: 4px 0; }
.nl-probe li + li { border-top: 1px solid var(--line); }
.nl-probe .address { width: 92px; overflow-wrap: anywhere; } .nl-probe .verdict { flex: 1 1 220px; }
.nl-probe img.small { width: 64px; } .nl-probe .tops { display: flex; gap: 4px; }
.nl-probe .station { width: 96px; border-top: 3px solid var(--line); padding-top: 4px; font-size: 11px;
  overflow-wrap: anywhere; }
.nl-probe .active { border-color: var(--accent); }
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>body {{ margin: 24px; color-scheme: light dark; background: light-dark(#fff, #15181c); }}
.nl-probe + .nl-probe {{ margin-top: 40px; border-top: 1px solid #888; padding-top: 24px; }}{style}</style></head>
<body>{body}</body></html>
"""


def probe_page(probes: Sequence[Probe]) -> str:
    """Return all probes as one self-contained HTML page."""
    title = f"NeuroLens: {', '.join(probe.name for probe in probes[:3])}{', …' if len(probes) > 3 else ''}"
    return PAGE.format(title=escape(title), style=STYLE, body="".join(map(probe_section, probes)))


def probe_section(probe: Probe) -> str:
    """Return one probe as a piece of HTML; `STYLE` belongs to it."""
    head = (
        f"<h2>{escape(probe.name)}: {escape(probe.said)} {percent(probe.sure)}</h2>"
        f'<p class="soft">{escape(probe.network)}, {probe.picture.shape[1]}×{probe.picture.shape[2]} pixels, fp32</p>'
    )
    parts = (_pictures(probe), _classes(probe), _units(probe), _path(probe))
    return f'<section class="nl-probe">{head}{"".join(parts)}</section>'


def _pictures(probe: Probe) -> str:
    size = (int(probe.picture.shape[1]), int(probe.picture.shape[2]))
    grey = array(probe.picture).mean(0)[..., None]
    warm = matplotlib.colormaps[EVIDENCE](array(probe.evidence.resized(size)[0]))[..., :3]
    change = array(probe.fooling.difference[0])
    brightest = float(change.max())
    spread = matplotlib.colormaps[DIFFERENCE](change / (brightest or 1))[..., :3]
    evidence = "no evidence" if probe.evidence.all_negative[0] else f"evidence for {probe.said} (Grad-CAM)"
    shown = (
        (array(probe.picture), "as the network sees it"),
        (0.4 * grey + 0.6 * warm, f"{evidence} at {probe.evidence.layer}"),
        (array(probe.fooling.end[0]), f"{probe.fooling.steps} steps towards {probe.fooling.target}"),
        (spread, f"what these steps changed, up to {255 * brightest:.1f} grey levels"),
    )
    figures = "".join(_figure(pixels, words) for pixels, words in shown)
    return (
        f'<div class="row" style="margin-top:12px">{figures}</div><p>The picture {escape(probe.fooled)}.</p>'
        f"{_faithful(probe)}"
    )


def _faithful(probe: Probe) -> str:
    """Return whether the evidence marks what counts, in a sentence that opens to the numbers."""
    return (
        f"<details><summary>Does the Grad-CAM mark what counts? {probe.marked.capitalize()}.</summary>"
        f'<p class="soft">{escape(probe.faithful.badge)}. {escape(probe.faithful.reading)}</p></details>'
    )


def _classes(probe: Probe) -> str:
    likeliest = probe.probabilities.topk(min(CLASSES, len(probe.classes)))
    pairs = zip(likeliest.indices.tolist(), likeliest.values.tolist(), strict=True)
    rows = "".join(
        f'<tr><th scope="row">{escape(probe.classes[k])}</th><td class="bar">{_bar(p)}</td><td>{percent(p)}</td></tr>'
        for k, p in pairs
    )
    return f"<h3>What it says</h3><table>{rows}</table>"


def _units(probe: Probe) -> str:
    most = max((unit.contribution for unit in probe.units), default=0) or 1.0
    rows = "".join(_unit(unit, most) for unit in probe.units)
    how = "exactly, as the rest of the network is linear" if probe.method == "exact" else f"by {probe.method} gradients"
    judged = (
        " What stands on the right tells whether to take the generated picture for what the channel looks for: how its "
        "score compares with real pictures', how much of it is left when the picture is nudged, and how noisy it is."
    )
    return (
        f"<h3>Which channels say so</h3><p>The number is what a channel adds to the score of {escape(probe.said)}, its "
        f"logit, which is {probe.logit:.2f}; found {how}.</p>"
        f'<ul>{rows}</ul><p class="soft">Left: the generated optimum. Then real pictures that the channel '
        f"answers to most, from {escape(probe.data) or 'nowhere: none were given'}."
        f"{judged if any(unit.trust for unit in probe.units) else ''}</p>"
    )


def _unit(unit: ProbedUnit, most: float) -> str:
    address = escape(unit.address)
    optima = [] if unit.optimum is None else [_image(array(unit.optimum), f"optimum of {address}", "small")]
    pictures = [] if unit.tops is None else map(array, unit.tops)
    tops = [_image(picture, f"a picture that {address} answers to", "small") for picture in pictures]
    trust = ""
    if unit.trust is not None:
        trust = f'<span title="{escape(unit.trust.reading)}">{escape(unit.trust.badge)}</span>'
    return (
        f'<li>{"".join(optima)}<span class="tops">{"".join(tops)}</span><b class="address">{address}</b>'
        f'<span class="bar">{_bar(max(0.0, unit.contribution / most))}</span><b>{unit.contribution:+.2f}</b>'
        f'<span class="soft verdict">{trust}</span></li>'
    )


def _path(probe: Probe) -> str:
    if probe.path is None or probe.stations is None:
        return ""
    named = zip([*probe.path.steps[1:], None], probe.stations, strict=True)
    alike = [[*turns] for _, turns in groupby(named, lambda turn: turn[1].cpu().numpy().tobytes())]
    stations = "".join(_station([step for step, _ in turns], turns[0][1], probe.said) for turns in alike[-STATIONS:])
    active, critical, left = probe.path.active_filters, probe.path.critical_filters, probe.path.left_at
    said = escape(probe.said)
    counted = f"{len(active)} of {len(critical)}" if critical else "none"
    lost = "stays in" if left is None else "leaves"
    return (
        f"<h3>Its path in the prediction tree of {said}</h3><p>From branch to smaller branch down to the image it "
        f"comes closest to, a typical image of each{' (the last ones)' if len(alike) > STATIONS else ''}. Each turn "
        f"has a critical filter, active where it answers more than to the median {said} image: {counted} are. On "
        f"its way the picture {lost} the range of the {said} images. A blue line: most filters there are active.</p>"
        f'<div class="row">{stations}</div>'
    )


def _station(steps: Sequence[TreeStep | None], picture: Tensor, said: str) -> str:
    """Return the turns with one typical image; the last of all, None, is the image that the path ends at."""
    turns = [step for step in steps if step is not None]
    active = sum(step.active for step in turns)
    filters = ", ".join(f"{step.critical} {'active' if step.active else 'silent'}" for step in turns)
    few = filters if len(turns) < 2 else f"{len(turns)} filters, {active} active"
    words = "; ".join(filter(None, (few, "" if len(turns) == len(steps) else "the closest image")))
    mark = " active" if 2 * active > len(turns) or not turns else ""
    return (
        f'<div class="station{mark}" title="{escape(filters)}">{_image(array(picture), f"{said}: {words}", "")}'
        f'<span class="soft">{escape(words)}</span></div>'
    )


def _bar(share: float) -> str:
    return f'<i style="width:{100 * share:.1f}%"></i>'


def _figure(pixels: np.ndarray, words: str) -> str:
    return f"<figure>{_image(pixels, words, '')}<figcaption>{escape(words)}</figcaption></figure>"


def _image(pixels: np.ndarray, words: str, css: str) -> str:
    """Return an image tag that holds its own PNG."""
    pixels = np.moveaxis(pixels, 0, 2) if len(pixels) == 3 else pixels  # torch's order
    if pixels.dtype != np.uint8:
        pixels = (pixels.clip(0, 1) * 255).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img class="{css}" alt="{escape(words)}" src="data:image/png;base64,{data}">'
