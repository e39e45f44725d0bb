"""Which filters, in which order, make a lion a lion? A prediction tree to open, and images to send down it: §3.2.

On the screen stands the tree, its root at the left. A node is a picture, the image in the middle of those below it,
and the filter that holds them together; a dashed pill is a run of merges that each took in little. A click on a node
shows its images and what its filter looks for; + or Enter opens it, and a pill. An image picked below goes down the
tree in red, and a second one in blue; a bar for each node on the way says how active the critical filter was, and the
arrow keys go along it.
"""

import dataclasses
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import neurolens as nl
import traitlets
from neurolens.figures.base import Picture
from PIL import Image

from neurolens_widgets.card import Card
from neurolens_widgets.filters import Filters
from neurolens_widgets.runner import Runner
from neurolens_widgets.tree_evidence import Evidence, find_evidence, find_nodes, shipped_filters
from neurolens_widgets.tree_front import draw_page, where_they_part
from neurolens_widgets.tree_images import NONE, Pictures, Thumbnails, first_images
from neurolens_widgets.tree_opening import Opening
from neurolens_widgets.tree_view import TreeView

MOST = 300  # images that a tree is grown on
Place = tuple[str, str, str, str]


class TreeExplorer(Card):
    """Algorithm 2 to walk through: a category's prediction tree, its critical filters, the paths of images (Fig. 10).

    Whatever can be clicked can be set or called from Python, with the same effect. Another tree grows in the
    background, once; until it is there the old one stays.

    Args:
        study: Whose networks and test images to use.
        network: With which to begin.
        category: The same; the first class where none is given, "" for all classes together.
        layer: The same; the last stage where none is given.
        kind: Which filters: "neurons" are the paper's, "channels" are fewer.
        most: Images a tree is grown on, at most: the first of the category.

    Attributes:
        tree: What is shown.
        lens: Its network.
        pictures: The images that can be traced.
        opening: Which nodes are open.

    Raises:
        ValueError: If a trait is set to what does not exist.
        FileNotFoundError: If the study has no such network.
    """

    network = traitlets.Unicode(help="One of the study's networks.")
    category = traitlets.Unicode(help="One of the network's classes, or nothing for all.")
    layer = traitlets.Unicode(help="One of the network's stages.")
    kind = traitlets.Enum(("neurons", "channels"), "neurons", help="Which filters the vectors hold.")
    selected = traitlets.Int(help="The node that is looked at.")
    image = traitlets.Int(NONE, help="The image traced in red, by its number in `pictures`; -1 for none.")
    other = traitlets.Int(NONE, help="The one traced in blue.")
    search = traitlets.Unicode(help="Address of a filter, or of a neuron's channel: its nodes are marked and opened.")

    def __init__(
        self,
        study: nl.Study,
        network: str = "all",
        category: str | None = None,
        layer: str = "",
        *,
        kind: str = "neurons",
        most: int = MOST,
    ):
        if most < 2:
            raise ValueError(f"`most` (={most}) must be 2 or more: a tree needs two images")
        study.card(network)  # says how to train it
        super().__init__()
        self.study, self.most = study, most
        self.networks = tuple(study.cards())
        self.lens, self.pictures = study.lens(network), Pictures(study.images(network))
        self._known: dict[str, Filters | None] = {}
        self._trees: dict[Place, nl.PredictionTree] = {}
        self._paths: dict[int, nl.TreePath] = {}
        self._changing = self._growing = False
        self._commands = threading.RLock()  # two clicks may be handled in two threads
        self._runner = Runner(lambda found, final: self._keep(*found) if final else None, self._grown)
        self.network, self.kind = network, kind
        self.layer = layer or self.lens.stages[-1]
        self.category = self.lens.classes[0] if category is None else category
        self._keep(*next(self._grow(self._place)))
        self._open(TreeView(self), "nl-explorer")
        self._view.show_tree()
        self.observe(lambda _: self._look_elsewhere(), ["network", "category", "layer", "kind"])
        self.observe(lambda _: self._act(self._view.show_selected), "selected")
        self.observe(lambda _: self._act(self._find_paths, self._view.show_paths), ["image", "other"])
        self.observe(lambda _: self._act(self._find, self._view.show_paths), "search")
        self.observe(lambda _: self._view.show_error(), "error")

    @traitlets.validate("network", "category", "layer")
    def _valid_name(self, proposal: dict[str, Any]) -> str:
        name, value = proposal["trait"].name, proposal["value"]
        lens = self.study.lens(self.network) if name != "network" else None
        there = self.networks if lens is None else lens.stages if name == "layer" else ("", *lens.classes)
        if value not in there:
            raise ValueError(f"`{name}` (={value!r}) must be one of {', '.join(filter(None, there))}")
        return value

    @traitlets.validate("selected", "image", "other")
    def _valid_number(self, proposal: dict[str, Any]) -> int:
        name, value = proposal["trait"].name, proposal["value"]
        low, high = (
            (0, self.tree.root) if name == "selected" else (NONE - len(self.pictures.added), len(self.images) - 1)
        )
        if not low <= value <= high:
            raise ValueError(f"`{name}` (={value}) must lie from {low} to {high}")
        return value

    @traitlets.validate("search")
    def _valid_address(self, proposal: dict[str, Any]) -> str:
        address = proposal["value"].strip()
        if address:
            address = address if "." in address else f"{self.tree.filters.layer}.{address}"  # C182 is enough
            find_nodes(self.tree, address)
        return address

    @property
    def images(self) -> nl.Images:
        """What the tree's images stand in; all of them can be traced."""
        return self.pictures.images

    @property
    def growing(self) -> bool:
        """Whether another tree is being grown."""
        return self._growing

    @property
    def paths(self) -> list[nl.TreePath]:
        """The paths of `image` and `other`, as far as there are any."""
        return [*self._paths.values()]

    @property
    def traced(self) -> list[int]:
        """The images that these are the paths of."""
        return [*self._paths]

    @property
    def hits(self) -> list[int]:
        """The nodes that the search found."""
        return find_nodes(self.tree, self.search) if self.search else []

    def show(self, tree: nl.PredictionTree) -> None:
        """Show a tree that was grown elsewhere, in place of the one chosen.

        Raises:
            ValueError: If it is of another network or of images that are not here.
        """
        fingerprint = self.lens.fingerprint
        if tree.about.get("network fingerprint", fingerprint) != fingerprint or max(tree.images) >= len(self.images):
            raise ValueError(f"`tree` (={tree!r}) must be of {self.lens.name} and of {self.images}")
        self._keep(self._place, tree)

    def toggle(self, item: int) -> None:
        """Open a node or a fold to its next parting, or close the node; see `Opening.toggle`."""
        with self._commands:
            self.opening.toggle(item, self.selected)
            if item in self.tree.shape.ancestors(self.selected)[:-1]:
                self.selected = item  # what is closed cannot be looked at
            self._view.show_nodes()

    def evidence(self, address: str) -> Evidence:
        """Return what is known of a filter."""
        return find_evidence(self.tree, self.images, self._known[self._shown[0]], address)

    def comparison(self) -> str:
        """Return where the two paths part, in a sentence; nothing where there are not two."""
        return where_they_part(self.tree, self.paths, [self.pictures.name(image) for image in self.traced])

    def save(self, file: str | Path) -> Path:
        """Write the tree as .json, or a picture of it as .png or .svg: what is open, or the largest branches of it.

        Raises:
            ValueError: If the name ends otherwise.
        """
        path = Path(file)
        if path.suffix == ".json":
            self.tree.save(path)
        elif path.suffix in (".png", ".svg"):
            self._page().savefig(path)
        else:
            raise ValueError(f"`file` (={path.name!r}) must end in .json, .png or .svg")
        return path

    def still(self) -> Image.Image:
        """Return what is open of the tree, or its largest branches, as one picture."""
        file = io.BytesIO()
        self._page().savefig(file, format="png")
        return Image.open(file).convert("RGB")

    def summary(self) -> str:
        """Return what is shown, in one line."""
        return f"{self.lens.name}, {repr(self.tree).removeprefix('PredictionTree(').removesuffix(')')}"

    def __repr__(self) -> str:
        return f"TreeExplorer({self.summary()})"

    def _page(self) -> Picture:
        path = self.paths[0] if self.paths else None
        return draw_page(self.tree, self.images, self.opening.shown(self.selected), path)

    @property
    def _place(self) -> Place:
        return self.network, self.category, self.layer, self.kind

    def _grow(self, place: Place) -> Iterator[tuple[Place, nl.PredictionTree]]:
        network, category, layer, kind = self._asked = place
        lens, images = self.study.lens(network), self.study.images(network)
        kept = first_images(images, category, self.most)
        tree = nl.grow_category_tree(lens, images[kept], category or None, layer, kind=kind)  # type: ignore[arg-type]
        if network not in self._known:
            self._known[network] = shipped_filters(self.study, network)
        yield place, dataclasses.replace(tree, images=tuple(kept[leaf] for leaf in tree.images))

    def _keep(self, place: Place, tree: nl.PredictionTree) -> None:
        self._trees[place] = tree
        if place == self._place:
            self._take()

    def _take(self) -> None:
        """Show the tree asked for; what was traced and searched for is again."""
        with self._commands:
            self._changing = True
            try:
                self._change()
            finally:
                self._changing = False
            if self._view is not None:
                self._view.show_tree()

    def _change(self) -> None:
        self._shown = self._place
        self.tree = self._trees[self._shown]
        self.lens, images = self.study.lens(self.network), self.study.images(self.network)
        if images.classes != self.images.classes:  # other numbers
            self.image, self.other = min(self.image, NONE), min(self.other, NONE)
        self.pictures.images = images
        self.opening, self.thumbnails = Opening(self.tree.shape), Thumbnails(self.pictures.shown)
        self.selected = next(item.id for item in self.opening.items() if 0 <= item.id < self.tree.root)
        try:
            self.opening.nodes |= {*self.hits}
        except ValueError:  # of another layer
            self.search = ""
        self._paths = {}
        self.attempt(self._find_paths)

    def _look_elsewhere(self) -> None:
        lens = self.study.lens(self.network)
        if self.layer not in lens.stages:
            self.layer = lens.stages[-1]  # comes here again
        elif self.category not in ("", *lens.classes):
            self.category = lens.classes[0]
        elif self._place in self._trees:
            self._take()
        else:
            with self._commands:
                start, self._growing = not self._growing, True  # where one is growing, this is next
            if start:
                self._fail(None)
                self._runner.start(self._grow(self._place))
        self._view.show_head()

    def _grown(self, error: BaseException | None, exhausted: bool) -> None:
        self._fail(error)
        with self._commands:
            self._growing = self._place not in self._trees and self._place != self._asked
        if self._growing:
            self._runner.start(self._grow(self._place))
        self._view.show_head()

    def _act(self, *works: Callable[[], object]) -> None:
        with self._commands:
            if not self._changing:
                self._fail(None)
                self.attempt(lambda: [work() for work in works])

    def _find_paths(self) -> None:
        wanted = [image for image in (self.image, self.other) if image != NONE]
        self._paths = {image: self.tree.path(self.pictures.rgb(image), self.lens) for image in wanted}
        self.opening.nodes |= {path.leaf for path in self.paths}

    def _find(self) -> None:
        self.opening.nodes |= {*self.hits}
        self.selected = self.hits[0] if self.hits else self.selected
