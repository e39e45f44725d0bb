"""What stands around the tree of `TreeExplorer`: its settings, whether to believe it, images to trace."""

import json
from collections.abc import Callable
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import neurolens as nl
import numpy as np

from neurolens_widgets.canvas import Tiles, paint
from neurolens_widgets.drop import Drop
from neurolens_widgets.parts import Choices, Head, box, button, field
from neurolens_widgets.readouts import ErrorBox, style_sheet, text
from neurolens_widgets.tree_front import TreeFront, describe, describe_path
from neurolens_widgets.tree_growing import PLACE
from neurolens_widgets.tree_node_view import NodeView
from neurolens_widgets.tree_trust import FEWEST, SOON, grow_again, trust_branches
from neurolens_widgets.verdicts import Verdict, Verdicts

if TYPE_CHECKING:
    from neurolens_widgets.tree_explorer import TreeExplorer

STRIP = 12  # images to pick from
EVERY = "all classes"
HELP = (
    "From left to right a category's images fall apart, pair by pair in the reverse order of their merging; the larger "
    "part goes straight on. Below a picture stand the filter that holds its images together, and how many they are. "
    "<b>Click</b> a picture to look at it, <b>+</b> or a dashed pill to open it; drag to move, Ctrl and wheel to zoom; "
    "<b>drop</b> a picture of your own to send it down."
)


class TreeView:
    """The parts of a `TreeExplorer` in reading order, wired to its traits and methods."""

    def __init__(self, explorer: "TreeExplorer"):
        self.explorer = explorer
        self.head = Head("Prediction tree", explorer.stop)
        self.errors, self._message = ErrorBox(), text("", "nl-message")
        self.front = TreeFront()
        self.front.on_msg(lambda _, content, buffers: self._hear(content, buffers))
        self.front.observe(lambda change: setattr(explorer, "selected", change["new"]), "selected")
        self._setting = False
        self._shown: tuple[Any, ...] = ()
        self._notice, self.verdicts = text("", "nl-notice"), Verdicts(explorer.show_failure)
        self.node = NodeView(explorer, self._pick)
        tip = "Grow the tree that could not be grown"
        self._again = button("Try again", "refresh", tip, lambda: explorer.attempt(explorer.try_again), "nl-again")
        self.parts = [
            style_sheet(),
            self.head,
            self._notice,
            self._settings(),
            self.errors,
            self._again,
            text(f"<p>{HELP}</p>", "nl-help"),
            self.front,
            self.verdicts,
            self._message,
            self._images(),
            self.node.part,
        ]

    def _settings(self) -> widgets.Widget:
        self._controls = {name: widgets.Dropdown() for name in PLACE}
        labels = ("Study", "Network", "Category", "Layer", "Filters")
        fields = [
            field(label, self._controls[name], f"nl-{label.lower()}") for name, label in zip(PLACE, labels, strict=True)
        ]
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
        self._filled: tuple[str, ...] = ()  # study, network and category whose images are shown
        self._classes = widgets.Dropdown()
        self._classes.observe(lambda _: self._fill(0), "value")
        upload = Drop(self._take_file, self._refuse, lambda: self._refuse(""), "Your picture")
        self.strip = Tiles(size, lambda place: self._pick(self._strip_of[place]), columns=STRIP).add_class("nl-strip")
        self._note = text("", "nl-caption")
        controls = [
            self._slots.add_class("nl-tabs"),
            field("Images of", self._classes, "nl-classes"),
            button("", "chevron-left", "The images before", lambda: self._fill(self._first - STRIP), "nl-back"),
            button("", "chevron-right", "The next images", lambda: self._fill(self._first + STRIP), "nl-next"),
            upload.add_class("nl-upload"),
            button("Clear", "times", "Take both paths away", self._clear, "nl-clear"),
        ]
        head = text("<h4>Send an image down the tree <span>from any class, or your own</span></h4>", "nl-panel")
        return box([head, box(controls, "nl-row", row=True), self.strip, self._note], "nl-figure", "nl-pick")

    def show_tree(self) -> None:
        """Show another tree, and all that belongs to it."""
        explorer, classes = self.explorer, self.explorer.images.classes
        self._setting = True
        options: dict[str, Any] = {
            "study_name": explorer.places.studies,
            "network": explorer.networks,
            "category": [*((name, name) for name in classes), (EVERY, "")],
            "layer": explorer.lens.stages,
            "kind": ("neurons", "channels"),
        }
        for name, control in self._controls.items():
            control.options = options[name]
        self._setting = False
        if explorer.place[:3] != self._filled:  # another layer has the same images
            self._first, self._filled = 0, explorer.place[:3]
            if self._classes.options != classes:
                self._classes.options = classes
            if explorer.category:
                self._classes.value = explorer.category
        self._fill(self._first)
        self.show_head()
        self.show_selected()
        self.show_paths()
        self.explorer.show_error()
        self._judge()

    def _judge(self) -> None:
        """Say whether to believe the tree, once it is drawn: what is quick at once, the rest on demand."""
        explorer, tree = self.explorer, self.explorer.tree
        size, again = len(tree.images), partial(grow_again, tree)
        branches: Callable[[], Verdict] = partial(trust_branches, tree, explorer.images)
        costly: list[Callable[[], Verdict]] = [branches] if size > SOON else []
        costly += [again] if size >= FEWEST else []
        self.verdicts.follow(tree, branches if size <= SOON else None, costly)

    def show_head(self) -> None:
        """Say what is shown, or that another tree is growing."""
        explorer = self.explorer
        doing = "growing" if explorer.study.name == explorer.study_name else "opening the study"
        self.head.show(explorer.summary(), doing if explorer.growing else "")
        self._again.layout.display = None if explorer.missing else "none"
        self._notice.value = f"<p>{escape(explorer.study.notice)}</p>"
        self._notice.layout.display = None if explorer.study.notice else "none"
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
            self._nodes = [describe(tree, item, thumbnails, explorer.leaf_name) for item in items]
            self._shown = thumbnails, items
        paths = [
            {**describe_path(path, self._outcome(image), thumbnails.place(image), explorer.leaf_name), "slot": slot}
            for image, path, slot in zip(explorer.traced, explorer.paths, explorer.slots, strict=True)
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
        """Show the node looked at: where it is in the tree, then its images, last its critical filter."""
        self.show_nodes()
        self.node.show()

    def show_paths(self) -> None:
        """Show the paths and where they part, and what the search found."""
        explorer = self.explorer
        self._search.value = explorer.search
        self.show_nodes()
        comparison = explorer.comparison()
        found = ""
        if explorer.search:
            nodes = ", ".join(map(str, explorer.hits[:8])) + (", …" if len(explorer.hits) > 8 else "")
            many = "nodes" if len(explorer.hits) > 1 else "node"
            where = f"at {len(explorer.hits)} {many}: {nodes}" if explorer.hits else "at no node of this tree"
            found = f"<p><b>{escape(explorer.search)}</b> is critical {where}.</p>"
        self._message.value = found + (f"<p><b>{escape(comparison)}</b></p>" if comparison else "")
        self._message.layout.display = None if self._message.value else "none"
        self._mark()

    def _set(self, name: str, value: str | None) -> None:
        if not self._setting and value is not None:
            self.explorer.attempt(lambda: setattr(self.explorer, name, value))

    def _hear(self, content: dict[str, Any], buffers: list[memoryview]) -> None:
        explorer = self.explorer
        if content.get("do") == "toggle":
            explorer.attempt(lambda: explorer.toggle(int(content["item"])))
        elif content.get("do") == "json":
            self.front.send({"file": f"{self.front.file}.json", "text": json.dumps(explorer.tree.as_dict())})
        elif content.get("do") == "picture":
            self._take_file(str(content["name"]), *map(bytes, buffers))

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
        names = [explorer.pictures.name(image) for image in self._strip_of]
        paint(self.strip.hold([explorer.pictures.shown(image) for image in self._strip_of], names))
        self._mark()
        grown = "its first are the tree's own leaves" if self._classes.value in ("", explorer.tree.category) else ""
        count = f"{self._first + 1} to {self._first + len(self._strip_of)} of {len(members)}"
        self._note.value = f"<span>{count}{'; ' * bool(grown)}{grown}</span>"

    def _mark(self) -> None:
        """Put the frame round the image that is traced."""
        traced = getattr(self.explorer, self._slot)
        self.strip.mark(self._strip_of.index(traced) if traced in self._strip_of else None)
        self.node.mark(traced)

    def _pick(self, image: int) -> None:
        if image == getattr(self.explorer, self._slot):
            self.explorer.retrace()
        self.explorer.attempt(lambda: setattr(self.explorer, self._slot, image))

    def _refuse(self, reason: str) -> None:
        self.explorer.show_failure(ValueError(reason) if reason else None)

    def _take_file(self, name: str, content: bytes | None = None) -> None:
        """Trace a picture of the reader's own; one that cannot be read, or sent, has no content."""
        self._refuse("" if content else f"{name} must be a picture that can be read, of 8 MB at most; shrink it")
        if content:
            self.explorer.attempt(lambda: self._trace(name, content))

    def _trace(self, name: str, content: bytes) -> None:
        explorer = self.explorer
        picture = nl.read_picture(content, explorer.lens.size, name)
        setattr(explorer, self._slot, explorer.pictures.add(picture))
        needed = "×".join(map(str, explorer.lens.size))
        said = f"{escape(name)} was brought to {needed} pixels, as the network needs"
        self._note.value = f"<span>{said}</span>"

    def _clear(self) -> None:
        self.explorer.image = self.explorer.other = -1

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
