"""The small parts that widgets are put together from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from html import escape

import ipywidgets as widgets


def box(parts: Sequence[widgets.Widget], *css: str, row: bool = False) -> widgets.Box:
    """Return the parts in a column, or in a row."""
    return with_classes((widgets.HBox if row else widgets.VBox)(parts), *css)


def button(label: str, icon: str, tip: str, press: Callable[[], object], *css: str) -> widgets.Button:
    """Return a button that calls `press`."""
    made = widgets.Button(description=label, icon=icon, tooltip=tip, layout=widgets.Layout(width="auto"))
    made.on_click(lambda _: press())
    return with_classes(made, *css)


def field(label: str, control: widgets.Widget, css: str) -> widgets.Widget:
    """Return the control with its label; the style sheet sets it above."""
    control.description = label
    control.layout.width = "auto"
    return with_classes(control, css, "nl-field")


def with_classes(widget: widgets.Widget, *css: str) -> widgets.Widget:
    """Return the widget with these classes."""
    for name in css:
        widget.add_class(name)
    return widget


def close_all(parts: Iterable[widgets.Widget]) -> None:
    """Close every widget there is in the browser: parts of parts, their layouts, styles, axes and scales."""
    rest, seen = list(parts), set()
    while rest:
        widget = rest.pop()
        if id(widget) in seen:
            continue
        seen.add(id(widget))
        for name, value in widget._trait_values.items():
            if not name.startswith("_"):  # ipycanvas keeps what all canvases share under such a name
                held = (
                    value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
                )
                rest.extend(one for one in held if isinstance(one, widgets.Widget))
        widget.close()


class Choices(widgets.HBox):
    """Buttons, one of them in the accent colour: plain ones, where Colab breaks ipywidgets' own tabs.

    Args:
        labels: What is on each button, by the name that it stands for.
        press: Called with that name.
        css: Classes of the row; the buttons have the first with a suffix, `nl-kinds-one`.
    """

    def __init__(self, labels: Mapping[str, str], press: Callable[[str], object], *css: str):
        self.buttons: dict[str, widgets.Button] = {}
        self._press, self._css = press, f"{css[0]}-one"
        super().__init__()
        with_classes(self, *css)
        self.offer(labels)

    def offer(self, labels: Mapping[str, str]) -> None:
        """Let these be the choices, where they are others than before."""
        if [(name, one.description) for name, one in self.buttons.items()] == [*labels.items()]:
            return
        gone = [*self.buttons.values()]
        self.buttons = {
            name: button(label, "", label, partial(self._press, name), self._css) for name, label in labels.items()
        }
        self.children = [*self.buttons.values()]
        close_all(gone)

    def mark(self, chosen: str) -> None:
        """Show this one as chosen; a name that is on no button shows none."""
        for name, one in self.buttons.items():
            one.button_style = "primary" if name == chosen else ""
            said = one.description
            one.tooltip = f"{said}, chosen" if name == chosen else said  # a screen reader does not see the colour


class Head(widgets.HBox):
    """What a widget is and shows; while it is at work what it does, how far it is, and a button that ends it.

    Args:
        title: What it is.
        stop: Ends the work.
    """

    def __init__(self, title: str, stop: Callable[[], object]):
        self._title, self._about, self._doing = title, "", ""
        self.line = with_classes(widgets.HTML(), "nl-head")
        self._stop = button("Stop", "stop", "Leave it; what is shown stays", stop, "nl-stop-work")
        super().__init__([self.line, self._stop])
        self.add_class("nl-top")
        self.show("")

    def show(self, about: str, doing: str = "") -> None:
        """Say what is shown, and what is being done, such as `growing`; nothing where nothing is."""
        self._about, self._doing = about, doing
        self._stop.layout.display = None if doing else "none"
        self.tell(float("nan"))

    def tell(self, share: float) -> None:
        """Say how much of the work is done; NaN where that is not known."""
        done = "…" if share != share else f"{share:.0%}"
        pill = f'<b class="nl-pill nl-is-running" role="status">{self._doing} {done}</b>' if self._doing else ""
        self.line.value = f"<h3>{self._title}</h3><span>{escape(self._about)}</span>{pill}"


class Badge(widgets.HTML):
    """One line that says whether to believe a picture; the plain sentence on hover, and below it while it has focus."""

    def __init__(self) -> None:
        super().__init__()
        with_classes(self, "nl-badge")

    def show(self, badge: str, reading: str = "") -> None:
        """Show a line such as `believe: …`, its first words standing out; an empty one takes no room."""
        word, colon, rest = map(escape, badge.partition(": "))
        tip, whole = escape(reading), escape(f"{badge}. {reading}")
        line = f"<b>{word}{colon}</b>{rest}" if rest else word
        focus = f' tabindex="0" role="note" aria-label="{whole}" title="{tip}"' if reading else ""
        self.value = f"<p{focus}>{line}<small>{tip}</small></p>" if badge else ""
        self.layout.display = None if badge else "none"
