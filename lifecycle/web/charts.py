"""Charts as plain SVG shapes, made on the server: no script, no style of their own, sharp in print.

A chart says what its table says; the table beside it is what screen readers read. Measures are those of the drawing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tenants.sentences.arrows import arrow
from tenants.sentences.figures import say_number, say_percent

WIDTH, HEIGHT, TOP, BOTTOM, LEFT = 960, 300, 14, 28, 52
BAR, GAP = 14, 10
QUARTERS = (0, 0.25, 0.5, 0.75, 1)


@dataclass(frozen=True, slots=True)
class Mark:
    """A label at a place."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A path in the colour of a stage; ``title`` is what it says."""

    path: str
    stage: str
    title: str
    width: float = 0


@dataclass(frozen=True, slots=True)
class Chart:
    """Shapes from behind to front, labels below and beside, and lines across."""

    shapes: Sequence[Shape]
    below: Sequence[Mark] = ()
    beside: Sequence[Mark] = ()
    lines: Sequence[float] = ()
    width: int = WIDTH
    height: int = HEIGHT


def _ticks(most: int) -> list[int]:
    """Up to six round numbers from 0."""
    size = 10 ** (len(str(most)) - 1)
    sizes = (max(1, size // 10), max(1, size // 5), max(1, size // 2), size, 2 * size)
    step = next(step for step in sizes if most / step <= 5)
    return list(range(0, most + 1, step))


def stacked(points: Sequence[tuple[str, Mapping[str, int]]], names: Mapping[str, str]) -> Chart:
    """Areas on each other: (label, key -> number) from left to right; ``names`` has the keys from below to above."""
    most = max((sum(numbers.get(key, 0) for key in names) for _, numbers in points), default=0) or 1
    across = WIDTH - LEFT - 8
    down = HEIGHT - TOP - BOTTOM
    xs = [LEFT + across * at / max(1, len(points) - 1) for at in range(len(points))]

    def y_of(number: float) -> float:
        return TOP + down * (1 - number / most)

    under = [0] * len(points)
    shapes = []
    for key, name in names.items():
        over = [low + numbers.get(key, 0) for low, (_, numbers) in zip(under, points, strict=True)]
        if over != under:
            edge = [(x, y_of(number)) for x, number in zip(xs, over, strict=True)]
            edge += [(x, y_of(number)) for x, number in reversed(list(zip(xs, under, strict=True)))]
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in edge) + "Z"
            shapes.append(Shape(path, name, f"{name}: {say_number(points[-1][1].get(key, 0))}"))
        under = over
    every = max(1, -(-len(points) // 7))
    below = [Mark(round(x, 1), HEIGHT - 8, label) for x, (label, _) in list(zip(xs, points, strict=True))[::every]]
    ticks = _ticks(most)
    return Chart(
        shapes,
        below,
        [Mark(LEFT - 8, y_of(tick) + 4, say_number(tick)) for tick in ticks],
        [y_of(tick) for tick in ticks],
    )


def curves(lines: Mapping[str, Sequence[tuple[int, float]]], names: Mapping[str, str], most: int) -> Chart:
    """Steps down from 1: key -> (day, share from that day on), until ``most`` days."""
    across, down = WIDTH - LEFT - 8, HEIGHT - TOP - BOTTOM
    most = max(1, most)

    def place(days: float, share: float) -> str:
        return f"{LEFT + across * min(days, most) / most:.1f} {TOP + down * (1 - share):.1f}"

    shapes = []
    for key, steps in lines.items():
        path, share = [f"M{place(0, 1)}"], 1.0
        for days, after in steps:
            if days > most:
                break
            path += [f"L{place(days, share)}", f"L{place(days, after)}"]
            share = after
        path.append(f"L{place(most, share)}")
        shapes.append(Shape("".join(path), names[key], names[key]))
    ticks = _ticks(most)
    return Chart(
        shapes,
        [Mark(round(LEFT + across * tick / most, 1), HEIGHT - 8, say_number(tick)) for tick in ticks],
        [Mark(LEFT - 8, TOP + down * (1 - share) + 4, say_percent(share)) for share in QUARTERS],
        [TOP + down * (1 - share) for share in QUARTERS],
    )


@dataclass(frozen=True, slots=True)
class Box:
    """A stage at one side of the Sankey diagram."""

    x: float
    y: float
    height: float
    stage: str
    text: str
    text_x: float

    @property
    def middle(self) -> float:
        """Where its label is."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Sankey:
    """Boxes at both sides and bands between; the thicker, the more moved."""

    boxes: Sequence[Box]
    bands: Sequence[Shape]
    width: int
    height: int


def sankey(moves: Mapping[tuple[str, str], int], names: Mapping[str, str]) -> Sankey:
    """From where (left) to where (right). ``names`` has the keys from top to bottom."""
    sides: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for side in (0, 1):
        for key in names:
            number = sum(count for pair, count in moves.items() if pair[side] == key)
            if number:
                sides[side][key] = number
    total = sum(moves.values()) or 1
    rows = max(len(sides[0]), len(sides[1]), 1)
    height = max(HEIGHT, rows * 34)
    scale = (height - GAP * (rows + 1)) / total
    boxes: list[Box] = []
    tops: tuple[dict[str, float], dict[str, float]] = ({}, {})
    for side, x, text_x in ((0, 220.0, 212.0), (1, WIDTH - 220.0 - BAR, WIDTH - 212.0)):
        y = float(GAP)
        for key, number in sides[side].items():
            tops[side][key] = y
            boxes.append(
                Box(
                    x,
                    round(y, 1),
                    max(1.0, round(number * scale, 1)),
                    names[key],
                    f"{names[key]}: {say_number(number)}",
                    text_x,
                )
            )
            y += number * scale + GAP
    bands = []
    for source in sides[0]:
        for target in sides[1]:
            number = moves.get((source, target), 0)
            if not number:
                continue
            wide = number * scale
            start, end = tops[0][source] + wide / 2, tops[1][target] + wide / 2
            tops[0][source] += wide
            tops[1][target] += wide
            x1, x2, middle = 220 + BAR, WIDTH - 220 - BAR, WIDTH / 2
            path = f"M{x1} {start:.1f}C{middle} {start:.1f} {middle} {end:.1f} {x2} {end:.1f}"
            bands.append(
                Shape(
                    path,
                    names[source],
                    f"{names[source]} {arrow()} {names[target]}: {say_number(number)}",
                    max(1.0, round(wide, 1)),
                )
            )
    return Sankey(boxes, bands, WIDTH, height)
