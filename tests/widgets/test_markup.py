"""Nothing that a data set says is run as markup: every widget on a study whose class names are HTML."""

import warnings

import ipywidgets as widgets
import neurolens as nl
import numpy as np
import pytest
from neurolens.studies.making import make_study
from neurolens.studies.own import OwnStudy
from PIL import Image

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # bqscales' own, raised on import
    import neurolens_widgets as nw

EVIL = "<img src=x onerror=alert(1)>"
NAMES = EVIL, "polar bear", "golden-retriever"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("evil")
    generator = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROLENS_CACHE", str(root / "cache"))
        patch.chdir(root)
        for name, level in zip(NAMES, (40, 120, 200), strict=True):
            (root / "pictures" / name).mkdir(parents=True)
            for i in range(12):
                pixels = generator.normal(level, 30, (32, 32, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / "pictures" / name / f"{i}.png")
        yield make_study(OwnStudy("evil", str(root / "pictures"), 32, 4, 1), progress=False)


def said(widget, seen=None):
    """Every HTML value below a widget."""
    seen = set() if seen is None else seen
    if id(widget) in seen:
        return
    seen.add(id(widget))
    if isinstance(widget, widgets.HTML):
        yield widget.value
    for name, value in widget._trait_values.items():
        if not name.startswith("_"):
            for one in value if isinstance(value, list | tuple) else [value]:
                if isinstance(one, widgets.Widget):
                    yield from said(one, seen)


MAKERS = {
    "AscentStudio": lambda study: nw.AscentStudio(study.lens("all"), study.test, str(nl.logit(EVIL)), steps=2),
    "FilterPicker": lambda study: nw.FilterPicker.of(study, "all"),
    "PredictionTable": lambda study: nw.PredictionTable(study, network="all"),
    "CategoryMap": lambda study: nw.CategoryMap(study),
    "ManifoldMap": lambda study: nw.ManifoldMap(study, method="pca"),
    "TreeExplorer": lambda study: nw.TreeExplorer(study, "all", EVIL),
    "Probe": lambda study: nw.Probe(study),
    "Prediction": lambda study: nw.Prediction("00-markup", f"Which is {EVIL}?", [*NAMES]),
    "BlindVote": lambda study: nw.BlindVote({name: study.test.only(name).rgb() for name in NAMES}, EVIL, [*NAMES]),
}
ACTS = {
    "AscentStudio": lambda shown: shown.run(blocking=True),
    "PredictionTable": lambda shown: shown.pick(EVIL, EVIL),
    "CategoryMap": lambda shown: setattr(shown, "category", EVIL),
    "ManifoldMap": lambda shown: shown.select_class(EVIL),
    "TreeExplorer": lambda shown: setattr(shown, "image", 0),
    "Probe": lambda shown: shown.look(shown.study.test.rgb([0])[0], EVIL, blocking=True),
    "Prediction": lambda shown: shown.reveal(EVIL, EVIL),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_class_names_are_shown_and_not_run(study, name):
    shown = MAKERS[name](study)
    ACTS.get(name, lambda shown: None)(shown)
    shown._repr_mimebundle_()
    pages = [*said(shown)]
    assert pages
    assert not any("<img src=x" in page for page in pages)
    shown.close()
