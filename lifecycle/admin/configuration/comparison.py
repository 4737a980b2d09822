"""Two texts line by line, in time that grows with their length and not with its square, whatever the lines are."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal

from django.utils.translation import ngettext

from tenants.sentences.figures import say_number

# Each level of the search takes time in proportion to the lines; what is deeper is shown as replaced as a whole.
DEEPEST = 12
# Lines without a change that are shown around one.
CONTEXT = 3
MOST_LINES = 2000
LONGEST_LINE = 400

Side = Literal["both", "theirs", "own", "skipped"]
Line = tuple[Side, str]
# Of a part of both texts: theirs from, to; own from, to.
_Part = tuple[int, int, int, int]


def compare_lines(theirs: Sequence[str], own: Sequence[str]) -> Iterator[Line]:
    """The two texts as one: each line is in ``both``, or only in ``theirs`` or ``own``. Nothing is left out.

    Patience diff: lines that both texts have exactly once hold the comparison together, within them the same again. At
    most ``DEEPEST`` levels, O(n log n) each.
    """
    done = 0, 0
    for start, other, size in _find_equal(theirs, own):
        yield from (("theirs", line) for line in theirs[done[0] : start])
        yield from (("own", line) for line in own[done[1] : other])
        yield from (("both", line) for line in theirs[start : start + size])
        done = start + size, other + size


def shorten_comparison(lines: Iterator[Line]) -> Iterator[Line]:
    """What people look at: the changes and the lines around them, at most ``MOST_LINES``; the rest is counted."""
    shown = left = 0
    for line in _fold_equal(lines):
        if shown < MOST_LINES:
            shown += 1
            yield line[0], line[1] if len(line[1]) <= LONGEST_LINE else f"{line[1][:LONGEST_LINE]}…"
        else:
            left += 1
    if left:
        sentence = ngettext(
            "%(count)s more line is not shown; download the saved draft to compare it.",
            "%(count)s more lines are not shown; download the saved draft to compare them.",
            left,
        )
        yield "skipped", sentence % {"count": say_number(left)}


def _fold_equal(lines: Iterator[Line]) -> Iterator[Line]:
    runs = [(side, list(run)) for side, run in groupby(lines, key=lambda line: line[0])]
    for number, (side, run) in enumerate(runs):
        if side != "both":
            yield from run
            continue
        head = run[: CONTEXT if number else 0]
        tail = run[max(len(head), len(run) - CONTEXT) :] if number < len(runs) - 1 else []
        yield from head
        if skipped := len(run) - len(head) - len(tail):
            lines_skipped = ngettext("%(count)s equal line", "%(count)s equal lines", skipped)
            yield "skipped", lines_skipped % {"count": say_number(skipped)}
        yield from tail


def _find_equal(theirs: Sequence[str], own: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Runs of equal lines, in order: where they begin in both, and how long they are; at last an empty one."""
    equal: list[tuple[int, int, int]] = [(len(theirs), len(own), 0)]
    parts: list[_Part] = [(0, len(theirs), 0, len(own))]
    for _ in range(DEEPEST):
        parts = [inner for part in parts for inner in _split(theirs, own, part, equal)]
    return iter(sorted(equal))


def _split(
    theirs: Sequence[str], own: Sequence[str], part: _Part, equal: list[tuple[int, int, int]]
) -> Iterator[_Part]:
    """Take equal lines at both ends and the lines that are unique in both out of a part; what is left between them."""
    start, end, other, other_end = part
    size = 0
    while start + size < end and other + size < other_end and theirs[start + size] == own[other + size]:
        size += 1
    tail = 0
    while (
        start + size < end - tail
        and other + size < other_end - tail
        and (theirs[end - tail - 1] == own[other_end - tail - 1])
    ):
        tail += 1
    equal += [(start, other, size), (end - tail, other_end - tail, tail)]
    start, other, end, other_end = start + size, other + size, end - tail, other_end - tail
    if start == end or other == other_end:
        return
    for line, other_line in _find_anchors(theirs, own, (start, end, other, other_end)):
        yield start, line, other, other_line
        start, other = line, other_line
    if (start, end, other, other_end) != part:
        yield start, end, other, other_end


def _find_anchors(theirs: Sequence[str], own: Sequence[str], part: _Part) -> list[tuple[int, int]]:
    """The longest rising sequence of lines that are in both exactly once."""
    start, end, other, other_end = part
    counts, other_counts = Counter(theirs[start:end]), Counter(own[other:other_end])
    places = {own[place]: place for place in range(other, other_end)}
    pairs = [
        (place, places[line])
        for place in range(start, end)
        if counts[line := theirs[place]] == 1 and other_counts[line] == 1
    ]
    # Patience sorting: the last pair of each pile, and before each pair the one that it may follow.
    tops: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for number, (_, place) in enumerate(pairs):
        pile = bisect_left(tops, place)
        before.append(last[pile - 1] if pile else -1)
        tops[pile : pile + 1] = [place]
        last[pile : pile + 1] = [number]
    found = []
    number = last[-1] if last else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]
