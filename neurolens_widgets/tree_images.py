"""The images that can be sent down a tree, by number; and thumbnails of those on the screen, as one PNG."""

from collections.abc import Callable

import neurolens as nl
import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from neurolens_widgets.canvas import RGBA, rgba, shrunk
from neurolens_widgets.frame import png

NONE = -1  # no image
COLUMNS, SIDE = 16, 64  # thumbnails in a row of the PNG, and their longer side at most, in pixels


def first_images(images: nl.Images, category: str, most: int) -> list[int]:
    """Return the numbers of a category's first images, or of the first of every class where none is named."""
    names = [category] if category else images.classes
    each = max(1, most // len(names))
    return [int(i) for name in names for i in (images.labels == images.classes.index(name)).nonzero()[:each]]


class Pictures:
    """A study's images by their number, 0, 1, …, and pictures of one's own, from -2 down.

    Args:
        images: Of the study.
    """

    def __init__(self, images: nl.Images):
        self.images = images
        self.added: list[Float[Tensor, "c h w"]] = []

    def add(self, picture: Image.Image | Float[Tensor, "c h w"]) -> int:
        """Take a picture and return its number.

        Args:
            picture: RGB in [0, 1], of the study's size; or an image of PIL's, which is brought to that as
                `neurolens.read_picture` does.

        Raises:
            ValueError: If it has another size, or is damaged.
        """
        height, width = self.images.size
        if isinstance(picture, Image.Image):
            picture = nl.read_picture(picture, self.images.size)
        if picture.shape != (3, height, width):
            raise ValueError(f"`picture` (={tuple(picture.shape)}) must be RGB of {height}×{width} pixels")
        self.added.append(picture)
        return NONE - len(self.added)

    def rgb(self, image: int) -> Float[Tensor, "c h w"]:
        """Return an image, RGB in [0, 1]."""
        return self.images.rgb([image])[0] if image >= 0 else self.added[NONE - 1 - image]

    def shown(self, image: int) -> RGBA:
        """Return an image as it is shown."""
        return rgba((self.images.pixels[image] if image >= 0 else self.rgb(image)).numpy())

    def name(self, image: int) -> str:
        """Return its class and number, such as lion #17."""
        if image < 0:
            return f"your picture {NONE - image}"
        return f"{self.images.classes[int(self.images.labels[image])]} #{image}"


class Thumbnails:
    """The pictures that were asked for so far, to be sent as one.

    Args:
        picture: Returns the image of a number, of one size for all.
    """

    def __init__(self, picture: Callable[[int], RGBA]):
        self._picture = picture
        self.places: dict[int, int] = {}
        self._tiles: list[RGBA] = []

    def place(self, image: int) -> int:
        """Return where in the PNG an image stands."""
        if image not in self.places:
            self.places[image] = len(self._tiles)
            whole = self._picture(image)
            self._tiles.append(shrunk(whole, min(1.0, SIDE / max(whole.shape[:2]))))
        return self.places[image]

    @property
    def side(self) -> int:
        """The width of one, and at least its height."""
        return max(self._tiles[0].shape[:2]) if self._tiles else SIDE

    def png(self) -> bytes:
        """Return them in rows."""
        side, rows = self.side, -(-len(self._tiles) // COLUMNS)
        sheet = np.zeros((rows * side, COLUMNS * side, 3), np.uint8)
        for place, tile in enumerate(self._tiles):
            top, left = place // COLUMNS * side, place % COLUMNS * side
            sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile[..., :3]
        return png(Image.fromarray(sheet), compress_level=1)  # a click waits for it
