"""What an exercise is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        task: What is asked, in half a sentence.
        right: The answer, from what the notebook hands over; of a function, its value on the example.
        mistakes: Typical ways to go wrong: what to say of each, and what comes out that way.
        example: What to try a function on; None where the answer is no function.
    """

    task: str
    right: Callable[..., Any]
    mistakes: Mapping[str, Callable[..., Any]]
    example: Callable[[], tuple[Any, ...]] | None = None
