"""A node of `TreeExplorer` looked at closely: its images, what its critical filter looks for, the merge (§3.2)."""

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from neurolens.clustering.tree_node import Node

from neurolens_widgets.canvas import Pixels, Tiles, enlargement, paint, rgba
from neurolens_widgets.parts import box
from neurolens_widgets.readouts import HistogramChart, text
from neurolens_widgets.tree_images import NONE

if TYPE_CHECKING:
    from neurolens_widgets.tree_explorer import TreeExplorer

MEMBERS = 15  # images of a node that are shown


class NodeView:
    """What is known of the node that is selected.

    Args:
        explorer: Whose node.
        pick: Called with an image that is clicked.
    """

    def __init__(self, explorer: "TreeExplorer", pick: Callable[[int], None]):
        self.explorer = explorer
        size = explorer.lens.size
        self.title, self.facts, self._chart_head = text("", "nl-title"), text("", "nl-facts"), text()
        self.members = Tiles(size, lambda place: pick(self._images[place]), columns=5).add_class("nl-members")
        self.top = Tiles(size, None, columns=3).add_class("nl-nine")
        self.optimum = Pixels(*size, enlargement(max(size), 192)).add_class("nl-optimum")
        self.captions = [text("", "nl-caption") for _ in range(3)]
        self._images: list[int] = []
        self._marked = NONE
        self.chart = HistogramChart()
        canvases = (self.members, self.top, self.optimum)
        pictures = [box([canvas, words], "nl-figure") for canvas, words in zip(canvases, self.captions, strict=True)]
        chart = box([self._chart_head, self.chart.figure], "nl-panel", "nl-panel-chart")
        self._filter_parts, self._optimum_part = [*pictures[1:], chart], pictures[2]
        below = box([chart, box([self.facts], "nl-panel", "nl-panel-bars")], "nl-wrap", row=True)
        self.part = box([self.title, box(pictures, "nl-wrap", row=True), below], "nl-stage", "nl-node")

    def mark(self, image: int) -> None:
        """Put the frame round this image, if it is one of those shown."""
        self._marked = image
        self.members.mark(self._images.index(image) if image in self._images else None)

    def show(self) -> None:
        """Show the node: first its images, then its filter, which may have to be looked up."""
        node = self.explorer.tree[self.explorer.selected]
        self._show_images(node)
        for part in self._filter_parts:
            part.layout.display = None if node.critical else "none"
        self.facts.value = ""
        if node.critical is not None:
            self._show_filter(node.critical)
            self._show_merge(node)

    def _show_images(self, node: Node) -> None:
        explorer = self.explorer
        kind = "the root" if node.parent is None else "a leaf" if node.critical is None else "a merge"
        leaf = node.critical is None and node.parent is not None
        name = explorer.leaf_name(node.id) if leaf else f"Node {node.id}"
        steps = f"{node.depth} step{'' if node.depth == 1 else 's'} from the root"
        self.title.value = f"<h3>{escape(name)}</h3><span>{kind}, {steps}</span>"
        leaves = node.members[:MEMBERS].tolist()
        if node.medoid is not None:
            leaves = [node.medoid, *(one for one in node.members[: MEMBERS + 1].tolist() if one != node.medoid)]
        self._images = [explorer.tree.images[one] for one in leaves[:MEMBERS]]
        more = f", the first {MEMBERS} of them" if node.size > MEMBERS else ""
        middle = "" if node.medoid is None or node.size == 1 else "; the one in their middle comes first"
        count = f"Its {node.size} image{'s' if node.size > 1 else ''}"
        self.captions[0].value = f"<b>{count}</b><span>Click one to trace it{more}{middle}</span>"
        names = [explorer.pictures.name(image) for image in self._images]
        paint(self.members.hold([explorer.pictures.shown(image) for image in self._images], names))
        self.mark(self._marked)

    def _show_filter(self, address: str) -> None:
        found = self.explorer.evidence(address)
        top = f"<b>Critical filter {escape(address)}</b><span>Its top images among {escape(found.source)}</span>"
        self.captions[1].value = top
        canvases, score = [self.top.hold(found.top)], None
        self._optimum_part.layout.display = "none" if found.optimum is None else None
        if found.optimum is not None:
            self.optimum.pixels = rgba(found.optimum.image)
            canvases.append(self.optimum)
            score = found.optimum.score if found.of == address else None
            whose = "Its optimum" if found.of == address else f"The optimum of its channel, {found.of}"
            self.captions[2].value = f"<b>{escape(whose)}</b><span>scores {found.optimum.score:.3g}</span>"
        paint(*canvases)
        self.chart.show(found.edges, found.counts, score)
        self._chart_head.value = f"<h4>Values of {escape(address)} <span>{escape(found.source)}, log scale</span></h4>"

    def _show_merge(self, node: Node) -> None:
        sizes = " and ".join(str(int(self.explorer.tree.shape.sizes[child])) for child in node.children)
        facts = {
            "images in the two it joins": sizes,
            "distance of the two, ½(1 − cos)": f"{node.distance:.3f}",
            "change of their cosine without it": f"{node.effect:+.2g}",
            "its farthest image is at": f"{node.radius:.3f}",
            "filters critical neither here nor below": f"{len(node.reachable)}",
        }
        rows = "".join(f"<span>{escape(key)}</span><b>{escape(value)}</b>" for key, value in facts.items())
        self.facts.value = f'<h4>The merge</h4><div class="nl-about">{rows}</div>'
