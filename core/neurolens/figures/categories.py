"""Fig. 8: the categories' minimum spanning tree beside their hierarchy."""

import textwrap
from typing import Any

import networkx as nx
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from neurolens.clustering.agreement import support
from neurolens.clustering.categories import Categories
from neurolens.clustering.hierarchy import Hierarchy, Linkage, centres
from neurolens.figures.base import BLUE, CORAL, Picture

SHORTEST = 0.6  # of the longest edge, so that names have room
LETTERS, PUSHES = 21, 200  # how many letters there are from the middle of the page to its border; tries to part boxes
HEIGHT, NUMBER = 1.8, 3  # of a line of text, and the width of an edge's number, in letters
NUMBERS: dict[str, Any] = {
    "fontsize": 6,
    "color": "0.25",
    "ha": "center",
    "va": "center",
    "bbox": {"fc": "white", "ec": "none", "pad": 0.5},
    "zorder": 2.5,
}


def category_map(categories: Categories, linkage: Linkage = "average") -> Picture:
    """Draw Fig. 8: the minimum spanning tree, its centre in red, beside the dendrogram.

    At every merge but the last stands in which share of the bootstrap replicates it comes back, if there are any.

    Args:
        categories: Two or more.
        linkage: Of the dendrogram.

    Raises:
        ValueError: If there is but one category.
    """
    if len(categories) < 2:
        raise ValueError(f"`categories` (={categories.names}) must be two or more to be drawn as a tree")
    resampled = len(categories.resampled) > 0
    numbers = " At a merge: how many of the resamples have it." if resampled else ""
    caption = f"{categories.caption}; {linkage} linkage. Red: most edges. On an edge: ½(1 - cos).{numbers}"
    picture = Picture(8, max(3.8, 0.35 * len(categories) + 1), textwrap.fill(caption, 120))
    hierarchy = categories.hierarchy(linkage)
    left, right = picture.subplots(1, 2, width_ratios=[1.2, 1])
    _draw_tree(left, categories.spanning_tree())
    _draw_dendrogram(right, hierarchy, support(categories, hierarchy.clades, linkage) if resampled else None)
    return picture


def tree_layout(tree: nx.Graph) -> dict[str, tuple[float, float]]:
    """Return a place in [-1, 1]² for every node, edges as long as their weight, none below 0.6 of the longest.

    Kamada & Kawai's springs between all nodes: edges keep their length, longer ways along the tree may bend (their
    root), so that a chain fills the page. The whole is turned to where the names, which are wide rather than high,
    and the numbers on the edges keep the farthest apart; names that still overlap are pushed apart.
    """
    longest = max((weight for *_, weight in tree.edges.data("weight")), default=0) or 1
    stretched = nx.Graph()
    stretched.add_nodes_from(tree)
    stretched.add_weighted_edges_from((a, b, max(w, SHORTEST * longest)) for a, b, w in tree.edges.data("weight"))
    springs = {
        a: {b: way if way <= longest else (way * longest) ** 0.5 for b, way in ways.items()}
        for a, ways in nx.all_pairs_dijkstra_path_length(stretched)
    }
    found = nx.kamada_kawai_layout(stretched, dist=springs)
    places = np.array([found[name] for name in tree])
    index = {name: i for i, name in enumerate(tree)}
    ends = np.array([(index[a], index[b]) for a, b in tree.edges], int).reshape(-1, 2)
    letters = np.array([len(str(name)) for name in tree] + [NUMBER] * len(ends))
    turned = [_turned(places, angle) for angle in np.linspace(0, np.pi, 90, endpoint=False)]
    best = max(turned, key=lambda at: _room(np.concatenate([at, at[ends].mean(1)]), letters))
    best = _parted(best, letters[: len(best)], {*map(tuple, np.sort(ends))})
    return {name: (float(x), float(y)) for name, (x, y) in zip(tree, best, strict=True)}


def _parted(
    at: Float[np.ndarray, "k 2"], letters: Float[np.ndarray, " k"], joined: set[tuple[int, int]]
) -> Float[np.ndarray, "k 2"]:
    """Push boxes of so many letters apart until none overlaps, and joined ones until a number fits between them."""
    a, b = np.triu_indices(len(at), 1)
    number = np.array([pair in joined for pair in zip(a.tolist(), b.tolist(), strict=True)])[:, None]
    boxes = np.stack([(letters[a] + letters[b]) / 2 + 3, np.full(len(a), 3.5)], 1)  # with what surrounds the names
    need = (boxes + number * [NUMBER + 1, 2]) / LETTERS
    for _ in range(PUSHES):
        gaps = at[b] - at[a]
        over = need - np.abs(gaps)
        hits = (over > 1e-6).all(1)
        if not hits.any():
            break
        pushed = at.copy()
        for pair in np.flatnonzero(hits):
            axis = over[pair].argmin()
            push = over[pair, axis] / 2 * (1 if gaps[pair, axis] >= 0 else -1)
            pushed[a[pair], axis] -= push
            pushed[b[pair], axis] += push
        at = pushed.clip(-1, 1)
    return at


def _turned(places: Float[np.ndarray, "k 2"], angle: float) -> Float[np.ndarray, "k 2"]:
    """Turn the places and spread them over [-1, 1]², lengths in proportion."""
    cos, sin = np.cos(angle), np.sin(angle)
    at = places @ np.array([[cos, sin], [-sin, cos]])
    at = at - (at.max(0) + at.min(0)) / 2
    return at / (np.abs(at).max() or 1)


def _room(at: Float[np.ndarray, "m 2"], letters: Float[np.ndarray, " m"]) -> float:
    """Return the smallest gap between two labels' middles, in sizes of these labels."""
    a, b = np.triu_indices(len(at), 1)
    across, down = np.abs(at[a] - at[b]).T
    return float(np.maximum(across * 2 * HEIGHT / (letters[a] + letters[b] + 2), down).min(initial=np.inf))


def _draw_tree(ax: Axes, tree: nx.Graph) -> None:
    places, red = tree_layout(tree), centres(tree)
    for a, b, weight in tree.edges.data("weight"):
        (x0, y0), (x1, y1) = places[a], places[b]
        ax.plot([x0, x1], [y0, y1], color="0.6", lw=1, zorder=1)
        ax.text((x0 + x1) / 2, (y0 + y1) / 2, f"{weight:.2g}", **NUMBERS)
    for name, (x, y) in places.items():
        box = {"boxstyle": "round,pad=0.25", "fc": "white", "ec": CORAL if name in red else BLUE}
        ax.text(x, y, name, fontsize=8, ha="center", va="center", bbox=box, zorder=3)
    ax.set_aspect("equal")
    ax.margins(0.1)
    ax.set_title("minimum spanning tree", fontsize=9)
    ax.set_axis_off()


def _draw_dendrogram(ax: Axes, hierarchy: Hierarchy, shares: Float[np.ndarray, " k-1"] | None) -> None:
    for index, line in enumerate(hierarchy.brackets):
        ax.plot(line[:, 1], line[:, 0], color=BLUE, lw=1.2)
        if shares is not None and index < len(hierarchy.merges) - 1:
            ax.text(line[1, 1], line[1:3, 0].mean(), f"{shares[index]:.0%}", **NUMBERS)
    names = hierarchy.members[-1]
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set_xlim(left=0)
    ax.tick_params(axis="x", labelsize=7)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("distance of the merge", fontsize=8)
    ax.set_title("hierarchy", fontsize=9)
    ax.spines[["top", "right", "left"]].set_visible(False)
