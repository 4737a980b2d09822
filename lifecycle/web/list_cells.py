"""The rows of the customer list and the cards of the board, written without a template. Load as ``cells``.

Fifty rows of a dozen cells were two thirds of what the page costs: a template walks thousands of nodes for them. Texts,
labels and addresses are looked up once here, and each cell is a function of its row. See decision 35.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any, Final
from uuid import UUID

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from lifecycle.queries.list_columns import COLUMNS_BY_NAME
from lifecycle.web.board import ShownCard
from lifecycle.web.list_controls import ColumnChoice
from lifecycle.web.stage_colors import StageColors
from lifecycle.web.tags import NOTHING, band, day, days, icon, renewal_distance, score, sentence, short_money, timestamp
from tenants.sentences.figures import say_number

register = template.Library()

Row = Mapping[str, Any]
_ANY: Final = UUID(int=0)


@dataclass(frozen=True)
class Shown:
    """What all rows of one page share. ``may_select``: each row has a box to choose it. ``owners``: what they are
    called, as ``people.name_owners``."""

    colors: Mapping[str, StageColors]
    may_select: bool
    owners: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def past_target(self) -> str:
        """Follows the days by which a customer is past the target of its stage."""
        return _("%(days_over)s past target")

    @cached_property
    def select(self) -> str:
        """What the box of a row says."""
        return _("Select %(name)s")

    @cached_property
    def move(self) -> str:
        """What the button of a card says."""
        return _("Move %(name)s to")

    @cached_property
    def judged(self) -> str:
        """Follows a score."""
        return _("of 100, %(band)s")

    @cached_property
    def customer(self) -> tuple[str, str]:
        """The address of a customer's page, before and after its id."""
        return _around("customer-page")

    @cached_property
    def move_customer(self) -> tuple[str, str]:
        """The address where a customer is moved, before and after its id."""
        return _around("move-customer")

    def select_box(self, id_: UUID, name: str) -> str:
        """The box that chooses a customer, if there is one."""
        if not self.may_select:
            return ""
        label = escape(self.select % {"name": name})
        return (
            f'<label class="tick"><input class="form-check-input" type="checkbox" name="customer" value="{id_}"'
            ' form="selection" autocomplete="off">'
            f'<span class="visually-hidden">{label}</span></label>'
        )

    def stage(self, name: str) -> str:
        """The badge of a stage."""
        colors = self.colors.get(name)
        return f'<span class="stage {colors.css_class if colors else ""}">{escape(name)}</span>'

    def owner(self, owner: str) -> str:
        """Who looks after a customer; of those who are called by a name the user name is in its title."""
        if not owner:
            return NOTHING
        name = self.owners.get(owner)
        return escape(owner) if name is None else f'<span title="{escape(owner)}">{escape(name)}</span>'

    def late(self, days_over: int) -> str:
        """By how much a customer is past the target of its stage."""
        return escape(self.past_target % {"days_over": days(days_over)})


def _around(name: str) -> tuple[str, str]:
    before, _id, after = reverse(name, args=[_ANY]).partition(str(_ANY))
    return before, after


def _customer(row: Row, shown: Shown) -> str:
    before, after = shown.customer
    id_, segment = row["customer_id"], row["segment"]
    under = f" · {escape(segment)}" if segment else ""
    return (
        f"{shown.select_box(id_, row['name'])}"
        f'<a class="name" id="c-{id_}" href="{before}{id_}{after}">{escape(row["name"])}</a>'
        f'<span class="under">{escape(row["external_id"])}{under}</span>'
    )


def _stage(row: Row, shown: Shown) -> str:
    reason = row["reason_code"]
    return shown.stage(row["stage"]) + (f'<span class="under">{escape(reason)}</span>' if reason else "")


def _days_in_stage(row: Row, shown: Shown) -> str:
    over = row["days_over"]
    return days(row["days_in_stage"]) + (f'<span class="under late">{shown.late(over)}</span>' if over else "")


def _health(row: Row, shown: Shown) -> str:
    score, name = row["health"]["score"], row["health"]["band"]
    if score is None:
        return (
            f'<span class="faint" title="{escape(_("No figures yet"))}">–'
            f'<span class="visually-hidden"> {escape(_("no figures yet"))}</span></span>'
        )
    said = escape(shown.judged % {"band": band(name)})
    return f'<span class="band {name}">{score}<span class="visually-hidden"> {said}</span></span>'


def _at_stake(row: Row, _shown: Shown) -> str:
    reason = escape(sentence(row["urgency_reason"]))
    amount = escape(short_money(row["at_stake"], row["currency"]))
    return f'<span title="{reason}">{amount}<span class="visually-hidden">: {reason}</span></span>'


def _renewal(row: Row, _shown: Shown) -> str:
    left = row["days_to_renewal"]
    distance = "" if left is None else f'<span class="under">{escape(renewal_distance(left))}</span>'
    return f"{escape(day(row['renewal_on']))}{distance}"


def _open_issues(row: Row, _shown: Shown) -> str:
    count = row["open_issues"]
    return NOTHING if count is None else escape(say_number(count))


def _money(name: str) -> Callable[[Row, Shown], str]:
    return lambda row, _shown: escape(short_money(row[name], row["currency"]))


def _text(name: str) -> Callable[[Row, Shown], str]:
    return lambda row, _shown: escape(str(NOTHING if row[name] in (None, "") else row[name]))


# The content of each cell, by the name of its column.
CELLS: Final[Mapping[str, Callable[[Row, Shown], str]]] = {
    "customer": _customer,
    "stage": _stage,
    "days_in_stage": _days_in_stage,
    "health": _health,
    "at_stake": _at_stake,
    "arr": _money("arr"),
    "renewal": _renewal,
    "owner": lambda row, shown: shown.owner(row["owner"]),
    "segment": _text("segment"),
    "industry": _text("industry"),
    "open_issues": _open_issues,
    "csat": lambda row, _shown: escape(score(row["csat"])),
    "overdue": _money("balance_overdue"),
    "changed": lambda row, _shown: str(timestamp(row["updated_at"])),
}


@register.simple_tag(takes_context=True)
def customer_rows(context: Mapping[str, Any], rows: Iterable[Row], columns: Iterable[Any]) -> SafeString:
    """The rows of the table, a cell for each of these columns."""
    shown = Shown(context["stage_colors"], context["may_select"], context.get("owner_names", {}))
    cells = [(_open_cell(column.name), CELLS[column.name]) for column in columns]
    written = [
        f"<tr>{''.join(f'{opening}{write(row, shown)}</td>' for opening, write in cells)}</tr>\n" for row in rows
    ]
    return mark_safe("".join(written))  # noqa: S308  every value is escaped above


def _open_cell(name: str) -> str:
    if name == "customer":
        return '<td class="main-cell">'
    column = COLUMNS_BY_NAME[name]
    kind = ' class="number"' if column.number else ""
    return f'<td{kind} data-label="{escape(str(column.label))}">'


@register.simple_tag
def choices_of_columns(choices: Iterable[ColumnChoice]) -> SafeString:
    """Every column with the links that show or hide it, and move it."""
    earlier, later, hide, show = (escape(text) for text in (_("Earlier"), _("Later"), _("Hide"), _("Show")))
    written = []
    for choice in choices:
        label = escape(str(choice.label))
        links = ((choice.earlier, earlier), (choice.later, later), (choice.toggle, hide if choice.is_shown else show))
        faint = "" if choice.is_shown else ' class="faint"'
        written.append(f"<li><span{faint}>{label}</span>")
        written += [
            f' <a href="{escape(address)}">{text}<span class="visually-hidden">: {label}</span></a>'
            for address, text in links
            if address
        ]
        written.append("</li>\n")
    return mark_safe("".join(written))  # noqa: S308  every value is escaped above


@register.simple_tag(takes_context=True)
def board_cards(context: Mapping[str, Any], cards: Iterable[ShownCard]) -> SafeString:
    """The cards of one stage of the board."""
    shown = Shown(context["stage_colors"], context["may_select"], context.get("owner_names", {}))
    return mark_safe("".join(_write_card(one, shown) for one in cards))  # noqa: S308  every value is escaped there


def _write_card(one: ShownCard, shown: Shown) -> str:
    card = one.card
    before, after = shown.customer
    id_, name = card.customer_id, escape(card.name)
    late = f' <span class="late">{shown.late(one.days_over)}</span>' if one.days_over else ""
    owner = f" · {shown.owner(card.owner)}" if card.owner else ""
    move, draggable = "", ""
    if shown.may_select:
        to, then = shown.move_customer
        label = escape(shown.move % {"name": card.name})
        draggable = ' draggable="true"'
        move = (
            f'<a class="move-to" id="move-{id_}" href="{to}{id_}{then}?place=board" data-move aria-haspopup="menu"'
            f' draggable="false" aria-label="{label}">{icon("arrow-right-left")}</a>'
        )
    return (
        f'<li class="card-of-board" id="card-{id_}" data-customer="{id_}" data-name="{name}"{draggable}>'
        f"{shown.select_box(id_, card.name)}"
        f'<div><a class="name" href="{before}{id_}{after}" draggable="false">{name}</a>'
        f'<p class="soft small">{escape(short_money(card.arr, card.currency or ""))} · {days(one.days_in_stage)}'
        f"{late}{owner}</p></div>{move}</li>\n"
    )
