"""The lifecycle as a picture: stages in columns by meaning, transitions as arrows, what a draft changes in color.

*Upright*, for a narrow place, its columns are rows: the way goes from top to bottom.

Plain SVG without styles or scripts, so that it needs no exception from a strict content security policy: classes carry
the colors (static/c360/diagram.css). ``diagram_words`` says the same in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal, NamedTuple

from django.utils.translation import ngettext

from tenants.rules.configuration.definitions import CATEGORIES
from tenants.rules.configuration.policy import Policy
from tenants.sentences.categories import name_category
from tenants.sentences.figures import say_number

State = Literal["kept", "added", "removed"]

WIDTH, HEIGHT = 168, 58
# Between columns, and between the stages of one; upright between rows, and between the stages of one.
COLUMN_GAP, ROW_GAP = 92, 34
UPRIGHT_GAP, UPRIGHT_ROW_GAP = 46, 26
MARGIN = 28
# Arrows that leap over columns go around the stages between: higher by this much for every column.
LEAP = 13
# Risk comes after engagement and renewal, loss at the end: the way customers go, from left to right.
COLUMNS = ("acquisition", "onboarding", "engaged", "renewal", "risk", "lost")
LONGEST_LABEL = 20
# More arrows are a black square to people, and a page of megabytes to a browser.
MOST_ARROWS = 400


@dataclass(frozen=True, slots=True)
class Node:
    """A stage at its place. ``x`` and ``y`` are the upper left corner, in SVG units."""

    name: str
    category: str
    color: str
    state: State
    customers: int | None
    is_initial: bool
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Edge:
    """A transition between two stages."""

    origin: str
    target: str
    state: State


@dataclass(frozen=True, slots=True)
class Diagram:
    """Stages and transitions, placed."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    width: int
    height: int
    is_upright: bool = False


def place_stages(
    policy: Policy,
    *,
    live: Policy | None = None,
    renamed: Mapping[str, str] | None = None,
    customers: Mapping[str, int] | None = None,
    is_upright: bool = False,
) -> Diagram:
    """Place the stages of ``policy``; with ``live``, mark what it adds to and removes from the live one.

    ``renamed`` maps live names to new ones; ``customers`` counts those that are in each live stage.
    """
    names = dict(renamed or {})
    back = {new: old for old, new in names.items()}
    before = {names.get(stage, stage): stage for stage in live.stages} if live else {}
    removed = [stage for stage in before if stage not in policy.definitions]
    cells: dict[str, list[str]] = {category: [] for category in COLUMNS}
    for stage in (*policy.stages, *removed):
        cells[_category(stage, policy, live, before)].append(stage)
    nodes = []
    columns = [category for category in COLUMNS if cells[category]]
    tallest = max((len(cells[category]) for category in columns), default=1)
    room = LEAP * max(len(columns) - 1, 0)
    step, beside = _steps(is_upright)
    for column, category in enumerate(columns):
        # Shorter columns are centred, which keeps arrows short.
        offset = (tallest - len(cells[category])) * beside // 2
        for row, stage in enumerate(cells[category]):
            source = policy if stage in policy.definitions else live
            # A new stage may be called as one is that gets another name: it has none of its customers.
            live_name = back.get(stage, "" if stage in names else stage)
            along, across = MARGIN + column * step, MARGIN + room + offset + row * beside
            nodes.append(
                Node(
                    name=stage,
                    category=category,
                    color=source.color(stage if source is policy else live_name) if source else "#666666",
                    state=_state(stage in policy.definitions, not live or stage in before),
                    customers=customers.get(live_name, 0) if customers is not None else None,
                    is_initial=stage == policy.initial,
                    x=across if is_upright else along,
                    y=along if is_upright else across,
                )
            )
    gap, gap_beside = (UPRIGHT_GAP, UPRIGHT_ROW_GAP) if is_upright else (COLUMN_GAP, ROW_GAP)
    length = 2 * MARGIN + max(len(columns), 1) * step - gap
    breadth = 2 * (MARGIN + room) + tallest * beside - gap_beside
    return Diagram(
        nodes=tuple(nodes),
        edges=tuple(_edges(policy, live, names)),
        width=breadth if is_upright else length,
        height=length if is_upright else breadth,
        is_upright=is_upright,
    )


def _steps(is_upright: bool) -> tuple[int, int]:
    """How far it is from one column to the next, and from one stage of a column to the next."""
    return (HEIGHT + UPRIGHT_GAP, WIDTH + UPRIGHT_ROW_GAP) if is_upright else (WIDTH + COLUMN_GAP, HEIGHT + ROW_GAP)


def _category(stage: str, policy: Policy, live: Policy | None, before: Mapping[str, str]) -> str:
    if stage in policy.definitions or live is None:
        return policy.category(stage)
    return live.category(before[stage])


def _state(is_there: bool, was_there: bool) -> State:
    if is_there:
        return "kept" if was_there else "added"
    return "removed"


def _edges(policy: Policy, live: Policy | None, names: Mapping[str, str]) -> list[Edge]:
    now = {(stage, to): None for stage in policy.stages for to in policy.allowed_from(stage)}
    was = (
        {(names.get(stage, stage), names.get(to, to)): None for stage in live.stages for to in live.allowed_from(stage)}
        if live
        else now
    )
    kept = [Edge(*pair, state=_state(True, pair in was)) for pair in now]
    return kept + [Edge(*pair, state="removed") for pair in was if pair not in now]


def count_customers(count: int) -> str:
    """How many customers are in a stage."""
    return ngettext("%(count)s customer", "%(count)s customers", count) % {"count": say_number(count)}


def draw_svg(diagram: Diagram, *, title: str, identifier: str = "lifecycle") -> str:
    """The picture as an SVG element. Every text is escaped; ``identifier`` must be unique in its page."""
    places = {node.name: node for node in diagram.nodes}
    # What a draft changes is drawn before what stays.
    arrows = sorted(diagram.edges, key=lambda edge: edge.state == "kept")[:MOST_ARROWS]
    if left := len(diagram.edges) - len(arrows):
        not_drawn = ngettext(
            "%(title)s; %(count)s more transition is not drawn",
            "%(title)s; %(count)s more transitions are not drawn",
            left,
        )
        title = not_drawn % {"title": title, "count": say_number(left)}
    parts = [
        f'<svg class="lifecycle-diagram{" upright" if diagram.is_upright else ""}" role="img" '
        f'aria-labelledby="{escape(identifier)}-title" '
        f'viewBox="0 0 {diagram.width} {diagram.height}" xmlns="http://www.w3.org/2000/svg">',
        f'<title id="{escape(identifier)}-title">{escape(title)}</title>',
        "<defs>",
        *(
            f'<marker id="{escape(identifier)}-{state}" class="arrow {state}" viewBox="0 0 8 8" refX="7" refY="4" '
            'markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 8 4 0 8z"/></marker>'
            for state in ("kept", "added", "removed")
        ),
        "</defs>",
    ]
    parts += [
        f'<path class="edge {edge.state}" marker-end="url(#{escape(identifier)}-{edge.state})" '
        f'd="{_path(places[edge.origin], places[edge.target], is_upright=diagram.is_upright)}"/>'
        for edge in arrows
    ]
    parts += [_draw_node(node) for node in diagram.nodes]
    parts.append("</svg>")
    return "".join(parts)


def _draw_node(node: Node) -> str:
    middle = node.x + WIDTH // 2
    # The whole name is in the title, which a pointer and a screen reader find.
    label = node.name if len(node.name) <= LONGEST_LABEL else f"{node.name[: LONGEST_LABEL - 1]}…"
    second = name_category(node.category) if node.customers is None else count_customers(node.customers)
    mark = f'<circle class="initial" cx="{node.x - 10}" cy="{node.y + HEIGHT // 2}" r="5"/>' if node.is_initial else ""
    return (
        f'<g class="stage {node.state} {escape(node.category)}"><title>{escape(node.name)}</title>{mark}'
        f'<rect x="{node.x}" y="{node.y}" width="{WIDTH}" height="{HEIGHT}" rx="10"/>'
        f'<rect class="band" fill="{escape(node.color)}" x="{node.x}" y="{node.y + 10}" width="6" '
        f'height="{HEIGHT - 20}" rx="3"/>'
        f'<text class="name" x="{middle}" y="{node.y + 25}">{escape(label)}</text>'
        f'<text class="count" x="{middle}" y="{node.y + 44}">{escape(second)}</text></g>'
    )


def _path(origin: Node, target: Node, *, is_upright: bool) -> str:
    """A curve from one stage to another: to the next column from side to side, within a column around it, over others
    above (forwards) or underneath (backwards). Upright the same, with the two directions changed.
    """
    box = _Box(HEIGHT, WIDTH, UPRIGHT_GAP) if is_upright else _Box(WIDTH, HEIGHT, COLUMN_GAP)
    one, other = ((node.y, node.x) if is_upright else (node.x, node.y) for node in (origin, target))
    points = _curve(one, other, box)
    first, *rest = (f"{across} {along}" if is_upright else f"{along} {across}" for along, across in points)
    return f"M{first}C{' '.join(rest)}"


class _Box(NamedTuple):
    """How long a stage is along the way, how broad across it, and how far the next column is."""

    length: int
    breadth: int
    gap: int


# Along the way, and across it.
_Place = tuple[int, int]


def _curve(one: _Place, other: _Place, box: _Box) -> Sequence[_Place]:
    """The points of the curve: its beginning, two that bend it, and its end."""
    (u1, v1), (u2, v2) = one, other
    middle = box.breadth // 2
    columns = abs(u2 - u1) // (box.length + box.gap)
    if columns > 1:
        return _leap(one, other, box, columns)
    if u2 > u1:
        start, end = (u1 + box.length, v1 + middle - 6), (u2, v2 + middle - 6)
        bend = max((end[0] - start[0]) // 2, min(30, box.gap // 2))
        return start, (start[0] + bend, start[1]), (end[0] - bend, end[1]), end
    if u2 == u1:
        # Down on the right, up on the left, so that the two directions do not lie on one another.
        down = v2 > v1
        u = u1 + box.length if down else u1
        bend = min(44, box.gap) if down else -min(44, box.gap)
        return (u, v1 + middle + 8), (u + bend, v1 + middle + 8), (u + bend, v2 + middle - 8), (u, v2 + middle - 8)
    start, end = (u1, v1 + middle + 8), (u2 + box.length, v2 + middle + 8)
    bend = max((start[0] - end[0]) // 2, min(30, box.gap // 2))
    return start, (start[0] - bend, start[1] + 14), (end[0] + bend, end[1] + 14), end


def _leap(one: _Place, other: _Place, box: _Box, columns: int) -> Sequence[_Place]:
    (u1, v1), (u2, v2) = one, other
    is_forward = u2 > u1
    height = MARGIN + LEAP * columns
    # Where it leaves and arrives depends on how far it goes, so that arrows do not lie on one another.
    inset = min(20, box.length // 6)
    shift = min(columns * 9, box.length // 3)
    start = u1 + (box.length - inset - shift if is_forward else inset + shift)
    end = u2 + (inset + shift if is_forward else box.length - inset - shift)
    side1, side2 = (v1, v2) if is_forward else (v1 + box.breadth, v2 + box.breadth)
    edge = min(side1, side2) - height if is_forward else max(side1, side2) + height
    bend = (end - start) // 5
    return (start, side1), (start + bend, edge), (end - bend, edge), (end, side2)


assert set(COLUMNS) == set(CATEGORIES)  # noqa: S101  a category without a column would lose its stages
