"""Judging pictures without knowing where they are from: the order, and exact tests of the votes (§2.2, §2.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from neurolens import statistics
from neurolens.statistics import Estimate

SIDES = ("left", "right")  # what is chosen between where two pictures are shown
CHOSEN = ("chosen", "not chosen")  # what is then said of each of them
MOST_CHOICES = 9  # a key for each
Shown = tuple[str, int]  # source and number of a picture


@dataclass(frozen=True)
class BlindCount:
    """How often one thing was said of one source's pictures, against chance.

    Attributes:
        source: Whose pictures.
        choice: What was said of them most often; `"chosen"` of pairs.
        hits: How often.
        n: Of so many.
        chance: The probability of saying it without looking.
        elsewhere: How often it was said of all other sources' pictures, and of how many; None of pairs.
        looks: Among how many choices this one was picked for being the most frequent: both p-values are multiplied by
            that (Bonferroni).
    """

    source: str
    choice: str
    hits: int
    n: int
    chance: float
    elsewhere: tuple[int, int] | None = None
    looks: int = 1

    @property
    def expected(self) -> float:
        """The hits that chance alone brings, on average."""
        return self.n * self.chance

    @property
    def share(self) -> Estimate:
        """The share of hits with Wilson's interval."""
        return statistics.share(torch.arange(self.n) < self.hits)

    @property
    def p(self) -> float:
        """P(a count as unlikely as this or more | chance): the exact two-sided binomial test."""
        return min(1.0, self.looks * float(stats.binomtest(self.hits, self.n, self.chance).pvalue))

    @property
    def p_elsewhere(self) -> float:
        """P(a difference from the other sources as unlikely as this or more | none): Fisher's exact test.

        Whoever says "head" of everything is far from chance, and yet has seen no difference.
        """
        if self.elsewhere is None:
            return float("nan")
        table = [[hits, n - hits] for hits, n in ((self.hits, self.n), self.elsewhere)]
        return min(1.0, self.looks * float(stats.fisher_exact(table)[1]))

    def __str__(self) -> str:
        share = self.share
        what = "pairs" if self.elsewhere is None else "pictures"
        found = f"{self.hits} of {self.n} {what}"
        against = f"({share.value:.0%}, 95% interval {share.low:.0%} to {share.high:.0%})"
        against += f"; by chance {self.expected:.1f} expected; {_p(self.p)}"
        if self.elsewhere is None:
            return f"You chose “{self.source}” in {found} {against}."
        hits, n = self.elsewhere
        others = f"Of the others you said so in {hits} of {n}; the difference: {_p(self.p_elsewhere)}"
        return f"You said “{self.choice}” of {found} of “{self.source}” {against}. {others}."


@dataclass(frozen=True)
class BlindResult:
    """What somebody said who did not know the sources.

    Attributes:
        judged: How many pictures or pairs.
        of: How many there are.
        tally: By source, how often each thing was said of its pictures; empty before the reveal.
        counts: A test for each source of which something was judged, one alone for pairs; none before the reveal.
    """

    judged: int
    of: int
    tally: dict[str, dict[str, int]]
    counts: tuple[BlindCount, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What came out, a sentence for each test."""
        if not self.judged:
            return ("Nobody has judged yet.",)
        found = tuple(str(count) for count in self.counts)
        looks = max((count.looks for count in self.counts), default=1)
        note = (f"Each p is multiplied by {looks}, as the most frequent of {looks} choices was picked.",)
        return (found + note * (looks > 1)) or ("The sources are not revealed yet.",)

    def __repr__(self) -> str:
        return f"BlindResult({self.judged} of {self.of} judged. {' '.join(self.sentences)})"


@dataclass(frozen=True)
class Ballot:
    """What is judged, in which order; `draw_ballot` draws one.

    Attributes:
        sources: Where the pictures are from.
        choices: What may be said of each; of pairs, `"left"` and `"right"`.
        trials: What is shown at a time: one picture, or two from left to right.
    """

    sources: tuple[str, ...]
    choices: tuple[str, ...]
    trials: tuple[tuple[Shown, ...], ...]

    @property
    def pairs(self) -> bool:
        """Whether two pictures are shown at a time."""
        return len(self.trials[0]) == 2

    def sealed(self, votes: Sequence[str]) -> BlindResult:
        """Return how many were judged, and nothing else."""
        return BlindResult(len(votes), len(self.trials), {}, ())

    def result(self, votes: Sequence[str]) -> BlindResult:
        """Return tally and tests of the votes for the first trials.

        Raises:
            ValueError: If there are more votes than trials, or one is none of the choices.
        """
        unknown = [vote for vote in votes if vote not in self.choices]
        if unknown or len(votes) > len(self.trials):
            raise ValueError(
                f"`votes` (={list(votes)}) must be at most {len(self.trials)}, each one of {', '.join(self.choices)}"
            )
        words = CHOSEN if self.pairs else self.choices
        tally = {source: dict.fromkeys(words, 0) for source in self.sources}
        for trial, vote in zip(self.trials, votes, strict=False):
            for (source, _), word in zip(trial, self.said(vote), strict=True):
                tally[source][word] += 1
        tests = self.sources[:1] if self.pairs else self.sources  # the second of two is the rest of the first
        counts = tuple(self._count(source, tally) for source in tests if sum(tally[source].values()))
        return BlindResult(len(votes), len(self.trials), tally, counts)

    def said(self, vote: str) -> tuple[str, ...]:
        """Return what a vote says of each picture shown: itself, or which of two was chosen."""
        if not self.pairs:
            return (vote,)
        return CHOSEN if vote == SIDES[0] else CHOSEN[::-1]

    def _count(self, source: str, tally: Mapping[str, Mapping[str, int]]) -> BlindCount:
        own = tally[source]
        n = sum(own.values())
        if self.pairs:
            return BlindCount(source, CHOSEN[0], own[CHOSEN[0]], n, 1 / 2)
        choice = max(own, key=lambda word: own[word])
        others = [tally[name] for name in self.sources if name != source]
        elsewhere = sum(other[choice] for other in others), sum(sum(other.values()) for other in others)
        return BlindCount(source, choice, own[choice], n, 1 / len(own), elsewhere, len(own))


def draw_ballot(pictures: Mapping[str, int], choices: Sequence[str] = (), seed: int = 0) -> Ballot:
    """Draw the order in which pictures are judged; of pairs, each source stands on the left in half of them.

    Args:
        pictures: By source, how many pictures there are.
        choices: What may be said of a picture; without any, pictures are compared in pairs, one from each source.
        seed: Of the order.

    Raises:
        ValueError: If there are fewer than two sources, or no pictures; if choices are fewer than two, more than there
            are keys, or alike; if pairs are to be made of more than two sources, or of different numbers of pictures.
    """
    if len(pictures) < 2:
        raise ValueError(
            f"`pictures` (={dict(pictures)}) must have two sources or more, or there is nothing to tell apart"
        )
    if empty := [source for source, size in pictures.items() if size < 1]:
        raise ValueError(f"`pictures` (={dict(pictures)}) must be 1 or more; {empty[0]} has no pictures")
    rng = np.random.default_rng(seed)
    if choices:
        if not 2 <= len(set(choices)) == len(choices) <= MOST_CHOICES or "" in choices:
            raise ValueError(
                f"`choices` (={list(choices)}) must be 2 to {MOST_CHOICES} different answers; none for pairs"
            )
        every = [(source, number) for source, size in pictures.items() for number in range(size)]
        return Ballot(tuple(pictures), tuple(choices), tuple((every[place],) for place in rng.permutation(len(every))))
    if len(pictures) != 2 or len(set(pictures.values())) > 1:
        raise ValueError(
            f"`pictures` (={dict(pictures)}) must be of two sources and alike, for each pair has one picture of each; "
            "give `choices` to judge each picture alone"
        )
    (first, n), (second, _) = pictures.items()
    swapped = rng.permutation((np.arange(n) + rng.integers(2)) % 2 == 1)  # an odd number has to lean to one side
    pairs = (((first, int(number)), (second, int(number))) for number in rng.permutation(n))
    return Ballot(
        tuple(pictures), SIDES, tuple(pair[::-1] if swap else pair for pair, swap in zip(pairs, swapped, strict=True))
    )


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
