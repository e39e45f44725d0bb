"""The address language: every unit of a network has a text, and the texts add up.

    layer4                          the mean over the layer's whole output
    layer4.C182                     the mean over the positions of its channel 182
    layer4.C182N15                  position 15 of that channel, counted row by row (§3.2, Fig. 10)
    logit:dog                       a class's score before the softmax, by name or index (logit:5)
    softmax:dog                     its probability among all classes
    logit:dog - 0.5*layer4.C182     sums and differences of these; a weight stands before its unit

Names beyond letters, digits, `_` and dots are quoted, `logit:"hot dog"`; so is a layer named like a channel,
`"block.C3"`; a backslash escapes a quote or backslash. A class named 5 goes before the index 5.
"""

import difflib
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]  # each layer's output without the batch: {"layer4": (512, 4, 4)}
Outputs = Mapping[str, Tensor]  # each layer's output, (n, d, h, w) or (n, d); "output" has the logits

_NAME, _QUOTED, _PLACE = r"\w+(?:\.\w+)*", r'"(?:[^"\\]|\\.)*"', r"\.C([0-9]+)(?:N([0-9]+))?"
_TERM = re.compile(rf"""(?x) ([-+\s]*)                                     # signs
    (?: ((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?) \s*\*\s* )?     # weight*
    (?: (logit|softmax):\s*({_NAME}|{_QUOTED})                             # logit:dog, or
      | ({_NAME}?|{_QUOTED})(?:{_PLACE})?(?!\.?\w) )? \s*                  # layer4.C182N15 (a lazy name)""")


@dataclass(frozen=True)
class LayerUnit:
    """The mean over a layer's output, over one channel (axis 1) of it, or the value at one position of it."""

    layer: str
    channel: int | None = None
    neuron: int | None = None

    def __post_init__(self) -> None:
        if self.neuron is not None and self.channel is None:
            raise ValueError(f"`neuron` (={self.neuron}) needs a `channel`, as in layer4.C0N{self.neuron}")

    def score(self, outputs: Outputs, classes: Sequence[str]) -> Float[Tensor, " n"]:
        output = outputs[self.layer][..., None]  # so that (n, d) has a position, too
        values = (output if self.channel is None else output[:, self.channel]).flatten(1)
        return values.mean(1) if self.neuron is None else values[:, self.neuron]

    def check(self, layers: Shapes, classes: Sequence[str]) -> None:
        if self.layer not in layers:
            cure = f"; for the class write logit:{_quoted(self.layer)}" if self.layer in classes else ""
            stem, _, place = self.layer.rpartition(".")
            if stem in layers and re.fullmatch("c[0-9]+(n[0-9]+)?", place):
                cure = f"; channels and neurons have capitals: {stem}.{place.upper()}"
            raise _absent("layer", self.layer, layers, [name for name in layers if "." not in name], cure)
        d, *sides = layers[self.layer] or (0,)
        if self.channel is not None and not 0 <= self.channel < d:
            raise ValueError(f"`channel` (={self.channel}) exceeds {self.layer}: {d} channels, C0 … C{d - 1}")
        n = math.prod(sides) if sides else 0
        if self.neuron is not None and not 0 <= self.neuron < n:
            size = "×".join(map(str, sides))
            rule = f"{size} = {n} positions, N0 … N{n - 1}" if n else "one number, so no N"
            raise ValueError(f"`neuron` (={self.neuron}) exceeds {self.layer}.C{self.channel}: {rule}")

    def __str__(self) -> str:
        channel = "" if self.channel is None else f".C{self.channel}"
        return _quoted(self.layer) + channel + ("" if self.neuron is None else f"N{self.neuron}")

    def __repr__(self) -> str:
        channel = "" if self.channel is None else f"channel {self.channel} of "
        return ("" if self.neuron is None else f"neuron {self.neuron} of ") + channel + self.layer


@dataclass(frozen=True)
class ClassUnit:
    """A class's logit z_i, or its probability exp(z_i) / sum_k exp(z_k); `name` may be an index, as text."""

    kind: str
    name: str
    layer: ClassVar[str] = "output"

    def index(self, classes: Sequence[str]) -> int:
        """Return the class's place among the logits, or raise a ValueError that lists the classes."""
        if self.name in classes:
            return classes.index(self.name)
        if re.fullmatch("[0-9]+", self.name) and (not classes or int(self.name) < len(classes)):
            return int(self.name)
        raise _absent("class", self.name, classes, classes or ["no class names, only indices: logit:0"])

    def score(self, outputs: Outputs, classes: Sequence[str]) -> Float[Tensor, " n"]:
        logits = outputs[self.layer]
        return {"logit": logits, "softmax": logits.softmax(1)}[self.kind][:, self.index(classes)]

    def check(self, layers: Shapes, classes: Sequence[str]) -> None:
        self.index(classes)

    def __str__(self) -> str:
        return f"{self.kind}:{_quoted(self.name)}"

    def __repr__(self) -> str:
        return f"{'logit' if self.kind == 'logit' else 'probability'} of {self.name}"


Unit = LayerUnit | ClassUnit


@dataclass(frozen=True)
class Objective:
    """Φ = sum_i w_i · unit_i, the number that an ascent makes larger (Eq. 1, §2.1).

    Terms stay as written: none is merged, dropped or moved. `str()` parses back to an equal objective.
    """

    terms: tuple[tuple[float, Unit], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple((float(weight), unit) for weight, unit in self.terms))
        weights = [weight for weight, _ in self.terms]
        if not weights or not all(map(math.isfinite, weights)):
            raise ValueError(f"`weights` (={weights}) must be finite numbers, at least one")

    @property
    def layers(self) -> set[str]:
        """The layers whose outputs `score` reads; "output" stands for the logits."""
        return {unit.layer for _, unit in self.terms}

    def score(self, outputs: Outputs, classes: Sequence[str] | None = None) -> Float[Tensor, " n"]:
        """Return Φ of every image, from the outputs of `layers`."""
        first, *rest = (weight * unit.score(outputs, classes or ()) for weight, unit in self.terms)
        return sum(rest, start=first)

    def check(self, layers: Shapes, classes: Sequence[str] | None = None) -> None:
        """Raise a ValueError that names what does exist, unless the network has every unit."""
        for _, unit in self.terms:
            unit.check(layers, classes or ())

    def __add__(self, other: "Objective") -> "Objective":
        return Objective(self.terms + other.terms) if isinstance(other, Objective) else NotImplemented

    def __radd__(self, other: int) -> "Objective":
        return self if isinstance(other, int) and other == 0 else NotImplemented  # 0 is where sum() starts

    def __sub__(self, other: "Objective") -> "Objective":
        return self + -other

    def __mul__(self, factor: float) -> "Objective":
        if not isinstance(factor, Real):
            return NotImplemented
        return Objective(tuple((float(factor) * weight, unit) for weight, unit in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> "Objective":
        return self * (1 / divisor)

    def __neg__(self) -> "Objective":
        return self * -1

    def __str__(self) -> str:
        return self._written(str, "*")

    def __repr__(self) -> str:
        return f"Objective({self._written(repr, ' × ')})"

    def _written(self, name: Callable[[Unit], str], times: str) -> str:
        text = ""
        for weight, unit in self.terms:
            factor = "" if abs(weight) == 1 else repr(abs(weight)).removesuffix(".0") + times
            text += (" - " if weight < 0 else " + ") + factor + name(unit)
        return text[3:] if self.terms[0][0] >= 0 else "-" + text[3:]


def logit(name: str) -> Objective:
    """Return the objective that is a class's logit; its address quotes a name that needs it."""
    return Objective(((1, ClassUnit("logit", name)),))


def parse(text: str) -> Objective:
    """Return the objective of an address; a ValueError says at which column one that is none goes wrong."""
    terms: list[tuple[float, Unit]] = []
    for term in _TERM.finditer(text):
        signs, weight, kind, name, layer, *place = term.groups()
        quoted = name or layer
        if terms and term.start() == len(text):
            break
        joined = not terms or signs.strip()
        if not joined or not quoted:
            at, expected = (term.end(), "a unit") if joined else (term.end(1), "+ or -")
            where = f"expected {expected} at column {at + 1}, found {(text[at:] or 'the end')!r}"
            raise ValueError(f"`text` (={text!r}) is no address: {where}; one is logit:dog - 0.5*layer4.C182")
        plain = re.sub(r"\\(.)", r"\1", quoted[1:-1]) if quoted[0] == '"' else quoted
        unit = ClassUnit(kind, plain) if kind else LayerUnit(plain, *(int(i) if i else None for i in place))
        terms.append((float(weight or 1) * (-1) ** signs.count("-"), unit))
    return Objective(tuple(terms))


def _absent(kind: str, name: str, known: Collection[str], shown: Sequence[str], cure: str = "") -> ValueError:
    alike = [one for one in known if one.lower() == name.lower()]
    near = ", ".join(alike or difflib.get_close_matches(name, known)) or "none"
    listed = ", ".join(shown[:12]) + (f", … ({len(shown)} in all)" if len(shown) > 12 else "")
    return ValueError(f"`{kind}` (={name!r}) is not in this network; nearest: {near}; it has {listed}{cure}")


def _quoted(name: str) -> str:
    plain = re.fullmatch(_NAME, name) and not re.search(rf"{_PLACE}\Z", name)
    return name if plain else '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
