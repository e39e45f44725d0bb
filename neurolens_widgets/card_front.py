"""A card's part in the browser that nobody sees: it names the others, and tells when the card is shown no more."""

from collections.abc import Callable
from pathlib import Path

import anywidget


class CardFront(anywidget.AnyWidget):
    """Gives accessible names to what has none; a screen reader then says what every picture and slider is.

    Args:
        leave: Called when no cell of the page shows the card any more. A page that is loaded again does not call it.
    """

    _esm = Path(__file__).parent / "static" / "card.js"

    def __init__(self, leave: Callable[[], object] = lambda: None):
        super().__init__()
        self.add_class("nl-style")
        self.on_msg(lambda _, content, __: leave() if content.get("do") == "leave" else None)
