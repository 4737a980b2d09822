"""Documents that grow: the same small thing again and again, as somebody writes who wants to keep a server busy."""

import gc
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import strategies as st

from tests.rules.documents import FULL, any_json

# What is left of a request's limit of 1 MiB beside the rest of the body.
ACCEPTED_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Growing:
    """A document whose part ``key`` holds ``item`` over and over, numbered or not, under some levels of lists."""

    key: str
    item: Any
    is_numbered: bool
    is_object: bool
    depth: int

    def build(self, size: int) -> dict[str, Any]:
        """The document with about ``size`` bytes."""
        one = len(json.dumps(self._make(10_000), ensure_ascii=False)) + 2
        count = max(1, size // (one + (9 if self.is_object else 0)))
        part: Any = (
            {f"k{number:05}": self._make(number) for number in range(count)}
            if self.is_object
            else [self._make(number) for number in range(count)]
        )
        for _ in range(self.depth):
            part = [part]
        return {**FULL, self.key: part}

    def _make(self, number: int) -> Any:
        return _number_texts(self.item, number) if self.is_numbered else self.item


def _number_texts(value: Any, number: int) -> Any:
    if isinstance(value, dict):
        return {key: _number_texts(inner, number) for key, inner in value.items()}
    if isinstance(value, list):
        return [_number_texts(inner, number) for inner in value]
    return f"{value[:60]}{number:05}" if isinstance(value, str) else value


items = st.one_of(
    any_json,
    st.sampled_from([*FULL["event_rules"], *FULL["effects"], "A", "Prospect", "é" * 40, ["Active"], {}, []]),
)
growing = st.builds(
    Growing,
    key=st.sampled_from([*FULL, "no such key"]),
    item=items,
    is_numbered=st.booleans(),
    is_object=st.booleans(),
    depth=st.sampled_from([0, 0, 0, 1, 5, 28]),
)


def measure(work: Callable[[], object], *, enough: float = 0.0) -> float:
    """Seconds of the processor that a piece of work takes, at the least: of three times, or of the first few until one
    is under ``enough``, as then no other can show that it takes longer.

    Without looks for garbage: they go through all that the process holds, which is the more the later a test comes.
    """
    least = math.inf
    for _ in range(3):
        was_enabled = gc.isenabled()
        gc.disable()
        began = time.thread_time()
        try:
            work()
        finally:
            seconds = time.thread_time() - began
            if was_enabled:
                gc.enable()
        least = min(least, seconds)
        if least < enough or seconds > 5:
            break
    return least


def assert_linear(build: Callable[[int], Any], work: Callable[[Any], object], *, size: int, most: float) -> None:
    """Eight times as much takes about eight times as long, and ``most`` seconds at the end.

    A square would be 64 times as long. Both are measured again when it looks like one: another process may have been
    in the way. What is short is not measured well, and passes beside any eighth.
    """
    short, times = 0.015, 20
    document, eighth = build(size), build(size // 8)
    large = measure(partial(work, document), enough=min(most, times * short))
    assert large < most, f"{size:,} bytes take {large:.2f} s"
    small = short
    for _ in range(3):
        if large < times * small:
            return
        small = max(short, measure(partial(work, eighth)))
        if large < times * small:
            return
        large = measure(partial(work, document))
    raise AssertionError(f"{small:.3f} s for an eighth, {large:.3f} s for all of {size:,} bytes")
