"""A place in the browser to drop pictures on, or to choose them from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets


class Drop(anywidget.AnyWidget):
    """A button that pictures can be dropped on; their bytes come to Python, and nothing else leaves the page.

    Args:
        take: Called with the name and the content of each picture.
        refuse: Called with the reason for each that cannot come, and where there was none.
        begin: Called before the first of those that were chosen or dropped together.
        label: What is on the button.
    """

    _esm = Path(__file__).parent / "static" / "drop.js"
    label = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        take: Callable[[str, bytes], object],
        refuse: Callable[[str], object],
        begin: Callable[[], object],
        label: str = "Drop pictures here, or press to choose them",
    ):
        super().__init__(label=label)

        def received(_: object, content: dict[str, Any], buffers: list[memoryview]) -> None:
            name = str(content.get("name", "picture"))
            if "files" in content:
                begin()
                if not content["files"]:
                    refuse("there is no picture in what was dropped")
            elif buffers:
                take(name, bytes(buffers[0]))
            else:
                size = f"{content.get('size', 0) / 1e6:.0f} MB"
                refuse(f"{name} ({size}) cannot be read, or is larger than a message may be (8 MB); shrink it")

        self.on_msg(received)
