"""Labelled images in memory as uint8: selecting, sampling, noise, and a cache that is checked, never trusted."""

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from neurolens.cache import cache_folder, written_whole


@dataclass(frozen=True)
class Images:
    """Images of one size with their labels.

    Attributes:
        pixels: RGB, 0 … 255. May be a memory-mapped file: treat it as read-only.
        labels: Index into `classes` for every image.
        classes: Class names, in the order of a network's logits.
        split: `"train"`, `"test"` or what else names the part.
        source: Where the pixels come from, in words a figure's caption can use.
    """

    pixels: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    classes: tuple[str, ...]
    split: str
    source: str

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 4 or self.pixels.shape[1] != 3:
            raise ValueError(
                f"`pixels` (={tuple(self.pixels.shape)}, {self.pixels.dtype}) must be uint8 of shape (n, 3, h, w)"
            )
        if self.labels.shape != self.pixels.shape[:1]:
            raise ValueError(
                f"`labels` (={tuple(self.labels.shape)}) must hold one number for each of the {len(self.pixels)} images"
            )
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise ValueError(f"`labels` must lie in 0 … {len(self.classes) - 1}, one for each of `classes`")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Sequence[int] | Tensor) -> "Images":
        """Return the images at these places, as an `Images` again."""
        if isinstance(index, int):
            raise TypeError(f"`index` (={index}) must be a slice or a list; use images[[{index}]] for one image")
        if not isinstance(index, slice):
            index = torch.as_tensor(index)
        return replace(self, pixels=self.pixels[index], labels=self.labels[index])

    def __repr__(self) -> str:
        height, width = self.size
        return f"Images({len(self)} {self.split} images {height}×{width} of {', '.join(self.classes)})"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.pixels.shape[2]), int(self.pixels.shape[3])

    @cached_property
    def fingerprint(self) -> str:
        """Hash of pixels, labels and class names: equal content, equal fingerprint, wherever it came from."""
        digest = hashlib.sha256(json.dumps([list(self.pixels.shape), self.classes]).encode())
        digest.update(self.labels.contiguous().numpy().data)
        digest.update(self.pixels.contiguous().numpy().data)
        return digest.hexdigest()[:16]

    @cached_property
    def average(self) -> Float[Tensor, "c h w"]:
        """The mean of all images, RGB in [0, 1]."""
        return self.pixels.double().mean(0).float() / 255

    @cached_property
    def mean(self) -> tuple[float, ...]:
        """Mean of each colour channel, in [0, 1]."""
        return tuple(self._moments[0])

    @cached_property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each colour channel, in [0, 1]."""
        return tuple(self._moments[1])

    @cached_property
    def _moments(self) -> tuple[list[float], list[float]]:
        values = torch.arange(256, dtype=torch.float64) / 255
        channels = (self.pixels[:, c].flatten() for c in range(self.pixels.shape[1]))
        counts = torch.stack([torch.bincount(channel, minlength=256) for channel in channels]).double()
        share = counts / counts.sum(1, keepdim=True)
        mean = share @ values
        return mean.tolist(), (share @ values**2 - mean**2).clamp(min=0).sqrt().tolist()

    def rgb(self, index: slice | Sequence[int] | Tensor | None = None) -> Float[Tensor, "n c h w"]:
        """Return the pixels as float32 RGB in [0, 1]; `index` takes some of them only."""
        pixels = self.pixels if index is None else self[index].pixels
        return pixels.float() / 255

    def only(self, *classes: str) -> "Images":
        """Keep these classes, relabelled 0, 1, … in the order given.

        Raises:
            ValueError: If a class is unknown or named twice.
        """
        unknown = [name for name in classes if name not in self.classes]
        if unknown or not classes or len(set(classes)) < len(classes):
            raise ValueError(
                f"`classes` (={classes}) must name different classes of these images: {', '.join(self.classes)}"
            )
        if classes == self.classes:
            return self  # not a copy: all of CIFAR-10 is 154 MB
        new_label = torch.full((len(self.classes),), -1)
        new_label[[self.classes.index(name) for name in classes]] = torch.arange(len(classes))
        labels = new_label[self.labels]
        kept = labels >= 0
        return replace(self, pixels=self.pixels[kept], labels=labels[kept], classes=tuple(classes))

    def sample(self, n: int, seed: int = 0) -> "Images":
        """Draw `n` different images at random, or all where there are no more; the same seed draws the same images.

        Raises:
            ValueError: If `n` is not positive.
        """
        if n < 1:
            raise ValueError(f"`n` (={n}) must be a positive number of images")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        return self[order[:n]]


def gaussian_noise(images: Images, n: int, seed: int = 0) -> Images:
    """Return x ~ N(mean_c, std_c²) per pixel, with the per-channel mean and std of `images` (§2.5).

    Values are clipped to 0 … 255, as any stored image is; the class is called `noise`.

    Raises:
        ValueError: If `n` is below 1.
    """
    if n < 1:
        raise ValueError(f"`n` (={n}) must be 1 or more, the number of noise images to draw")
    generator = torch.Generator().manual_seed(seed)
    mean, std = (torch.tensor(moments).view(1, 3, 1, 1) for moments in (images.mean, images.std))
    noise = torch.randn(n, 3, *images.size, generator=generator).mul_(std).add_(mean)  # in place: images are many
    pixels = noise.mul_(255).round_().clamp_(0, 255).byte()
    source = f"Gaussian noise with the mean and std of {images.source}, drawn with seed {seed}"
    return Images(pixels, torch.zeros(n, dtype=torch.int64), ("noise",), "noise", source)


def starting_points(images: Images, n: int, seed: int = 0) -> tuple[Float[Tensor, "n+1 c h w"], list[str]]:
    """Return `n` images drawn at random and Gaussian noise as the last, to climb from (§2.2), and their names."""
    drawn = images.sample(n, seed)
    names = [*(images.classes[label] for label in drawn.labels.tolist()), "noise"]
    return torch.cat([drawn.rgb(), gaussian_noise(images, 1, seed).rgb()]), names


def cached_images(name: str, key: str, make: Callable[[], Images]) -> Images:
    """Return the images stored under `key`, or make and store them.

    The pixels come back memory-mapped. A folder that is damaged or half-written is made anew, with a warning;
    where nothing can be written (a full disk, a read-only folder) the images are simply kept in memory.
    """
    folder = cache_folder() / "images" / f"{name}-{key}"
    if folder.exists():
        try:
            return _load(folder)
        except (OSError, ValueError, KeyError) as error:
            warnings.warn(f"the image cache {folder} is damaged ({error}); building it again", stacklevel=2)
    images = make()
    try:
        _store(images, folder)
        return _load(folder)
    except OSError as error:
        warnings.warn(f"the image cache {folder} cannot be written ({error}); going on without", stacklevel=2)
        return images


def _store(images: Images, folder: Path) -> None:
    card = {"classes": images.classes, "split": images.split, "source": images.source}
    with written_whole(folder) as draft:
        draft.mkdir()
        np.save(draft / "pixels.npy", images.pixels.numpy())
        np.save(draft / "labels.npy", images.labels.numpy())
        (draft / "images.json").write_text(json.dumps({**card, "fingerprint": images.fingerprint}))


def _load(folder: Path) -> Images:
    card = json.loads((folder / "images.json").read_text())
    # "c": copy on write, so that a tensor may share the memory and the file is never changed
    pixels = torch.from_numpy(np.load(folder / "pixels.npy", mmap_mode="c"))
    labels = torch.from_numpy(np.load(folder / "labels.npy"))
    images = Images(pixels, labels, tuple(card["classes"]), card["split"], card["source"])
    if images.fingerprint != card["fingerprint"]:
        raise ValueError("its content does not match its fingerprint")
    return images
