"""Pictures of one's own, of any size and kind, as a network takes them."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from neurolens.studies.sources import IMAGE_ENDINGS, is_image, upright_rgb

LARGEST = 178_956_970  # pixels above which a picture is taken for a bomb, as Pillow warns


def read_picture(
    file: Path | bytes | Image.Image, size: tuple[int, int], name: str = "in memory"
) -> Float[Tensor, "c h w"]:
    """Return a picture of any size and kind as RGB in [0, 1], scaled to this size; the ends of its longer side are cut.

    Of a moving picture the first frame is taken; transparent places become white.

    Args:
        file: Where it is, the content of a file, or an image of PIL's.
        size: Height and width.
        name: What to call it in an error, where it is no file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no picture, a damaged one, or far too large.
    """
    name = repr(str(file)) if isinstance(file, Path) else name
    try:
        content = file.read_bytes() if isinstance(file, Path) else file
        opened = Image.open(io.BytesIO(content)) if isinstance(content, bytes) else content
        if opened.width * opened.height > LARGEST:
            raise ValueError(f"it has {opened.width}×{opened.height} pixels")
        shown = upright_rgb(opened)
    except FileNotFoundError:
        raise FileNotFoundError(f"`file` (={name}) does not exist") from None
    except UnidentifiedImageError:
        raise ValueError(f"`file` (={name}) is no picture of a known format; give a PNG or JPEG") from None
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise ValueError(f"`file` (={name}) cannot be read as a picture ({error}); save it anew") from error
    fitted = ImageOps.fit(shown, (size[1], size[0]), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(fitted)).permute(2, 0, 1).float() / 255


def find_pictures(places: Sequence[Path]) -> list[Path]:
    """Return the files, and of folders all the pictures in them and below.

    Raises:
        FileNotFoundError: If a place does not exist, or there is no picture at all.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise FileNotFoundError(f"`pictures` (={str(place)!r}) does not exist; name pictures or folders of them")
        inside = (file for file in place.rglob("*") if is_image(file.name))
        found += sorted(inside) if place.is_dir() else [place]
    if not found:
        raise FileNotFoundError(f"`pictures` (={[*map(str, places)]}) hold no file with {', '.join(IMAGE_ENDINGS)}")
    return found
