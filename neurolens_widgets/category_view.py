"""What `CategoryMap` looks like: a spanning tree, a dendrogram, a table of distances, and nothing that computes."""

from collections.abc import Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import bqplot
import ipywidgets as widgets
import neurolens as nl
import numpy as np
import traitlets
from neurolens.figures import tree_layout

from neurolens_widgets.canvas import Pixels, Tiles, enlargement, paint
from neurolens_widgets.parts import Choices, Head, box
from neurolens_widgets.readouts import (
    FLIP_COLOUR,
    NOW_COLOUR,
    START_COLOUR,
    ErrorBox,
    bare_figure,
    notices,
    round_ticks,
    style_sheet,
    text,
)
from neurolens_widgets.verdicts import Verdicts

if TYPE_CHECKING:
    from neurolens_widgets.category_map import CategoryMap

MISTAKES, NEAREST = 8, 3
BOX = {"height": 22, "rx": 7, "ry": 7, "r": 0.1}  # a node of the spanning tree, in CSS pixels
LETTER = 7  # the width of a letter in it
ACROSS, UP = {"min": -1.0, "max": 1.0}, {"min": -0.84, "max": 0.84}  # places; bqplot leaves a border for names


class CategoryView:
    """The parts of a `CategoryMap` in reading order, wired to its traits."""

    def __init__(self, shown: "CategoryMap"):
        self.map = shown
        notice = shown.study.notice
        self.head, self.errors = Head("Category map", shown.stop), ErrorBox()
        self._networks = Choices({n: n for n in shown.networks}, lambda n: setattr(shown, "network", n), "nl-networks")
        self._layers = Choices({}, lambda n: setattr(shown, "layer", n), "nl-layers")
        noise = widgets.Checkbox(description="noise as a category", indent=False, layout=widgets.Layout(width="auto"))
        traitlets.link((shown, "noise"), (noise, "value"))
        self.verdicts = Verdicts(shown.show_failure)
        controls = [self._networks, self._layers, noise.add_class("nl-noise")]
        self.parts = [
            style_sheet(),
            self.head,
            *notices(notice),
            box(controls, "nl-settings", "nl-tabs", row=True),
            self.errors,
            self._trees(),
            self.verdicts,
            self._merges(),
            self._picked(),
        ]
        self.show_map()

    def _trees(self) -> widgets.Widget:
        across, up = bqplot.LinearScale(**ACROSS), bqplot.LinearScale(**UP)
        self._plane = {"x": across, "y": up}
        self._halos = bqplot.Scatter(x=[], y=[], scales=self._plane, default_size=1600, stroke_width=0)
        self._numbers = bqplot.Label(x=[], y=[], text=[], scales=self._plane, default_size=10, align="middle")
        self.tree = bare_figure([self._halos], [], height="380px", left=12).add_class("nl-mst")
        self._depth, self._place = bqplot.LinearScale(min=0), bqplot.LinearScale()
        scales = {"x": self._depth, "y": self._place}
        self._brackets = bqplot.Lines(x=[0], y=[0], scales=scales, stroke_width=2)
        self._distance_axis = bqplot.Axis(scale=self._depth, grid_lines="none", tick_format="~g")
        self._name_axis = bqplot.Axis(scale=self._place, side="left", grid_lines="none")
        axes = [self._distance_axis, self._name_axis]
        self._tree_words, self._hierarchy_words = text("", "nl-words"), text("", "nl-words")
        self.dendrogram = bare_figure([self._brackets], axes, height="380px", left=88).add_class("nl-dendrogram")
        heads = [
            text("<h4>Minimum spanning tree <span>click a category</span></h4>"),
            text("<h4>Hierarchy <span>½(1 − cos) at each merge</span></h4>"),
        ]
        left = box([heads[0], self._tree_words, self.tree], "nl-panel")
        right = box([heads[1], self._hierarchy_words, self.dendrogram], "nl-panel")
        for side in (left, right):
            side.layout.flex = "1 1 360px"
        return box([left, right], "nl-wrap", "nl-stage", row=True)

    def _merges(self) -> widgets.Widget:
        self._slider = widgets.IntSlider(description="Merges", layout=widgets.Layout(width="auto", flex="1 1 300px"))
        self._slider.add_class("nl-slider")
        play = widgets.Play(interval=1500, show_repeat=False)
        widgets.jslink((play, "value"), (self._slider, "value"))
        self._slider.observe(lambda change: setattr(self.map, "step", change["new"]), "value")
        self._play, self._sentence, self._table = play, text("", "nl-status"), text("", "nl-distances")
        return box(
            [box([play, self._slider], "nl-row", row=True), self._sentence, self._table], "nl-panel", "nl-merges"
        )

    def _picked(self) -> widgets.Widget:
        size = self.map.lens.size
        self._mean = Pixels(*size, enlargement(max(size), 128)).add_class("nl-mean")
        self._mistakes = Tiles(size, None, columns=MISTAKES).add_class("nl-mistakes")
        self._captions = [text("", "nl-caption"), text("", "nl-caption")]
        self._choices = Choices({}, lambda name: setattr(self.map, "category", name), "nl-names")
        pictures = zip((self._mean, self._mistakes), self._captions, strict=True)
        pair = (box([canvas, words], "nl-figure") for canvas, words in pictures)
        names = box([self._choices], "nl-tabs")
        return box([names, box([*pair], "nl-wrap", "nl-picked", row=True)], "nl-stage")

    def show_map(self) -> None:
        """Draw the trees of the network and layer shown."""
        shown, names = self.map, self.map.categories.names
        self._choices.offer({name: name for name in names})
        self._layers.offer({name: name for name in shown.lens.stages})
        self._draw_tree()
        self._draw_dendrogram()
        merges = len(shown.hierarchy.merges)
        self._play.max = self._slider.max = merges
        if shown.step > merges:
            shown.step = merges
        self.show_head()
        self.show_step()
        self.show_category()
        self.map.show_error()
        if len(names) > 2:
            costly = partial(shown.resampled, *shown.place)
            self.verdicts.follow(shown.place, partial(nl.trust_hierarchy, shown.categories), [costly])
        else:  # two can be joined in one way only
            self.verdicts.leave()

    def _draw_tree(self) -> None:
        tree, names = self.map.categories.spanning_tree(), self.map.categories.names
        places = tree_layout(tree)
        self._at = np.array([places[name] for name in names])
        index = {name: i for i, name in enumerate(names)}
        edges = [(index[a], index[b], float(weight)) for a, b, weight in tree.edges.data("weight")]
        graph = bqplot.Graph(  # a new one: it does not draw other nodes or links
            node_data=[{"label": name, "shape": "rect", "shape_attrs": _box(name)} for name in names],
            link_data=[{"source": a, "target": b, "value": weight} for a, b, weight in edges],
            x=self._at[:, 0],
            y=self._at[:, 1],
            scales=self._plane,
            colors=["#ffffff"] * len(names),
            directed=False,
            link_type="line",
            highlight_links=False,  # it makes the others all but invisible
            selected_style={"stroke": FLIP_COLOUR, "stroke-width": "4"},
            hovered_style={"stroke": NOW_COLOUR, "stroke-width": "3"},  # strokes only: a fill would grey all nodes
        )
        graph.on_element_click(lambda _, event: setattr(self.map, "category", event["data"]["label"]))
        digits = 2 if max((weight for *_, weight in edges), default=0) >= 0.1 else 3
        with self._numbers.hold_sync():
            middles = [(self._at[a] + self._at[b]) / 2 for a, b, _ in edges]
            self._numbers.x, self._numbers.y = np.array(middles).reshape(-1, 2).T
            self._numbers.text = np.array([f"{weight:.{digits}f}" for *_, weight in edges])
        joined = ", ".join(f"{names[a]}–{names[b]} {weight:.{digits}f}" for a, b, weight in edges)
        self._tree_words.value = f"Minimum spanning tree: {escape(joined)}"
        old = self.tree.marks
        self.tree.marks = [self._halos, graph, self._numbers]
        for mark in old:
            if isinstance(mark, bqplot.Graph):
                mark.close()
        self._graph = graph

    def _draw_dendrogram(self) -> None:
        hierarchy = self.map.hierarchy
        lines, names = hierarchy.brackets, hierarchy.members[-1]
        with self._brackets.hold_sync(), self._place.hold_sync(), self._name_axis.hold_sync():
            self._brackets.x, self._brackets.y = lines[:, :, 1], lines[:, :, 0]
            self._place.min, self._place.max = -0.6, len(names) - 0.4
            self._depth.max = 1.05 * float(hierarchy.merges[-1, 2] or 1)
            self._distance_axis.tick_values = round_ticks(0, self._depth.max, 5)
            self._name_axis.tick_values = np.arange(len(names))
            self._name_axis.tick_labels = {str(i): name for i, name in enumerate(names)}

    def show_head(self) -> None:
        """Say what is shown, or that something else is being measured."""
        shown = self.map
        about = shown.left + ", ".join(shown.categories.about.values())
        self.head.show(about, f"measuring {shown.layer}" if shown.measuring else "")
        self._networks.mark(shown.network)
        self._layers.mark(shown.layer)

    def show_step(self) -> None:
        """Draw the merges made, the next pair, and the distances it is chosen by."""
        shown, made = self.map, self.map.step
        merges = len(shown.hierarchy.merges)
        self._slider.value = made
        self._brackets.colors = [
            NOW_COLOUR if i < made else FLIP_COLOUR if i == made else f"{START_COLOUR}55" for i in range(merges)
        ]
        steps = list(shown.hierarchy.steps())
        groups: tuple[Sequence[str], ...] = ((), ())
        if made < merges:
            step = steps[made]
            groups = tuple(shown.members(node) for node in step.pair)
            a, b = (escape(" + ".join(group)) for group in groups)
            self._sentence.value = (
                f"<p>Merge {made + 1} of {merges}: <b>{a}</b> and <b>{b}</b> are the closest, at {step.distance:.3f}. "
                "To every other the pair will be as far as the two on average.</p>"
            )
        else:
            left, right = (escape(", ".join(branch)) for branch in shown.hierarchy.branches)
            self._sentence.value = f"<p>All {merges} merges made. The last joined <b>{left}</b> and <b>{right}</b>.</p>"
        self._hierarchy_words.value = f"Hierarchy. {self._sentence.value}"
        marked = [i for i, name in enumerate(shown.categories.names) for group in groups if name in group]
        with self._halos.hold_sync():
            self._halos.x, self._halos.y = self._at[marked].T
            self._halos.colors = [f"{FLIP_COLOUR}"]
            self._halos.opacities = [0.45] * len(marked)
        self._table.value = self._distances(steps[min(made, merges - 1)], steps[made - 1] if made else None)

    def _distances(self, step: nl.MergeStep, before: nl.MergeStep | None) -> str:
        """Return the distances that the step chooses from; those that the step before has changed are framed."""
        names = ["+".join(self.map.members(node)) for node in step.active]
        fresh = set(step.active) - set(before.active if before else step.active)
        largest = float(step.distances.max()) or 1.0
        head = "".join(f"<th><span>{escape(name)}</span></th>" for name in names)
        rows = []
        for i, (node, name) in enumerate(zip(step.active, names, strict=True)):
            cells = []
            for j, other in enumerate(step.active):
                if i == j:
                    cells.append("<td></td>")
                    continue
                value = float(step.distances[i, j])
                css = "nl-chosen" if {node, other} == {*step.pair} else "nl-fresh" if fresh & {node, other} else ""
                shade = f"background:rgba(43,131,198,{0.6 * (1 - value / largest):.2f})"
                cells.append(f'<td class="{css}" style="{shade}">{value:.2f}</td>')
            rows.append(f"<tr><th>{escape(name)}</th>{''.join(cells)}</tr>")
        rows += ['<tr class="nl-merged"><th></th><td>&nbsp;</td></tr>'] * (len(self.map.categories.names) - len(names))
        return f'<div class="nl-scroll"><table><tr><th></th>{head}</tr>{"".join(rows)}</table></div>'

    def show_category(self) -> None:
        """Show the category picked: its mean image, its neighbours, and what it is mistaken for."""
        shown, names = self.map, self.map.categories.names
        place = names.index(shown.category)
        self._graph.selected = [place]
        self._choices.mark(shown.category)
        row = shown.categories.distances[place]
        near = [names[i] for i in np.argsort(row, kind="stable") if i != place][:NEAREST]
        neighbours = ", ".join(f"{escape(name)} {row[names.index(name)]:.2f}" for name in near)
        self._mean.pixels = shown.picture(shown.category)
        self._captions[0].value = f"<b>{escape(shown.category)}, mean image</b><span>nearest: {neighbours}</span>"
        mistakes = shown.mistaken(MISTAKES)
        canvases = [self._mean]
        if mistakes:
            canvases.append(self._mistakes.hold([image for image, _ in mistakes]))
        self._mistakes.layout.display = None if mistakes else "none"
        paint(*canvases)
        said = ", ".join(escape(words) for _, words in mistakes) or "none of those shown to it"
        self._captions[1].value = f"<b>Taken for another, the surest first</b><span>{said}</span>"


def _box(name: str) -> dict[str, float]:
    return {**BOX, "width": LETTER * len(name) + 20}
