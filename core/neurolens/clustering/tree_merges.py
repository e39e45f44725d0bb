"""Algorithm 2: merge a category's images pair by pair, and name the filter that holds each pair together (§3.2).

What makes it fast: the cosines of a merged pair with all others follow from those of its two parts, since a mean is
linear; all candidates for its critical filter follow from one product, since a removed filter is one term less.

What makes it the same on every machine and with any number of threads: matrix products go over whole numbers that
are exact in float64 in whatever order they are summed, everything else element by element. Cosines are compared as
cos·|cos|, a quotient without a root, so that what is equal stays equal; then the lowest index goes first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

BITS, CHUNK = 22, 512  # 2·22 bits and 512 = 2⁹ terms: no sum of products exceeds 2⁵³
ROWS = 64  # searched or rounded at once, to bound the memory


@dataclass(frozen=True)
class TreeOptions:
    """What the paper leaves open; the defaults are our reading of it.

    Attributes:
        vector: A supernode's vector is the `"mean"` of its images' vectors, or the `"midpoint"` of its two children's.
        masked: Whether the distance counts each node's own reachable filters only. As printed it does not.
        effect: The critical filter is the one without which the cosine of the pair falls deepest (`"drop"`, as
            printed), or changes most in either direction (`"change"`, as the prose may be read).

    Raises:
        ValueError: If one of them is not among these.
    """

    vector: Literal["mean", "midpoint"] = "mean"
    masked: bool = False
    effect: Literal["drop", "change"] = "drop"

    def __post_init__(self) -> None:
        if self.vector not in ("mean", "midpoint"):
            raise ValueError(f"`vector` (={self.vector!r}) must be 'mean' or 'midpoint'")
        if self.effect not in ("drop", "change"):
            raise ValueError(f"`effect` (={self.effect!r}) must be 'drop' or 'change'")
        if not isinstance(self.masked, bool):
            raise ValueError(f"`masked` (={self.masked!r}) must be True or False")

    def __str__(self) -> str:
        return f"{self.vector} vectors, {'masked' if self.masked else 'unmasked'} distance, effect: {self.effect}"


class Merge(NamedTuple):
    """Two children of the root become one: images are 0 … n - 1, the first merge makes n, the next n + 1.

    Attributes:
        left: The child with the lower number.
        right: The other.
        filter: Index of the critical filter.
        distance: ½(1 - cos) of the two vectors, in [0, 1].
        effect: Masked cosine of the two without the filter, minus that with it.
        medoid: The image whose vector has the largest cosine to the new node's.
        radius: ½(1 - cos) of the new node's vector and that of its farthest image.
    """

    left: int
    right: int
    filter: int
    distance: float
    effect: float
    medoid: int
    radius: float


def merge_closest(vectors: Float[np.ndarray, "n d"], options: TreeOptions | None = None) -> Iterator[Merge]:
    """Return the merges of Algorithm 2, one after the other, until no two nodes share a reachable filter.

    A vector of zeros has cosine 0 to everything. O(n²·(d + n)) operations at worst, (n·d + 2n²)·8 bytes.

    Args:
        vectors: Each image's filter outputs; taken to 22 bits of the image's largest.
        options: What the paper leaves open.

    Raises:
        ValueError: If there are fewer than two vectors, one holds no number, or all are zero.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) < 2 or not vectors.shape[1]:
        raise ValueError(f"`vectors` (={vectors.shape}) must be two or more images, with one or more filters each")
    if not np.isfinite(vectors).all():
        bad = np.flatnonzero(~np.isfinite(vectors).all(1))
        raise ValueError(f"`vectors` (of image {bad[0]} and {len(bad) - 1} more) must be finite numbers of float32")
    if not vectors.any():
        raise ValueError(f"`vectors` (={vectors.shape}) are all zero: the layer is dead for them; take another layer")
    return _merges(vectors, options or TreeOptions())


def _merges(vectors: Float[np.ndarray, "n d"], options: TreeOptions) -> Iterator[Merge]:
    children = _Children(vectors, options)
    while (pair := children.closest()) is not None:
        yield children.merge(*pair)


class _Children:
    """The children of the root. Each has a row; a supernode takes over that of its first child.

    `vectors` are the nodes' own, zero at filters that are not reachable; `dots` are those that the distance takes,
    -inf where two nodes share no filter; `toward` are those of the full vectors with every image's. `best` and `near`
    are each node's largest cos·|cos| to the nodes after it, and the row of that node; where `stale`, that node is gone
    and the number no more than a bound, which is looked into when it comes out on top (as in Müllner 2011, "Modern
    hierarchical, agglomerative clustering algorithms").
    """

    def __init__(self, vectors: Float[np.ndarray, "n d"], options: TreeOptions):
        n, d = vectors.shape
        self.options = options
        self.half = 1.0 if options.vector == "mean" else 0.5  # a sum has the direction of the mean
        self.vectors = _rounded(vectors)
        self.dots = _gram(self.vectors)
        self.toward = self.dots.copy()
        self.squares = self.dots.diagonal().copy()  # |vector|², as the distance takes it
        self.image_squares = self.squares.copy()
        self.weights = np.ones(n)  # of each image in its node's vector
        self.members = [np.array([image]) for image in range(n)]
        self.reachable = np.ones((n, d), dtype=bool)
        self.counts = np.full(n, d)
        self.ids = np.arange(n)  # -1 for a row given up
        self.made = n
        self.best, self.near = np.full(n, -np.inf), np.zeros(n, dtype=int)
        self.stale = np.zeros(n, dtype=bool)
        self._search(np.arange(n))

    def closest(self) -> tuple[int, int] | None:
        """Return the rows of the two nodes with the largest cosine, if any two share a filter."""
        while (top := self.best.max()) > -np.inf:
            rows = np.flatnonzero(self.best == top)
            if not (doubtful := rows[self.stale[rows]]).size:
                first = rows[self.ids[rows].argmin()]
                return int(first), int(self.near[first])
            self._search(doubtful)
        return None

    def merge(self, i: int, j: int) -> Merge:
        """Put a supernode over two nodes into the first one's row."""
        left, right, distance = int(self.ids[i]), int(self.ids[j]), _distance(self.best[i])
        shared = self.reachable[i] & self.reachable[j]
        critical, effect = self._critical_filter(i, j, shared)
        shared[critical] = False
        self.ids[i], self.ids[j] = self.made, -1
        self.made += 1
        self._combine(i, j, shared)
        self._update_nearest(i, j)
        return Merge(left, right, critical, distance, effect, *self._centre(i, j))

    def _critical_filter(self, i: int, j: int, shared: Bool[np.ndarray, " d"]) -> tuple[int, float]:
        u, v = self.vectors[i], self.vectors[j]
        terms = u * v, u * u, v * v
        before = _cosine(_signed_square(*(term.sum() for term in terms)))
        totals = [term.sum() - term for term in terms]
        for f in {int(terms[1].argmax()), int(terms[2].argmax())}:  # what is left may be lost in rounding
            for total, term in zip(totals, terms, strict=True):
                total[f] = term[:f].sum() + term[f + 1 :].sum()
        after = _signed_square(*totals)
        worth = -after if self.options.effect == "drop" else np.abs(_cosine(after) - before)
        critical = int(np.where(shared, worth, -np.inf).argmax())
        return critical, float(_cosine(after[critical]) - before)

    def _combine(self, i: int, j: int, shared: Bool[np.ndarray, " d"]) -> None:
        """Give row i the mean's dot products, vector and filters."""
        vector = self.half * (self.vectors[i] + self.vectors[j])
        row = self.half * (self.dots[i] + self.dots[j])
        square = self.half**2 * (self.squares[i] + self.squares[j] + 2 * self.dots[i, j])
        alive = np.flatnonzero(self.ids >= 0)
        if self.options.masked:
            lost = np.flatnonzero(~shared & (vector != 0))
            row[alive] -= (self.vectors[np.ix_(alive, lost)] * vector[lost]).sum(1)
        vector[~shared] = 0
        if self.options.masked:
            square = (vector * vector).sum()
        self.vectors[i], self.reachable[i], self.counts[i] = vector, shared, shared.sum()
        doubtful = alive[self.counts[alive] + self.counts[i] <= shared.size]  # more in sum than there are: some shared
        row[doubtful[~(self.reachable[doubtful] & shared).any(1)]] = -np.inf
        self.dots[i] = self.dots[:, i] = row
        self.squares[i] = max(square, 0.0)

    def _centre(self, i: int, j: int) -> tuple[int, float]:
        """Return the image nearest to the vector in row i, and the distance of the farthest."""
        self.toward[i] = self.half * (self.toward[i] + self.toward[j])
        images = self.members[i] = np.sort(np.concatenate([self.members[i], self.members[j]]))
        self.weights[images] *= self.half
        along = self.toward[i, images]
        square = max((self.weights[images] * along).sum(), 0.0)
        similar = _signed_square(along, self.image_squares[images], square)
        return int(images[similar.argmax()]), _distance(similar.min())

    def _update_nearest(self, i: int, j: int) -> None:
        """Compare the new node with what was nearest to each; where that is gone, its cosine is but a bound."""
        self.best[[i, j]] = -np.inf
        alive = self.ids >= 0
        alive[i] = False
        similar = _signed_square(self.dots[i], self.squares[i], self.squares)
        closer = alive & (similar > self.best)
        widowed = alive & ~closer & ((self.near == i) | (self.near == j))
        self.best[closer], self.near[closer] = similar[closer], i
        self.stale[closer] = False
        self.stale |= widowed

    def _search(self, rows: Int64[np.ndarray, " m"]) -> None:
        for part in np.split(rows, range(ROWS, len(rows), ROWS)):
            similar = _signed_square(self.dots[part], self.squares[part, None], self.squares)
            similar[self.ids <= self.ids[part, None]] = -np.inf
            best = similar.max(1)
            self.best[part], self.stale[part] = best, False
            self.near[part] = np.where(similar == best[:, None], self.ids, self.made).argmin(1)


def _rounded(vectors: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    """Return each row in whole multiples of its own power of two, of at most `BITS` bits."""
    rounded = np.empty(vectors.shape)
    for first in range(0, len(vectors), ROWS):
        rows = vectors[first : first + ROWS].astype(np.float64)
        exponents = np.frexp(np.abs(rows).max(1, keepdims=True))[1] - BITS
        rounded[first : first + ROWS] = np.ldexp(np.rint(np.ldexp(rows, -exponents)), exponents)
    return rounded


def _gram(rounded: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n n"]:
    """Return all dot products: each chunk's is exact, and the chunks are added in their order."""
    dots = np.zeros((len(rounded), len(rounded)))
    for first in range(0, rounded.shape[1], CHUNK):
        chunk = np.ascontiguousarray(rounded[:, first : first + CHUNK])
        dots += chunk @ chunk.T
    return dots


def _signed_square(dot: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return cos·|cos| from the dot product and the squared lengths; 0 for a vector of zeros."""
    squares = a * b
    return dot * np.abs(dot) / np.where(squares == 0, 1, squares)


def _cosine(signed_square: np.ndarray) -> np.ndarray:
    return np.copysign(np.sqrt(np.abs(signed_square)), signed_square)


def _distance(signed_square: np.ndarray) -> float:
    return float(np.clip((1 - _cosine(signed_square)) / 2, 0, 1))
