"""Fig. 10 and 1f: a prediction tree, pruned, with the image in the middle of each branch and its critical filter."""

import textwrap
from collections.abc import Sequence
from typing import Any

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from neurolens.clustering.prediction_tree import PredictionTree
from neurolens.clustering.tree_path import TreePath
from neurolens.figures.base import Picture, name_row, pixels, show
from neurolens.studies.data import Images

RED, GREY = "#c1121f", "0.75"
THUMBNAIL, ROW = 34, 66  # points
TIPS, ROWS = 14, 40  # that fit
BAR = 0.63  # where siblings part, in rows below their parent: under its label

Place = tuple[float, float]


def tree_figure(
    tree: PredictionTree, images: Images, nodes: Sequence[int] | None = None, path: TreePath | None = None
) -> Picture:
    """Draw Fig. 10: the image in the middle of each branch, below it the branch's critical filter, on top the root.

    The axis is the depth, of which only what is shown has a row; a dashed line passes nodes that are not shown. The
    distance would not do: a node can be closer to its sibling than its own children are to each other.

    Args:
        tree: Of some images.
        images: Those that the tree was grown on.
        nodes: What to show of it, as `tree.shape.pruned` gives it; the ten largest branches where none are given.
        path: Drawn red, as far as it is shown and to its leaf, with a tick at its active filters.

    Raises:
        ValueError: If the images are not the tree's, or `nodes` lack the root or do not fit.
    """
    if max(tree.images) >= len(images):
        raise ValueError(f"`images` (={images}) must be those the tree was grown on: it has image {max(tree.images)}")
    if nodes is None:
        nodes = tree.shape.pruned(branches=min(10, len(tree.images)))
    if path:
        nodes = sorted({*nodes, path.leaf}, reverse=True)
    graph = tree.to_networkx(nodes)
    places, depths = _places(graph, tree.root)
    tips = sum(degree == 0 for _, degree in graph.out_degree)
    if tips > TIPS or len(depths) > ROWS:
        raise ValueError(
            f"`nodes` (={tips} branches, {len(depths)} depths) do not fit: at most {TIPS} and {ROWS}; "
            "tree.shape.pruned(branches=10) always does"
        )
    remark = ""
    if path:
        remark = f"; red: a path to leaf {path.leaf}, image {tree.images[path.leaf]}; ✓ where the filter is active"
    caption = textwrap.fill(f"{tree.caption}; {len(graph)} of {len(tree)} nodes{remark}", 125)
    picture = Picture(8, (ROW * len(depths) + 13 * caption.count("\n") + 30) / 72, caption)
    ax = picture.subplots()
    active = {step.node: step.active for step in path.steps} | {path.leaf: False} if path else {}
    for parent, child in graph.edges:
        passed = graph.nodes[child]["depth"] > graph.nodes[parent]["depth"] + 1
        _draw_edge(ax, places[parent], places[child], "--" if passed else "-", red=child in active)
    for node, at in places.items():
        _draw_node(ax, tree, images, node, at, active.get(node))
    ax.set(xlim=(-0.5, tips - 0.5), ylim=(len(depths) - 0.35, -0.4))
    ax.set_yticks(range(len(depths)), [str(depth) for depth in depths], fontsize=8)
    ax.set_ylabel("depth", fontsize=8)
    ax.set_xticks([])
    ax.spines[:].set_visible(False)
    return picture


def path_filters(tree: PredictionTree, images: Images, path: TreePath, columns: int = 8, rows: int = 5) -> Picture:
    """Draw the boxes of Fig. 1 (f): along a path, the images that its active critical filters like best.

    Args:
        tree: With its vectors.
        images: Those that the tree was grown on.
        path: Of an image; filters that are not active on it are left out.
        columns: How many images of the tree to show for each filter, the largest activation first.
        rows: How many filters at most, from the root down.

    Raises:
        ValueError: If no critical filter of the path is active, or the tree has no vectors.
    """
    steps = [step for step in path.steps if step.critical is not None and step.active][:rows]
    if not steps:
        raise ValueError(f"`path` (={path}) must have an active critical filter")
    shown = f"{len(steps)} of {len(path.active_filters)} active critical filters, from the root down"
    picture = Picture(8, 0.85 * len(steps) + 0.5, textwrap.fill(f"{tree.caption}; {shown}", 125))
    for step, axes in zip(steps, picture.subplots(len(steps), columns, squeeze=False), strict=True):
        outputs = tree.outputs()[:, tree.filters.index(str(step.critical))]
        best = outputs.argsort(kind="stable")[::-1][:columns]
        for ax, leaf in zip(axes, best, strict=False):
            show(ax, images.rgb([tree.images[leaf]])[0], f"{outputs[leaf]:.2f}")
        for ax in axes[len(best) :]:
            ax.set_axis_off()
        name_row(axes[0], f"{step.critical}\n{step.activation:.2f} in the image")
    return picture


def _draw_edge(ax: Axes, parent: Place, child: Place, linestyle: str, red: bool) -> None:
    (x0, y0), (x1, y1) = parent, child
    ax.plot([x0, x0, x1, x1], [y0, y0 + BAR, y0 + BAR, y1], linestyle=linestyle, zorder=2 if red else 1, **_pen(red))


def _draw_node(ax: Axes, tree: PredictionTree, images: Images, node: int, at: Place, active: bool | None) -> None:
    """Draw a node; `active` is None off the path."""
    red = active is not None
    found = tree[node]
    if found.medoid is None:
        box = {"boxstyle": "round", "facecolor": "white", "edgecolor": _pen(red)["color"]}
        ax.annotate("ROOT", at, ha="center", va="center", fontsize=8, bbox=box)
        return
    image = pixels(images.rgb([tree.images[found.medoid]])[0])
    thumbnail = OffsetImage(image, zoom=THUMBNAIL / image.shape[0], interpolation="nearest")
    frame = {"edgecolor": _pen(red)["color"], "linewidth": _pen(red)["linewidth"]}
    ax.add_artist(AnnotationBbox(thumbnail, at, pad=0.1, bboxprops=frame, zorder=3))
    tick = " ✓" if active else ""
    text = f"{found.critical}{tick}\n{found.size} images" if found.critical else f"image {tree.images[node]}"
    below, box = (0, -THUMBNAIL / 2 - 3), {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    label = ax.annotate(text, at, below, textcoords="offset points", ha="center", va="top", fontsize=6, bbox=box)
    label.set(zorder=4, color=RED if red else "black")


def _pen(red: bool) -> dict[str, Any]:
    return {"color": RED, "linewidth": 2} if red else {"color": GREY, "linewidth": 1}


def _places(graph: nx.DiGraph, root: int) -> tuple[dict[int, Place], list[int]]:
    """Return where each node stands, tips side by side and parents amid their children; and the depth of each row."""
    depths = sorted({depth for _, depth in graph.nodes(data="depth")})
    across: dict[int, float] = {}
    tips = 0
    for node in nx.dfs_postorder_nodes(graph, root):
        below = [across[child] for child in graph.successors(node)]
        across[node] = sum(below) / len(below) if below else tips
        tips += not below
    return {node: (x, depths.index(graph.nodes[node]["depth"])) for node, x in across.items()}, depths
