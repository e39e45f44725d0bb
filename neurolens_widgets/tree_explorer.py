"""Which filters, in which order, make a lion a lion? A prediction tree to open, and images to send down it: §3.2.

On the screen stands the tree, its root at the left. A node is a picture, the image in the middle of those below it,
and the filter that holds them together; a dashed pill is a run of merges that each took in little. A click on a node
shows its images and what its filter looks for; + or Enter opens it, and a pill. An image picked below goes down the
tree in red, and a second one in blue; a bar for each node on the way says how active the critical filter was, and the
arrow keys go along it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import neurolens as nl
import traitlets
from neurolens.figures.base import Picture
from PIL import Image

from neurolens_widgets.tree_evidence import Evidence, find_evidence
from neurolens_widgets.tree_front import draw_page, where_they_part
from neurolens_widgets.tree_growing import GrowingCard
from neurolens_widgets.tree_images import NONE, Pictures, Thumbnails
from neurolens_widgets.tree_opening import Opening
from neurolens_widgets.tree_places import Place
from neurolens_widgets.tree_view import TreeView

MOST = 300  # images that a tree is grown on
SLOTS = "image", "other"  # traced in red and in blue


class TreeExplorer(GrowingCard):
    """Algorithm 2 to walk through: a category's prediction tree, its critical filters, the paths of images (Fig. 10).

    Whatever can be clicked can be set or called from Python, with the same effect. Another tree grows in the
    background, once; until it is there the old one stays.

    Args:
        study: Whose networks and test images to use; others that are on this machine are in the menu.
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

    tree: nl.PredictionTree
    opening: Opening
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
        super().__init__(study, most)
        self.lens, self.pictures = study.lens(network), Pictures(study.images(network))
        self._paths: dict[str, tuple[int, nl.TreePath]] = {}
        self._traced_among: dict[str, dict[str, int]] = {}  # by the fingerprint of the images
        self._visited: dict[Place, tuple[nl.PredictionTree, Opening, int]] = {}
        self._changing = False
        self.study_name, self.network, self.kind = study.name, network, kind
        self.layer = layer or self.lens.stages[-1]
        self.category = self.lens.classes[0] if category is None else category
        self._keep(*next(self._grow(self._place)))
        self._open(TreeView(self), "nl-explorer")
        self._view.show_tree()
        self.observe(lambda _: self._act(self._view.show_selected), "selected")
        self.observe(lambda _: self._act(self._find_paths, self._view.show_paths), ["image", "other"])
        self.observe(lambda _: self._act(self._find, self._view.show_paths), "search")

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
            self.tree.served(address)
        return address

    @property
    def images(self) -> nl.Images:
        """What the tree's images stand in; all of them can be traced."""
        return self.pictures.images

    @property
    def paths(self) -> list[nl.TreePath]:
        """The paths of `image` and `other`, as far as there are any."""
        return [path for _, path in self._paths.values()]

    @property
    def traced(self) -> list[int]:
        """The images that these are the paths of."""
        return [image for image, _ in self._paths.values()]

    @property
    def slots(self) -> list[int]:
        """The colours of these paths: 0 for red, 1 for blue."""
        return [SLOTS.index(slot) for slot in self._paths]

    @property
    def place(self) -> Place:
        """What the tree shown was grown of."""
        return self._shown

    @property
    def hits(self) -> list[int]:
        """The nodes that the search found; none in a tree without such a filter."""
        try:
            return list(self.tree.served(self.search)) if self.search else []
        except ValueError:  # it was typed for another layer
            return []

    def show(self, tree: nl.PredictionTree) -> None:
        """Show a tree that was grown elsewhere, in place of the one chosen.

        Raises:
            ValueError: If it is of another network or of images that are not here.
        """
        fingerprint = self.lens.fingerprint
        if tree.about.get("network fingerprint", fingerprint) != fingerprint or max(tree.images) >= len(self.images):
            raise ValueError(f"`tree` (={tree!r}) must be of {self.lens.name} and of {self.images}")
        self._settle(self._shown)
        self.places.trees[self._shown] = tree
        self._take()

    def toggle(self, item: int) -> None:
        """Open a node or a fold to its next parting, or close the node; see `Opening.toggle`."""
        with self._commands:
            if self.opening.toggle(item, self.selected):
                above = self.tree.shape.ancestors
                self.opening.nodes |= {path.leaf for path in self.paths if item in above(path.leaf)}
            if item in self.tree.shape.ancestors(self.selected)[:-1]:
                self.selected = item  # what is closed cannot be looked at
            self._view.show_nodes()

    def retrace(self) -> None:
        """Open the traced images' paths again, down to their leaves."""
        self._act(self._find_paths, self._view.show_paths)

    def evidence(self, address: str) -> Evidence:
        """Return what is known of a filter."""
        return find_evidence(self.tree, self.images, self.places.filters(self._shown), address)

    def leaf_name(self, leaf: int) -> str:
        """Return the words for a leaf: class and number of its image, in the tree of one class the number."""
        name = self.pictures.name(self.tree.images[leaf])
        return name if not self.tree.category else name[name.rindex("#") :]

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
        return self._page().image()

    def summary(self) -> str:
        """Return what is shown, in one line."""
        return f"{self.lens.name}, {repr(self.tree).removeprefix('PredictionTree(').removesuffix(')')}"

    def __repr__(self) -> str:
        return f"TreeExplorer({self.summary()})"

    def _page(self) -> Picture:
        _, red = self._paths.get("image", (NONE, None))
        return draw_page(self.tree, self.images, self.opening.shown(self.selected), red)

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
        if self._view is not None:
            self._visited[self._shown] = self.tree, self.opening, self.selected
        self._shown = self._place
        self.tree, study = self.places.trees[self._shown], self.study
        self.lens, images = study.lens(self.network), study.images(self.network)
        self._number_anew(images)
        self.thumbnails = Thumbnails(self.pictures.shown)
        tree, opening, selected = self._visited.get(self._shown, (None, None, 0))
        if opening is not None and tree is self.tree:
            self.opening, self.selected = opening, selected
        else:
            self.opening = Opening(self.tree.shape)
            self.selected = next(item.id for item in self.opening.items() if 0 <= item.id < self.tree.root)
        self.opening.nodes |= {*self.hits}
        self._paths = {}
        self.attempt(self._find_paths)

    def _number_anew(self, images: nl.Images) -> None:
        """Trace from other images: those that were traced among them before, and pictures that were added."""
        before, now = self.images.fingerprint, images.fingerprint
        self.pictures.images = images
        if before != now:
            self._traced_among[before] = {slot: getattr(self, slot) for slot in SLOTS}
            for slot, image in self._traced_among.get(now, dict.fromkeys(SLOTS, NONE)).items():
                setattr(self, slot, min(getattr(self, slot), NONE) if image == NONE else image)

    def _act(self, *works: Callable[[], object]) -> None:
        with self._commands:
            if not self._changing:
                self._fail(None)
                self.attempt(lambda: [work() for work in works])

    def _find_paths(self) -> None:
        wanted = {slot: image for slot in SLOTS if (image := getattr(self, slot)) != NONE}
        known = dict(self._paths.values())
        new = {i: self.tree.path(self.pictures.rgb(i), self.lens) for i in {*wanted.values()} - known.keys()}
        self._paths = {slot: (image, (known | new)[image]) for slot, image in wanted.items()}
        self.opening.nodes |= {path.leaf for path in self.paths}

    def _find(self) -> None:
        self.opening.nodes |= {*self.hits}
        self.selected = self.hits[0] if self.hits else self.selected
