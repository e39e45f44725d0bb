"""Room for words in a drawn graph: boxes move apart until no number of an edge lies under one."""

import numpy as np
from jaxtyping import Float64, Int64

NUMBER = (32.0, 14.0)  # width and height of a number on an edge, in CSS pixels
GAP = 3.0  # between two that are not to touch
ROUNDS = 400


def on_edges(
    at: Float64[np.ndarray, "k 2"], sizes: Float64[np.ndarray, "k 2"], edges: Int64[np.ndarray, "e 2"]
) -> Float64[np.ndarray, "e 2"]:
    """Return the middle of what is seen of every edge, between the boxes that it joins, in CSS pixels."""
    a, b = edges.T
    way = at[b] - at[a]
    with np.errstate(divide="ignore"):
        inside = [np.minimum((sizes[end] / 2 / np.abs(way)).min(1), 0.5) for end in (a, b)]  # shares of the way
    return at[a] + way * ((inside[0] + 1 - inside[1]) / 2)[:, None]


def cleared(
    at: Float64[np.ndarray, "k 2"],
    sizes: Float64[np.ndarray, "k 2"],
    edges: Int64[np.ndarray, "e 2"],
    plane: Float64[np.ndarray, " 2"],
) -> Float64[np.ndarray, "k 2"]:
    """Return where the boxes stand clear of each other and of the numbers on the edges, near where they were.

    Args:
        at: Middles of the boxes, in CSS pixels from the middle of the plane.
        sizes: Width and height of each.
        edges: Which are joined.
        plane: Width and height that the boxes have to stay in.
    """
    at, k = at.astype(np.float64).copy(), len(at)
    limits = np.maximum((plane - sizes) / 2, 0)
    owners = np.concatenate([np.repeat(np.arange(k), 2).reshape(-1, 2), edges])  # a number goes with both ends
    all_sizes = np.concatenate([sizes, np.tile(NUMBER, (len(edges), 1))]) + GAP
    one, other = np.triu_indices(len(owners), 1)
    for _ in range(ROUNDS):
        there = np.concatenate([at, on_edges(at, sizes, edges)])
        between = there[other] - there[one]
        deep = (all_sizes[one] + all_sizes[other]) / 2 - np.abs(between)
        touching = np.flatnonzero((deep > 0).all(1))
        if not len(touching):
            break
        for pair in touching:
            axis = int(deep[pair].argmin())
            push = np.zeros(2)
            push[axis] = (0.25 * deep[pair, axis] + 0.1) * (1 if between[pair, axis] >= 0 else -1)
            mine, theirs = owners[one[pair]], owners[other[pair]]
            if other[pair] >= k > one[pair] and one[pair] in theirs:  # a box on a number of its own edge
                theirs = theirs[theirs != one[pair]]
            np.subtract.at(at, mine, push / len(mine))
            np.add.at(at, theirs, push / len(theirs))
        at = np.clip(at, -limits, limits)
    return at
