"""The one training recipe: seeded, resumable, as fast as the processor allows."""

import contextlib
import dataclasses
import functools
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from neurolens.cache import cache_folder, recalled, remembered, written_whole
from neurolens.device import Precision, best_device, check_precision, has_fast_bf16
from neurolens.studies.augmentation import crop_and_flip, cut_out
from neurolens.studies.data import Images
from neurolens.studies.networks import ARCHITECTURES
from neurolens.watching import Bar


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run, besides the images.

    Attributes:
        architecture: A name in `networks.ARCHITECTURES`.
        width: Channels of the first stage.
        epochs: Passes over the training images.
        coarse_share: Share of the epochs, at the start, that see the images at half their size. They cost about
            a third and teach most of what the first epochs teach.
        batch_size: Images a step.
        learning_rate: Peak of the one-cycle schedule (Smith & Topin 2018), for SGD with Nesterov momentum 0.9.
        weight_decay: On every weight.
        label_smoothing: Share of the target spread over all classes.
        cutout: Side, in pixels, of the square that each image loses (DeVries & Taylor 2017); 0 for none.
        seed: Of the initial weights, the order of the images, crops and flips.
        precision: Of the forward and backward passes: `"bf16"` where the device computes in it, or `"fp32"`. Weights,
            gradients of weights and the loss are fp32 either way; the card says which of the two it was.
    """

    architecture: str = "resnet18"
    width: int = 64
    epochs: int = 20
    coarse_share: float = 0.5
    batch_size: int = 64
    learning_rate: float = 0.05
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    cutout: int = 0
    seed: int = 0
    precision: Precision = "bf16"

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"`architecture` (={self.architecture!r}) must be one of {', '.join(ARCHITECTURES)}")
        check_precision(self.precision)
        for name in ("width", "epochs", "batch_size", "learning_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"`{name}` (={getattr(self, name)}) must be positive")
        for name in ("coarse_share", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` (={getattr(self, name)}) must lie in [0, 1)")
        if self.cutout < 0:
            raise ValueError(f"`cutout` (={self.cutout}) must not be negative")

    @property
    def coarse_epochs(self) -> int:
        """How many epochs, at the start, see half-size images."""
        return round(self.coarse_share * self.epochs)

    def precision_on(self, device: torch.device | str) -> Precision:
        """Return the precision that the passes have on a device: fp32 where it has no fast bf16."""
        return self.precision if has_fast_bf16(torch.device(device)) else "fp32"

    @property
    def _settings(self) -> dict[str, object]:
        """What a run is told by; those from before there was a choice had what is the default precision now."""
        settings = dataclasses.asdict(self)
        if self.precision == "bf16":
            del settings["precision"]
        return settings


class Penalty(Protocol):
    """What the loss of each image is multiplied by; equal penalties have equal fingerprints."""

    @property
    def fingerprint(self) -> str: ...

    def __call__(self, logits: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> Float[Tensor, " n"]: ...


def build_network(recipe: Recipe, images: Images) -> nn.Module:
    """Return the recipe's network with seeded initial weights, normalising by the mean and std of `images`."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(recipe.seed)  # torch.manual_seed would reseed CUDA, which is not forked
        make = ARCHITECTURES[recipe.architecture]
        std = tuple(max(one, 1 / 255) for one in images.std)  # a colour that never varies tells nothing
        return make(len(images.classes), recipe.width, images.mean, std)


def train(
    recipe: Recipe,
    images: Images,
    held_out: Images,
    checkpoint: str | Path | None = None,
    *,
    penalty: Penalty | None = None,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> nn.Module:
    """Minimise the cross-entropy of `images` by the recipe; go on from `checkpoint` where there is one.

    The state is saved after each epoch. A run that was killed and started again ends at the same weights as one
    that was not: everything random is drawn from the seed and the epoch alone.

    Args:
        recipe: The settings.
        images: What to learn.
        held_out: What the accuracy in the progress bar is measured on; never trained on.
        checkpoint: File of the run's state, of one recipe, data set and penalty; without it a stopped run begins anew.
        penalty: What each image's cross-entropy is multiplied by; nothing where none is given.
        device: Where to train.
        progress: Show a progress bar an epoch, with loss, accuracy and time left.

    Returns:
        The trained network in eval mode, fp32, on `device`.

    Raises:
        ValueError: If `checkpoint` belongs to another recipe or penalty, or to other images.
        FloatingPointError: If the loss is no longer a number; the last epoch's checkpoint stays.
    """
    device = torch.device(device)
    network = build_network(recipe, images).to(device).to(memory_format=_memory_format(device, recipe))
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=0.9,
        weight_decay=recipe.weight_decay,
        nesterov=True,
    )
    steps = -(-len(images) // recipe.batch_size)  # at most: a last batch of one image is joined to that before it
    total = recipe.epochs * steps
    warm_up = min(max(0.2, 2 / total), 0.9)  # at least two steps: OneCycleLR divides by one less
    schedule = OneCycleLR(
        optimizer, recipe.learning_rate, total, pct_start=warm_up, div_factor=10, cycle_momentum=False
    )
    belongs = {"recipe": recipe._settings, "images": images.fingerprint}
    if penalty:
        belongs["penalty"] = penalty.fingerprint
    state = {"network": network, "optimizer": optimizer, "schedule": schedule}
    checkpoint = checkpoint and Path(checkpoint)
    done = _resume(checkpoint, belongs, state) if checkpoint and checkpoint.exists() else 0
    sample = held_out.sample(500)
    started, first = time.monotonic(), done
    precision = recipe.precision_on(device)
    lacks = f", as {device} has no fast bf16" if precision != recipe.precision else ""
    for epoch in range(done, recipe.epochs):
        coarse = epoch < recipe.coarse_epochs
        batches = batches_of(images, recipe, epoch)
        bar = Bar(batches, f"epoch {epoch + 1}/{recipe.epochs}", steps, disable=not progress, leave=False)
        loss = _train_epoch(network, bar, optimizer, schedule, recipe, coarse, penalty)
        if checkpoint:
            remembered(functools.partial(_save, belongs, state, epoch + 1), checkpoint)
        if progress:
            left = (time.monotonic() - started) / (epoch + 1 - first) * (recipe.epochs - epoch - 1)
            Bar.write(
                f"epoch {epoch + 1}/{recipe.epochs}{' (half size)' if coarse else ''} in {precision}{lacks}: "
                f"loss {loss:.3f}, "
                f"accuracy {accuracy(network, sample):.1%} of {len(sample)} {sample.split} images, "
                f"about {left / 60:.0f} min left"
            )
    return network.eval()


def train_once(
    recipe: Recipe, images: Images, held_out: Images, *, penalty: Penalty | None = None, progress: bool = False
) -> nn.Module:
    """Return the network that `train` makes on the fastest device, from the cache where it was trained before.

    A run that was stopped goes on after its last epoch; a damaged file of the cache is made anew, with a warning.
    """
    told = repr(recipe).replace(", precision='bf16'", "")  # what was trained before there was a choice is found again
    key = f"({told}, {images.fingerprint!r}, {penalty and penalty.fingerprint!r})"
    file = cache_folder() / "trained" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.checkpoint"
    if recalled(_stored, file) is None:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
    return train(recipe, images, held_out, file, penalty=penalty, device=best_device(), progress=progress).cpu()


@torch.inference_mode()
def predict(network: nn.Module, images: Images, batch_size: int = 250) -> Float[Tensor, "n k"]:
    """Return the logits of all images, on the CPU. The network is put into eval mode."""
    network.eval()
    device = next(network.parameters()).device
    batches = torch.arange(len(images)).split(batch_size)
    return torch.cat([network(images.rgb(batch).to(device)).float().cpu() for batch in batches])


def accuracy(network: nn.Module, images: Images) -> float:
    """Share of `images` whose largest logit is that of their label."""
    return (predict(network, images).argmax(1) == images.labels).double().mean().item()


def _train_epoch(
    network: nn.Module,
    batches: Bar,
    optimizer: torch.optim.Optimizer,
    schedule: OneCycleLR,
    recipe: Recipe,
    coarse: bool,
    penalty: Penalty | None,
) -> float:
    network.train()
    device = next(network.parameters()).device
    total = torch.zeros(())
    for count, (pixels, labels) in enumerate(batches, start=1):
        x = pixels.to(device, memory_format=_memory_format(device, recipe))
        if coarse:
            x = F.avg_pool2d(x, 2)
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision_on(device) == "bf16"):
            logits = network(x)
        logits, labels = logits.float(), labels.to(device)
        if penalty:
            each = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing, reduction="none")
            loss = (each * penalty(logits, labels)).mean()
        else:
            loss = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.detach().cpu()
        if not torch.isfinite(total):
            rate = recipe.learning_rate
            raise FloatingPointError(f"the loss became {total.item()} with `learning_rate` (={rate}); lower it")
        batches.set_postfix(loss=f"{total.item() / count:.3f}", refresh=False)
    return total.item() / count


def _memory_format(device: torch.device, recipe: Recipe) -> torch.memory_format:
    """Channels last goes with bf16; in fp32 an AVX2 processor gains 6% by it, and loses minutes on narrow networks.

    With channels not a multiple of 16 and an odd batch, oneDNN's bf16 convolution writes where it must not (2.14).
    """
    fits = recipe.precision_on(device) == "bf16" and recipe.width % 16 == 0
    return torch.channels_last if fits else torch.contiguous_format


def batches_of(
    images: Images, recipe: Recipe, epoch: int
) -> Iterator[tuple[Float[Tensor, "n c h w"], Int64[Tensor, " n"]]]:
    """Yield the epoch's batches, shuffled, cropped and flipped: a function of seed and epoch alone."""
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
    batches = torch.randperm(len(images), generator=generator).split(recipe.batch_size)
    if len(batches) > 1 and len(batches[-1]) == 1:  # batch norm has nothing to normalise by
        batches = (*batches[:-2], torch.cat(batches[-2:]))
    for batch in batches:
        chosen = images[batch]
        x = crop_and_flip(chosen.rgb(), generator)
        yield cut_out(x, recipe.cutout, generator) if recipe.cutout else x, chosen.labels


def _save(belongs: dict, state: dict, epochs: int, checkpoint: Path) -> None:
    with written_whole(checkpoint) as draft:
        try:
            torch.save({**belongs, "epochs": epochs, **{k: v.state_dict() for k, v in state.items()}}, draft)
        except RuntimeError as error:  # what torch makes of a full disk
            raise OSError(str(error).splitlines()[0]) from error


def _stored(checkpoint: Path) -> dict:
    try:
        return torch.load(checkpoint, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch raises many kinds for a damaged file
        raise ValueError(f"`checkpoint` (={str(checkpoint)!r}) cannot be read ({error}); delete it") from error


def _resume(checkpoint: Path, belongs: dict, state: dict) -> int:
    """Put the stored state back; return how many epochs it has behind it."""
    stored = _stored(checkpoint)
    for name in ("recipe", "images", "penalty"):
        if stored.get(name) != belongs.get(name):
            raise ValueError(
                f"`checkpoint` (={str(checkpoint)!r}) belongs to other {name} ({stored.get(name)}, not "
                f"{belongs.get(name)}); "
                "delete it or train to another `out` folder"
            )
    for name, part in state.items():
        part.load_state_dict(stored[name])
    return int(stored["epochs"])
