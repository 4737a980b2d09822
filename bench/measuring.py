"""Rates and times, taken in turns: whatever else the machine does meets every contender alike."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Operation = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Rates:
    """Operations a second of each contender, a value a round."""

    by_name: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """The median rate."""
        return statistics.median(self.by_name[name])

    def ratio(self, name: str, peer: str) -> float:
        """The median of the rounds' ratios: both sides of each were taken within the same second or two."""
        return statistics.median(a / b for a, b in zip(self.by_name[name], self.by_name[peer], strict=True))


def take_turns(contenders: Mapping[str, Operation], *, rounds: int, seconds: float) -> Rates:
    """Run each contender for ``seconds`` in turn, ``rounds`` times over; the first round only warms up."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    gc.collect()
    for number in range(rounds + 1):
        for name, operation in contenders.items():
            rate = _measure_rate(operation, seconds if number else seconds / 2)
            if number:
                rates[name].append(rate)
    return Rates(rates)


def _measure_rate(operation: Operation, seconds: float) -> float:
    done, begin = 0, time.perf_counter()
    until = begin + seconds
    while True:
        operation()
        done += 1
        now = time.perf_counter()
        if now >= until:
            return done / (now - begin)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
