"""The tree in the browser: what is shown travels as plain dictionaries, the thumbnails as one PNG (§3.2, Fig. 10)."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import neurolens as nl
import traitlets
from neurolens.figures import tree_figure
from neurolens.figures.base import Picture

from neurolens_widgets.tree_images import COLUMNS, SIDE, Thumbnails
from neurolens_widgets.tree_opening import Item

STATIC = Path(__file__).parent / "static"
MODULE = "tree_drawing.js", "tree_camera.js", "tree.js"  # one to the browser, which has nowhere to import from


class TreeFront(anywidget.AnyWidget):
    """The drawing of a tree, with its keys; it sends `toggle` with an item's id, and `json`.

    Attributes:
        nodes: What is shown, from the root down; see `describe`.
        atlas: The PNG of the thumbnails.
        paths: Of traced images, at most two; see `describe_path`. `slot` is 0 for red, 1 for blue.
        selected: The node chosen.
        hits: Nodes marked by a search.
        label: What the tree is, for a screen reader; another label is another tree.
        file: Name of saved files, without an ending.
    """

    _esm = "".join((STATIC / name).read_text("utf-8") for name in MODULE)
    _css = STATIC / "tree.css"
    nodes: Any = traitlets.List().tag(sync=True)
    atlas = traitlets.Bytes().tag(sync=True)
    side = traitlets.Int(SIDE).tag(sync=True)
    columns = traitlets.Int(COLUMNS).tag(sync=True)
    paths: Any = traitlets.List().tag(sync=True)
    selected = traitlets.Int().tag(sync=True)
    hits: Any = traitlets.List().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    file = traitlets.Unicode().tag(sync=True)

    def show(self, thumbnails: Thumbnails, **state: Any) -> None:
        """Show this, in one message; thumbnails are sent again only where there are new ones."""
        known = len(thumbnails.places), id(thumbnails)
        with self.hold_sync():
            for name, value in state.items():
                setattr(self, name, value)
            if known != getattr(self, "_known", None):
                self.side, self.atlas, self._known = thumbnails.side, thumbnails.png(), known


def describe(tree: nl.PredictionTree, item: Item, thumbnails: Thumbnails, name: Callable[[int], str]) -> dict[str, Any]:
    """Return what the browser has to know of an item; `name` gives the words for a leaf."""
    about: dict[str, Any] = {"id": item.id, "parent": item.parent, "opened": item.opened, "fold": item.passed}
    images = f"{item.images} image{'s' if item.images > 1 else ''}"
    if item.id == -1 - tree.root:
        text = f"{item.passed} further branches under the root, {images}; Enter opens the largest"
        return {**about, "name": f"… {item.passed} more …", "text": text}
    if item.passed:
        merges = f"{item.passed} merge{'s' if item.passed > 1 else ''}"
        return {**about, "name": f"… {merges} …", "text": f"{merges} folded, in which {images} leave; Enter opens them"}
    if item.id == tree.root:
        named = tree.category or "all classes"
        return {**about, "name": named, "count": images, "text": f"Root, {images} of {named}"}
    if item.id < len(tree.images):
        image, words = tree.images[item.id], name(item.id)
        return {**about, "name": words, "leaf": True, "thumb": thumbnails.place(image), "text": f"Leaf: image {words}"}
    merge = tree.merges[item.id - len(tree.images)]
    critical = tree.filters.address(merge.filter)
    return {
        **about,
        "name": critical.removeprefix(f"{tree.filters.layer}."),
        "count": str(item.images),
        "thumb": thumbnails.place(tree.images[merge.medoid]),
        "text": f"Node {item.id}: {images}, held together by {critical}, distance {merge.distance:.3f}",
    }


def describe_path(path: nl.TreePath, words: str, thumb: int, name: Callable[[int], str]) -> dict[str, Any]:
    """Return what the browser has to know of a path: a bar for each node on it, as high as the percentile."""
    steps: list[dict[str, Any]] = []
    count = len(path.nodes)
    for place, step in enumerate(path.steps, start=1):
        said = [f"Step {place} of {count}"]
        if step.critical is None or step.percentile is None:
            said.append("the root")
        else:
            state = "active" if step.active else "not active"
            said.append(f"{step.critical} = {step.activation:.3g}, percentile {step.percentile:.0f}, {state}")
        if not step.inside:
            said.append("farther out than any of the node's own images")
        said.append(f"goes on by a margin of {step.margin:.2g}" if step.margin < 2 else "goes on, as there is one way")
        height = 4 + 0.36 * (step.percentile or 0)
        about = {"active": step.active, "inside": step.inside, "text": " · ".join(said)}
        steps.append({"node": step.node, "height": round(height, 1), **about})
    end = f"Step {count} of {count} · the leaf, image {name(path.leaf)}"
    steps.append({"node": path.leaf, "height": 4, "active": False, "inside": True, "text": end})
    return {"words": words, "thumb": thumb, "steps": steps}


def where_they_part(tree: nl.PredictionTree, paths: Sequence[nl.TreePath], names: Sequence[str]) -> str:
    """Say how far two paths, of images of these names, are one; nothing where there are not two."""
    if len(paths) < 2:
        return ""
    first, second = (path.nodes for path in paths)
    if first == second:
        return f"{names[0]} and {names[1]} take the same path, down to the same leaf."
    shared = next(place for place, pair in enumerate(zip(first, second, strict=False)) if len({*pair}) > 1)
    at = tree[first[shared - 1]]
    held = f"node {at.id}, held together by {at.critical}" if at.critical else "the root"
    nodes = "node" if shared == 1 else f"{shared} nodes"
    return (
        f"The paths share {'the first' if shared == 1 else 'their first'} {nodes} and part at {held}: "
        f"{names[0]} goes to node {first[shared]}, {names[1]} to node {second[shared]}."
    )


def draw_page(tree: nl.PredictionTree, images: nl.Images, nodes: Iterable[int], path: nl.TreePath | None) -> Picture:
    """Draw these nodes of a tree; its largest branches where that is too much for a page."""
    try:
        return tree_figure(tree, images, sorted(nodes, reverse=True), path)
    except ValueError:
        return tree_figure(tree, images, path=path)
