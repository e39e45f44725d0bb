"""What a network makes of images that belong to none of its classes: unseen categories and noise (§2.5, Table 1)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from neurolens import statistics
from neurolens.lens import OUTPUT, Lens
from neurolens.studies.data import Images
from neurolens.visualization.spectra import frequencies
from neurolens.watching import Bar

FAR = 16  # a value that not even unclipped noise has
Named = Images | Mapping[str, Float[Tensor, "n c h w"]]  # images by what they show


@dataclass(frozen=True)
class PredictionTable:
    """Which classes a network predicts for the images of each category: Table 1 for any network and any images.

    Attributes:
        network: Its name.
        rows: The categories shown, in the order they were given.
        classes: The network's, one for each column.
        shown: The row of every image.
        logits: Of every image.
    """

    network: str
    rows: tuple[str, ...]
    classes: tuple[str, ...]
    shown: Int64[Tensor, " n"]
    logits: Float[Tensor, "n k"]

    @property
    def predicted(self) -> Int64[Tensor, " n"]:
        """The column of every image."""
        return self.logits.argmax(1)

    @property
    def confidence(self) -> Float[Tensor, " n"]:
        """The probability of every image's predicted class."""
        return self.logits.softmax(1).amax(1)

    @property
    def counts(self) -> Int64[Tensor, "r k"]:
        """How many images stand behind each cell."""
        r, k = len(self.rows), len(self.classes)
        return torch.bincount(self.shown * k + self.predicted, minlength=r * k).view(r, k)

    @property
    def shares(self) -> Float[Tensor, "r k"]:
        """Each cell's share of its row's images; NaN in a row without images."""
        return self.counts / self.counts.sum(1, keepdim=True)

    @property
    def evenness(self) -> Float[Tensor, " r"]:
        """Entropy of each row's shares over that of uniform ones, the paper's first guess: 1 if so, 0 for one class."""
        return torch.special.entr(self.shares.double()).sum(1) / math.log(len(self.classes))

    def share(self, row: str, column: str) -> statistics.Estimate:
        """Return the share of a category's images that are taken for a class, with Wilson's interval."""
        return statistics.share(self.predicted[self.of(row)] == _place("column", column, self.classes))

    def favourite(self, row: str) -> str:
        """Return the class that most of a category's images are taken for."""
        return self.classes[int(self.counts[_place("row", row, self.rows)].argmax())]

    @property
    def filled(self) -> tuple[str, ...]:
        """The rows that have images."""
        return tuple(row for row, n in zip(self.rows, self.counts.sum(1), strict=True) if n)

    def of(self, row: str) -> Bool[Tensor, " n"]:
        """Return which images show a category."""
        return self.shown == _place("row", row, self.rows)

    def behind(self, row: str, column: str) -> Int64[Tensor, " m"]:
        """Return the places of the images behind a cell, the surest first, among all that were shown."""
        return self._surest(self.of(row) & (self.predicted == _place("column", column, self.classes)))

    def mistaken(self, row: str) -> Int64[Tensor, " m"]:
        """Return the places of a category's images that are taken for another, the surest first."""
        return self._surest(self.of(row) & (self.predicted != (self.classes.index(row) if row in self.classes else -1)))

    def _surest(self, chosen: Bool[Tensor, " n"]) -> Int64[Tensor, " m"]:
        places = chosen.nonzero()[:, 0]
        return places[self.confidence[places].argsort(descending=True, stable=True)]

    def __repr__(self) -> str:
        said = (f"{row} → {(best := self.favourite(row))} {self.share(row, best).value:.1%}" for row in self.filled)
        return f"PredictionTable({self.network}, {len(self.shown)} images: {', '.join(said)})"


def prediction_table(lens: Lens, *sets: Named, progress: bool = False) -> PredictionTable:
    """Return what a network predicts for the images of each category, be it one of its classes or not (Table 1).

    Args:
        lens: The network.
        sets: `Images`, each class of which makes a row, or batches of RGB in [0, 1] by name, one row each.
        progress: Show a progress bar.

    Raises:
        ValueError: If there are no images or they do not fit, two rows have one name, or a logit is no number.
    """
    return _predict(lens, sets, progress)[0]


@dataclass(frozen=True)
class Noise:
    """x = mean_c + shift + contrast · std_c · z, with mean_c and std_c those of given images (§2.5).

    Attributes:
        shift: Added to the mean, in pixel values of [0, 1].
        contrast: Factor of the standard deviation.
        beta: The power of z falls as 1/f^beta: 0 is white, 2 about that of photographs.
        uniform: Whether z is uniform rather than Gaussian, of variance 1; a `beta` makes it nearly Gaussian again.
        clipped: Whether x is cut to [0, 1] as a stored image is.
        joint: Whether the three channels vary together as in the images, rather than each for itself.
    """

    shift: float = 0.0
    contrast: float = 1.0
    beta: float = 0.0
    uniform: bool = False
    clipped: bool = True
    joint: bool = False

    def draw(self, images: Images, n: int, seed: int = 0) -> Float[Tensor, "n c h w"]:
        """Return `n` noise images of the size and the colours of `images`; one seed serves all kinds alike.

        Raises:
            ValueError: If `n` is below 1.
        """
        if n < 1:
            raise ValueError(f"`n` (={n}) must be 1 or more, the number of noise images to draw")
        draw, generator = (torch.rand if self.uniform else torch.randn), torch.Generator().manual_seed(seed)
        z = draw(n, 3, *images.size, generator=generator)
        if self.uniform:
            z = (z - 0.5) * 12**0.5
        if self.beta:
            f = frequencies(*images.size).clamp(min=1 / max(images.size))  # the mean goes with the lowest frequency
            z = torch.fft.ifft2(torch.fft.fft2(z) * f ** (-self.beta / 2) / (f**-self.beta).mean().sqrt()).real.float()
        if self.joint:
            colours = images.sample(1000).rgb().transpose(0, 1).flatten(1).corrcoef()
            power, axes = torch.linalg.eigh(colours)  # not Cholesky: of grey images but one power is not 0
            z = torch.einsum("cd,ndhw->nchw", axes * power.clamp(min=0).sqrt(), z)
        mean, std = (torch.tensor(moment).view(3, 1, 1) for moment in (images.mean, images.std))
        x = z.mul_(self.contrast * std).add_(mean + self.shift)  # in place: ten thousand images are 120 MB
        return x.clamp_(0, 1) if self.clipped else x


NOISE_KINDS: Mapping[str, Noise] = {
    "the paper's": Noise(),
    "not clipped": Noise(clipped=False),
    "uniform": Noise(uniform=True),
    "darker": Noise(shift=-0.2),
    "brighter": Noise(shift=0.2),
    "σ × ¼": Noise(contrast=0.25),
    "σ × ½": Noise(contrast=0.5),
    "σ × 2": Noise(contrast=2.0),
    "1/f": Noise(beta=1.0),
    "1/f²": Noise(beta=2.0),
    "1/f³": Noise(beta=3.0),
    "data's colours": Noise(joint=True),
    "1/f², data's colours": Noise(beta=2.0, joint=True),
}


def noise_kinds(images: Images, n: int = 1000, seed: int = 0) -> dict[str, Float[Tensor, "n c h w"]]:
    """Return noise of every kind in `NOISE_KINDS`, each with the mean and std of `images` but for what it changes."""
    return {name: kind.draw(images, n, seed) for name, kind in NOISE_KINDS.items()}


def noise_path(images: Images, steps: int = 11, seed: int = 0) -> dict[str, Float[Tensor, "n c h w"]]:
    """Return (1 - t)·noise + t·image for t from 0 to 1, by the text of t, with noise of its own for each image (§2.5).

    Raises:
        ValueError: If `steps` is below 2, or there are no images.
    """
    if steps < 2 or not len(images):
        raise ValueError(f"`steps` (={steps}) must be 2 or more, and `images` (={len(images)}) some")
    noise, end = Noise().draw(images, len(images), seed), images.rgb()
    return {f"{t:.3g}": torch.lerp(noise, end, t) for t in torch.linspace(0, 1, steps).tolist()}


@dataclass(frozen=True)
class LogitTerms:
    """logit = wᵀx + b of a linear head, for the images of each category: which term decides (§2.5)?

    Attributes:
        table: What is predicted.
        features: x of every image.
        weight: w of every class.
        bias: b of every class.
    """

    table: PredictionTable
    features: Float[Tensor, "n d"]
    weight: Float[Tensor, "k d"]
    bias: Float[Tensor, " k"]

    def weighted(self, row: str) -> Float[Tensor, "m k"]:
        """Return wᵀx of every image of a category."""
        return self.features[self.table.of(row)] @ self.weight.T

    def kept_without_bias(self, row: str) -> statistics.Estimate:
        """Return the share of images whose predicted class has the largest wᵀx, too."""
        return statistics.share(self.weighted(row).argmax(1) == self.table.predicted[self.table.of(row)])

    def __repr__(self) -> str:
        said = (f"{row} {self.kept_without_bias(row).value:.1%}" for row in self.table.filled)
        return f"LogitTerms({self.table.network}, predicted alike without the bias: {', '.join(said)})"


def logit_terms(lens: Lens, *sets: Named, progress: bool = False) -> LogitTerms:
    """Return the logits split into wᵀx and b for the images of each category (§2.5).

    Arguments are as in `prediction_table`.

    Raises:
        ValueError: If the head is not one linear layer, or as in `prediction_table`.
    """
    head, layer = _linear_head(lens)
    table, features = _predict(lens, sets, progress, head, layer)
    bias = torch.zeros(head.out_features) if head.bias is None else head.bias.detach().cpu()
    return LogitTerms(table, torch.cat(features), head.weight.detach().cpu(), bias)


def _linear_head(lens: Lens) -> tuple[nn.Linear, str]:
    """Return the linear layer whose output is the logits, and the layer whose output goes into it."""
    with torch.no_grad():
        x = torch.rand(2, 3, *lens.size, generator=torch.Generator().manual_seed(0))
        outputs = lens.outputs(x, {*lens.layers, OUTPUT})
        linear = {n: m for n, m in lens.network.named_modules() if isinstance(m, nn.Linear) and n in outputs}
        for head in [head for name, head in linear.items() if torch.equal(outputs[name], outputs[OUTPUT])]:
            for layer in reversed(lens.layers):
                x = _feature(outputs[layer], head)
                fits = x.shape[1] == head.in_features
                if fits and torch.allclose(F.linear(x, head.weight, head.bias), outputs[OUTPUT], rtol=1e-3, atol=1e-4):
                    return head, layer
    raise ValueError(
        f"`lens` (={lens.name}) must end in one nn.Linear on another layer's output, flattened or averaged over its "
        "positions; only then is a logit wᵀx + b"
    )


def _feature(output: Float[Tensor, "n ..."], head: nn.Linear) -> Float[Tensor, "n d"]:
    """Return a layer's output flattened, or averaged over its positions where the head takes fewer numbers."""
    flat = output.flatten(1)
    return flat if flat.shape[1] == head.in_features else flat.view(*output.shape[:2], -1).mean(2)


def _predict(
    lens: Lens, sets: tuple[Named, ...], progress: bool, head: nn.Linear | None = None, layer: str = OUTPUT
) -> tuple[PredictionTable, list[Float[Tensor, "n d"]]]:
    """Return the table, and batch by batch what the head makes its logits of, which `layer` puts out."""
    rows: list[str] = []
    parts: list[tuple[Callable[[slice], Tensor], Tensor]] = []
    for some in sets:
        if isinstance(some, Images):
            parts.append((some.rgb, some.labels + len(rows)))
            rows += some.classes
        else:
            parts += ((x.__getitem__, torch.full((len(x),), len(rows) + i)) for i, x in enumerate(some.values()))
            rows += some
    sizes = {tuple(read(slice(1)).shape[2:]) for read, _ in parts} | {tuple(lens.size)}
    most = max((read(slice(1)).max().item() for read, shown in parts if len(shown)), default=math.inf)
    if len({*rows}) < len(rows) or len(sizes) > 1 or most > FAR:
        raise ValueError(
            f"`sets` (=rows {rows}, images of the sizes {sorted(sizes)}, up to {most:g}) must hold images, RGB in "
            f"[0, 1], all of {tuple(lens.size)} pixels as the network's, and no name twice"
        )
    each = lens.at_once
    batches = [(read, slice(i, i + each)) for read, shown in parts for i in range(0, len(shown), each)]
    logits, features = [], []
    for read, part in Bar(batches, "predictions", disable=not progress, leave=False):
        with torch.no_grad():
            outputs = lens.outputs(read(part), {layer, OUTPUT})
        logits.append(outputs[OUTPUT].cpu())
        if head is not None:
            features.append(_feature(outputs[layer], head).cpu())
    table = PredictionTable(lens.name, tuple(rows), lens.classes, torch.cat([s for _, s in parts]), torch.cat(logits))
    if len(bad := table.shown[~torch.isfinite(table.logits).all(1)]):
        raise ValueError(f"`sets` has images in the row {rows[bad[0]]!r} whose logits by {lens.name} are no numbers")
    return table, features


def _place(kind: str, name: str, names: tuple[str, ...]) -> int:
    if name not in names:
        raise ValueError(f"`{kind}` (={name!r}) is not in this table; it has {', '.join(names)}")
    return names.index(name)
