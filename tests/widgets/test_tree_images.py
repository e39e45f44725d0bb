"""The images of a tree explorer: which a tree is grown on, their names, their thumbnails."""

import io

import numpy as np
from PIL import Image

from neurolens_widgets.tree_images import Pictures, Thumbnails


def test_large_pictures_become_small_thumbnails():
    thumbnails = Thumbnails(lambda image: np.full((200, 100, 3), image, np.uint8))
    assert [thumbnails.place(image) for image in (7, 9, 7)] == [0, 1, 0]
    with Image.open(io.BytesIO(thumbnails.png())) as sheet:
        assert sheet.size == (16 * 64, 64)
        assert sheet.getpixel((64, 0)) == (9, 9, 9)


def test_pictures_have_names(planted_cache):
    pictures = Pictures(planted_cache.test)
    assert pictures.name(17).endswith("#17")
    assert pictures.name(pictures.add(pictures.rgb(0))) == "your picture 1"
