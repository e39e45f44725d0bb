"""Write what can be read off the docstrings: `core/REFERENCE.md`, and a page for each widget.

python core/reference.py          # write them
python core/reference.py --check  # fail if one is stale
"""

import inspect
import re
import sys
from pathlib import Path

import neurolens as nl
from PIL import Image

import neurolens_widgets as nw
from neurolens_widgets.canvas import rgba
from neurolens_widgets.frame import draw_still, look
from neurolens_widgets.readouts import prediction

ROOT = Path(__file__).resolve().parents[1]
REFERENCE, PAGES = ROOT / "core" / "REFERENCE.md", ROOT / "neurolens_widgets" / "pages"
SCREENSHOTS, WIDTH = ROOT / "tests" / "browser" / "screenshots", 848
WIDGETS = {  # each with the picture that a browser test takes of it, and how to open it
    "AscentStudio": ("verdict_studio", 'nw.AscentStudio(study.lens("near_pair"), study.images("near_pair"))'),
    "FilterPicker": ("picker", 'nw.FilterPicker.of(study, "all")'),
    "PredictionTable": ("prediction_table", "nw.PredictionTable(study)"),
    "CategoryMap": ("categories", "nw.CategoryMap(study)"),
    "ManifoldMap": ("manifold", "nw.ManifoldMap(study)"),
    "TreeExplorer": ("tree", "nw.TreeExplorer(study)"),
    "BlindVote": (
        "blind",
        'nw.BlindVote({"real": some, "made": others}, "What do you see?", ["a head", "nothing"])',
    ),
    "Prediction": ("prediction", 'nw.Prediction("01-guess", "How many will flip?", ["few", "many"])'),
    "Probe": ("probe", "nw.Probe(study)"),
}


def sections(text: str) -> str:
    """Return a docstring as markdown: Google's sections as bold heads, their entries as list items."""
    lines = []
    for line in inspect.cleandoc(text).splitlines():
        if re.fullmatch(r"(Args|Attributes|Returns|Raises|Yields):", line):
            lines += ["", f"**{line[:-1]}**", ""]
        elif match := re.match(r"    (\w+)(?: \([^)]*\))?: (.*)", line):
            lines.append(f"- `{match[1]}`: {match[2]}")
        else:
            lines.append(line.strip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def signature(thing: object) -> str:
    """Return how a function is called, or a class made, without the types."""
    try:
        found = inspect.signature(thing)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
    plain = [one.replace(annotation=inspect.Parameter.empty) for one in found.parameters.values() if one.name != "self"]
    return str(found.replace(parameters=plain, return_annotation=inspect.Signature.empty))


def reference() -> str:
    """Return the reference of all that `neurolens` offers."""
    parts = [
        "# Reference of `neurolens`",
        "Written by `core/reference.py` from the docstrings. Shapes, units and errors stand with each name; "
        "`import neurolens as nl` gives them all.",
    ]
    names = sorted((name for name in dir(nl) if not name.startswith("_")), key=str.lower)
    for name in names:
        thing = getattr(nl, name)
        if inspect.ismodule(thing):
            parts.append(f"## `{name}`\n\nA module: {sections(thing.__doc__ or '').splitlines()[0]}")
        elif callable(thing):
            parts.append(f"## `{name}{signature(thing)}`\n\n{sections(thing.__doc__ or '')}")
            for method, found in inspect.getmembers(thing, inspect.isfunction) if inspect.isclass(thing) else []:
                if not method.startswith("_") and found.__qualname__.startswith(f"{thing.__name__}.") and found.__doc__:
                    parts.append(f"### `{name}.{method}{signature(found)}`\n\n{sections(found.__doc__)}")
        else:
            parts.append(f"## `{name}`\n\n{type(thing).__name__}: {', '.join(map(str, thing))}")
    return "\n\n".join(parts) + "\n"


def page(name: str) -> str:
    """Return a widget's page."""
    picture, example = WIDGETS[name]
    shown = f"![{name} in JupyterLab]({picture}.png)\n\n" if picture else ""
    code = (
        f"```python\nimport neurolens as nl\nimport neurolens_widgets as nw\n\nstudy = nl.open_study()\n{example}\n```"
    )
    return f"# {name}\n\n{shown}{code}\n\n{sections(getattr(nw, name).__doc__ or '')}\n"


def pages() -> dict[Path, str]:
    """Return the text of every page by its file."""
    widgets = {PAGES / f"{name}.md": page(name) for name in WIDGETS}
    return {REFERENCE: reference(), **widgets}


def take_pictures() -> None:
    """Bring the pictures that the browser tests took to the width of a page."""
    for picture, _ in WIDGETS.values():
        source = SCREENSHOTS / f"{picture}.png"
        if picture and source.exists():
            taken = Image.open(source).convert("RGB")
            if taken.width > WIDTH:
                taken = taken.resize((WIDTH, round(taken.height * WIDTH / taken.width)), Image.Resampling.LANCZOS)
            taken.quantize(192).save(PAGES / f"{picture}.png", optimize=True)


def move() -> None:
    """Write the moving picture: a rabbit's climb, as `AscentStudio` shows it."""
    study = nl.open_study("planted")
    lens, images = study.lens("near_pair"), study.images("near_pair").only("lion")
    start = images.rgb([2])
    frames = []
    for step in nl.Ascent(lens, "logit:rabbit", start, 3e-3, 60):
        if step.index % 2 == 0:
            seen = look(lens, start, step.images, step.logits.softmax(1), "logit:rabbit", step.index)
            said = f"step {step.index}: {prediction(lens.classes, seen.probabilities)}"
            pictures = [
                (rgba(start[0].numpy()), "start", "lion"),
                (seen.image, "now", said),
                (seen.difference, "difference", f"up to {255 * seen.brightest:.0f} grey levels"),
                (seen.evidence, "evidence for rabbit", "Grad-CAM"),
            ]
            frames.append(draw_still(pictures, [], side=168))
    first, *rest = frames
    first.save(PAGES / "ascent.gif", save_all=True, append_images=[*rest, *rest[-1:] * 8], duration=120, loop=0)


def main() -> int:
    """Write or check all pages."""
    if "--check" in sys.argv:
        stale = [file for file, text in pages().items() if not file.exists() or file.read_text() != text]
        for file in stale:
            print(f"{file.relative_to(ROOT)} is stale; cure: python core/reference.py")
        return int(bool(stale))
    PAGES.mkdir(exist_ok=True)
    for file, text in pages().items():
        file.write_text(text)
    take_pictures()
    move()
    return 0


if __name__ == "__main__":
    sys.exit(main())
