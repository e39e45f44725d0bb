"""What stands around the tree of `TreeExplorer`: its settings, images to trace, the node looked at."""

import io
import json
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np
from PIL import Image

from neurolens_widgets.canvas import Pixels, Tiles, enlargement, paint, rgba
from neurolens_widgets.parts import Choices, box, button, field
from neurolens_widgets.readouts import HistogramChart, error_box, style_sheet, text
from neurolens_widgets.tree_front import TreeFront, describe, describe_path

if TYPE_CHECKING:
    from neurolens_widgets.tree_explorer import TreeExplorer

STRIP, MEMBERS = 12, 15  # images in the strip, and of a node
EVERY = "all classes"
HELP = (
    "From left to right a category's images fall apart, pair by pair in the reverse order of their merging; the larger "
    "part goes straight on. Below a picture stand the filter that holds its images together, and how many they are. "
    "<b>Click</b> a picture to look at it, <b>+</b> or a dashed pill to open it; drag to move, Ctrl and wheel to zoom."
)


class TreeView:
    """The parts of a `TreeExplorer` in reading order, wired to its traits and methods."""

    def __init__(self, explorer: "TreeExplorer"):
        self.explorer = explorer
        notice = explorer.study.notice
        self._head, self._errors, self._message = text("", "nl-head"), text("", "nl-errors"), text("", "nl-message")
        self.front = TreeFront()
        self.front.on_msg(lambda _, content, __: self._hear(content))
        self.front.observe(lambda change: setattr(explorer, "selected", change["new"]), "selected")
        self._setting = False
        self._shown: tuple[Any, ...] = ()
        self.parts = [
            style_sheet(),
            self._head,
            *([text(f"<p>{escape(notice)}</p>", "nl-notice")] if notice else []),
            self._settings(),
            self._errors,
            text(f"<p>{HELP}</p>", "nl-help"),
            self.front,
            self._message,
            self._images(),
            self._node(),
        ]

    def _settings(self) -> widgets.Widget:
        names = ("network", "category", "layer", "kind")
        self._controls = {name: widgets.Dropdown() for name in names}
        labels = ("Network", "Category", "Layer", "Filters")
        fields = [field(label, self._controls[name], f"nl-{name}") for name, label in zip(names, labels, strict=True)]
        for name, control in self._controls.items():
            control.observe(lambda change, name=name: self._set(name, change["new"]), "value")
        self._search = widgets.Text(placeholder="such as layer4.C12", continuous_update=False)
        self._search.observe(lambda change: self._set("search", change["new"]), "value")
        fields.append(field("Where is a filter critical?", self._search, "nl-search"))
        return box([box(fields, "nl-fields", row=True)], "nl-settings")

    def _images(self) -> widgets.Widget:
        size = self.explorer.lens.size
        colours = {"image": "Trace in red", "other": "Compare, in blue"}
        self._slots = Choices(colours, self._turn, "nl-slots")
        self._slots.mark("image")
        self._slot, self._first, self._strip_of = "image", 0, [0]
        self._classes = widgets.Dropdown()
        self._classes.observe(lambda _: self._fill(0), "value")
        self._upload = widgets.FileUpload(accept="image/*", description="Your picture").add_class("nl-upload")
        self._upload.observe(lambda change: self._take_file(change["new"]), "value")
        self.strip = Tiles(size, lambda place: self._pick(self._strip_of[place]), columns=STRIP).add_class("nl-strip")
        self._note = text("", "nl-caption")
        controls = [
            self._slots.add_class("nl-tabs"),
            field("Images of", self._classes, "nl-classes"),
            button("", "chevron-left", "The images before", lambda: self._fill(self._first - STRIP), "nl-back"),
            button("", "chevron-right", "The next images", lambda: self._fill(self._first + STRIP), "nl-next"),
            self._upload,
            button("Clear", "times", "Take both paths away", self._clear, "nl-clear"),
        ]
        head = text("<h4>Send an image down the tree <span>from any class, or your own</span></h4>", "nl-panel")
        return box([head, box(controls, "nl-row", row=True), self.strip, self._note], "nl-figure", "nl-pick")

    def _node(self) -> widgets.Widget:
        size = self.explorer.lens.size
        self._title, self._facts, self._chart_head = text("", "nl-title"), text("", "nl-facts"), text()
        self.members = Tiles(size, lambda place: self._pick(self._members_of[place]), columns=5)
        self.members.add_class("nl-members")
        self.top = Tiles(size, None, columns=3).add_class("nl-nine")
        self.optimum = Pixels(*size, enlargement(max(size), 192)).add_class("nl-optimum")
        self._captions = [text("", "nl-caption") for _ in range(3)]
        self._members_of: list[int] = []
        self.chart = HistogramChart()
        canvases = (self.members, self.top, self.optimum)
        pictures = [box([canvas, words], "nl-figure") for canvas, words in zip(canvases, self._captions, strict=True)]
        chart = box([self._chart_head, self.chart.figure], "nl-panel", "nl-panel-chart")
        self._filter_parts, self._optimum_part = [*pictures[1:], chart], pictures[2]
        below = box([chart, box([self._facts], "nl-panel", "nl-panel-bars")], "nl-wrap", row=True)
        return box([self._title, box(pictures, "nl-wrap", row=True), below], "nl-stage", "nl-node")

    def show_tree(self) -> None:
        """Show another tree, and all that belongs to it."""
        explorer, classes = self.explorer, self.explorer.images.classes
        self._setting = True
        options: dict[str, Any] = {
            "network": explorer.networks,
            "category": [*((name, name) for name in classes), (EVERY, "")],
            "layer": explorer.lens.stages,
            "kind": ("neurons", "channels"),
        }
        for name, control in self._controls.items():
            control.options = options[name]
        self._classes.options = classes
        self._setting = False
        if explorer.category:
            self._classes.value = explorer.category
        self._fill(0)
        self.show_head()
        self.show_selected()
        self.show_paths()
        self.show_error()

    def show_head(self) -> None:
        """Say what is shown, or that another tree is growing."""
        explorer = self.explorer
        pill = '<b class="nl-pill nl-is-running">growing …</b>' if explorer.growing else ""
        self._head.value = f"<h3>Prediction tree</h3><span>{escape(explorer.summary())}</span>{pill}"
        self._setting = True
        for name, control in self._controls.items():
            known = [one[1] if isinstance(one, tuple) else one for one in control.options]
            value = getattr(explorer, name)
            control.value = value if value in known else None
        self._setting = False

    def show_nodes(self) -> None:
        """Draw what is open of the tree."""
        explorer, tree, thumbnails = self.explorer, self.explorer.tree, self.explorer.thumbnails
        items = explorer.opening.items(explorer.selected)
        if (thumbnails, items) != self._shown:  # else it is but another node that is looked at
            self._nodes = [describe(tree, item, thumbnails, self._leaf) for item in items]
            self._shown = thumbnails, items
        paths = [
            describe_path(path, self._outcome(image), thumbnails.place(image), self._leaf)
            for image, path in zip(explorer.traced, explorer.paths, strict=True)
        ]
        self.front.show(
            thumbnails,
            nodes=self._nodes,
            paths=paths,
            hits=explorer.hits,
            selected=explorer.selected,
            label=f"Prediction tree of {explorer.summary()}",
            file=f"tree-{explorer.network}-{tree.category or 'all'}-{tree.filters.layer}",
        )

    def show_selected(self) -> None:
        """Show the node looked at: its images, its critical filter."""
        self.show_nodes()
        explorer, node = self.explorer, self.explorer.tree[self.explorer.selected]
        leaves = [leaf for leaf in node.members.tolist() if leaf != node.medoid]
        leaves = ([] if node.medoid is None else [node.medoid]) + leaves
        self._members_of = [explorer.tree.images[leaf] for leaf in leaves[:MEMBERS]]
        canvases = [self.members.hold([explorer.pictures.shown(image) for image in self._members_of])]
        more = f", the first {MEMBERS} of them" if node.size > MEMBERS else ""
        middle = "" if node.medoid is None or node.size == 1 else "; the one in their middle comes first"
        title = f"Its {node.size} image{'s' if node.size > 1 else ''}"
        self._captions[0].value = f"<b>{title}</b><span>Click one to trace it{more}{middle}</span>"
        kind = "the root" if node.parent is None else "a leaf" if node.critical is None else "a merge"
        name = self._leaf(node.id) if node.critical is None and node.parent is not None else f"Node {node.id}"
        self._title.value = f"<h3>{escape(name)}</h3><span>{kind}, {node.depth} steps from the root</span>"
        for part in self._filter_parts:
            part.layout.display = None if node.critical else "none"
        self._facts.value = ""
        if node.critical is not None:
            canvases += self._show_filter(node.critical)
            sizes = " and ".join(str(int(explorer.tree.shape.sizes[child])) for child in node.children)
            facts = {
                "images in the two it joins": sizes,
                "distance of the two, ½(1 − cos)": f"{node.distance:.3f}",
                "change of their cosine without it": f"{node.effect:+.2g}",
                "its farthest image is at": f"{node.radius:.3f}",
                "filters critical neither here nor below": f"{len(node.reachable)}",
            }
            rows = "".join(f"<span>{escape(key)}</span><b>{escape(value)}</b>" for key, value in facts.items())
            self._facts.value = f'<h4>The merge</h4><div class="nl-about">{rows}</div>'
        paint(*canvases)

    def _show_filter(self, address: str) -> list[Pixels]:
        """Show what a filter looks for; the canvases are still to be painted."""
        found = self.explorer.evidence(address)
        self._captions[
            1
        ].value = f"<b>Critical filter {escape(address)}</b><span>Its top images among {escape(found.source)}</span>"
        score = None
        self._optimum_part.layout.display = "none" if found.optimum is None else None
        canvases = [self.top.hold(found.top)]
        if found.optimum is not None:
            self.optimum.pixels = rgba(found.optimum.image)
            canvases.append(self.optimum)
            score = found.optimum.score if found.of == address else None
            whose = "Its optimum" if found.of == address else f"The optimum of its channel, {found.of}"
            self._captions[2].value = f"<b>{escape(whose)}</b><span>scores {found.optimum.score:.3g}</span>"
        self.chart.show(found.edges, found.counts, score)
        self._chart_head.value = f"<h4>Values of {escape(address)} <span>{escape(found.source)}, log scale</span></h4>"
        return canvases

    def show_paths(self) -> None:
        """Show the paths and where they part, and what the search found."""
        explorer = self.explorer
        self._search.value = explorer.search
        self.show_nodes()
        comparison = explorer.comparison()
        found = ""
        if explorer.search:
            nodes = ", ".join(map(str, explorer.hits[:8])) + (", …" if len(explorer.hits) > 8 else "")
            where = f"at {len(explorer.hits)} nodes: {nodes}" if explorer.hits else "at no node of this tree"
            found = f"<p><b>{escape(explorer.search)}</b> is critical {where}.</p>"
        self._message.value = found + (f"<p><b>{escape(comparison)}</b></p>" if comparison else "")
        self._message.layout.display = None if self._message.value else "none"
        self._mark()

    def show_error(self) -> None:
        """Show what went wrong, or that nothing did."""
        self._errors.value = error_box(self.explorer.error, self.explorer.traceback)
        self._errors.layout.display = None if self.explorer.error else "none"

    def _set(self, name: str, value: str | None) -> None:
        if not self._setting and value is not None:
            self.explorer.attempt(lambda: setattr(self.explorer, name, value))

    def _hear(self, content: dict[str, Any]) -> None:
        explorer = self.explorer
        if content.get("do") == "toggle":
            explorer.attempt(lambda: explorer.toggle(int(content["item"])))
        elif content.get("do") == "json":
            self.front.send({"file": f"{self.front.file}.json", "text": json.dumps(explorer.tree.as_dict())})

    def _turn(self, slot: str) -> None:
        """Let the next image picked be the red one, or the blue."""
        self._slot = slot
        self._slots.mark(slot)
        self.show_paths()

    def _fill(self, first: int) -> None:
        """Show the images of the class from this one on."""
        explorer = self.explorer
        label = explorer.images.classes.index(self._classes.value)
        members = np.flatnonzero(explorer.images.labels.numpy() == label).tolist()
        self._first = first if 0 <= first < len(members) else 0 if first > 0 else (len(members) - 1) // STRIP * STRIP
        self._strip_of = members[self._first : self._first + STRIP]
        paint(self.strip.hold([explorer.pictures.shown(image) for image in self._strip_of]))
        self._mark()
        grown = "its first are the tree's own leaves" if self._classes.value in ("", explorer.tree.category) else ""
        count = f"{self._first + 1} to {self._first + len(self._strip_of)} of {len(members)}"
        self._note.value = f"<span>{count}{'; ' * bool(grown)}{grown}</span>"

    def _mark(self) -> None:
        """Put the frame round the image that is traced."""
        traced = getattr(self.explorer, self._slot)
        self.strip.mark(self._strip_of.index(traced) if traced in self._strip_of else None)

    def _pick(self, image: int) -> None:
        self.explorer.attempt(lambda: setattr(self.explorer, self._slot, image))

    def _take_file(self, files: tuple[dict[str, Any], ...]) -> None:
        explorer, height_width = self.explorer, "×".join(map(str, self.explorer.lens.size))

        def take() -> None:
            with Image.open(io.BytesIO(bytes(files[-1]["content"]))) as picture:
                size = "×".join(map(str, picture.size[::-1]))
                setattr(explorer, self._slot, explorer.pictures.add(picture))
            said = f"{escape(files[-1]['name'])} was resized from {size} to {height_width} pixels, as the network needs"
            self._note.value = f"<span>{said}</span>"

        if files:
            explorer.attempt(take)
            self._upload.value = ()

    def _clear(self) -> None:
        self.explorer.image = self.explorer.other = -1

    def _leaf(self, leaf: int) -> str:
        name = self.explorer.pictures.name(self.explorer.tree.images[leaf])
        return name if not self.explorer.tree.category else name[name.rindex("#") :]

    def _outcome(self, image: int) -> str:
        """Return where a path leads, in a line."""
        explorer = self.explorer
        path = explorer.paths[explorer.traced.index(image)]
        end = explorer.pictures.name(explorer.tree.images[path.leaf])
        active = f"{len(path.active_filters)} of {len(path.critical_filters)} critical filters active"
        lost = "inside the category's range all the way"
        if path.left_at is not None:
            lost = f"outside its range from node {path.left_at} on, step {path.nodes.index(path.left_at) + 1}"
        return f"{explorer.pictures.name(image)} ends at {end} · {active} · {lost}"
