"""The rows of what is to be renewed and of what was, written without a template. Load as ``renewals``.

There may be a hundred and fifty on the page, and a template walked 5,000 nodes for them (decision 35).
"""

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any, Final
from uuid import UUID

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from lifecycle.web.tags import NOTHING, band, day, money, owner_name, renewal_distance, stage, timestamp
from tenants.sentences.figures import sign_percent

register = template.Library()

Row = Mapping[str, Any]
Context = Mapping[str, Any]
_ANY: Final = UUID(int=0)


@register.simple_tag(takes_context=True)
def due_rows(context: Context, rows: Iterable[Row]) -> SafeString:
    """What is to be renewed, a row each."""
    labels = [_("Due"), _("Stage"), _("Value"), _("Health"), _("Likely")]
    due, staged, value, health, likely = (f' data-label="{escape(label)}"' for label in labels)
    link = _customer_link(context)

    def write(row: Row) -> str:
        late = " late" if row["days"] < 0 else ""
        reason = row["reason_code"]
        return (
            f'<tr><td{due}>{escape(day(row["renewal_on"]))}<span class="under{late}">'
            f"{escape(renewal_distance(row['days']))}</span></td>"
            f"{link(row)}"
            f"<td{staged}>{stage(context, row['stage'])}{_under(reason)}</td>"
            f'<td class="number"{value}>{escape(money(row["arr"], row["currency"]))}</td>'
            f'<td class="number"{health}>{_health(row)}</td>'
            f'<td class="number"{likely}>{escape(sign_percent(row["likely"]))}</td></tr>\n'
        )

    return mark_safe("".join(map(write, rows)))  # noqa: S308  every value is escaped above


@register.simple_tag(takes_context=True)
def renewed_rows(context: Context, rows: Iterable[Row]) -> SafeString:
    """What was renewed, a row each."""
    labels = [_("Renewed"), _("Stage"), _("Until"), _("Value"), _("Before")]
    renewed, staged, until, value, before = (f' data-label="{escape(label)}"' for label in labels)
    link = _customer_link(context)
    reported, former = _("reported by %(source)s"), _("before: %(day)s")

    def write(row: Row) -> str:
        source = reported % {"source": row["source"]} if row["source"] else ""
        day_before = former % {"day": day(row["until_before"])} if row["until_before"] else ""
        return (
            f"<tr><td{renewed}>{timestamp(row['effective_at'])}{_under(source)}</td>"
            f"{link(row)}"
            f"<td{staged}>{stage(context, row['stage'])}</td>"
            f"<td{until}>{escape(day(row['until']))}{_under(day_before)}</td>"
            f'<td class="number"{value}>{escape(money(row["arr"], row["currency"]))}</td>'
            f'<td class="number"{before}>{escape(money(row["arr_before"], row["currency"]))}</td></tr>\n'
        )

    return mark_safe("".join(map(write, rows)))  # noqa: S308  every value is escaped above


def _customer_link(context: Context) -> Callable[[Row], str]:
    """The cell of the customer: their page, who looks after them, which contract."""
    address, _id, rest = reverse("customer-page", args=[_ANY]).partition(str(_ANY))
    owners = context["owner_names"]

    def write(row: Row) -> str:
        contract = f" · {escape(row['contract_id'])}" if row["contract_id"] else ""
        page = f"{address}{row['customer_id']}{rest}"
        return (
            f'<td class="main-cell"><a class="name" href="{page}">{escape(row["name"])}</a>'
            f'<span class="under">{escape(owner_name(row["owner"], owners))}{contract}</span></td>'
        )

    return write


def _health(row: Row) -> str:
    if row["health"] is None:
        return NOTHING
    name = row["band"]
    return (
        f'<span class="band {escape(name)}">{row["health"]}'
        f'<span class="visually-hidden"> {escape(band(name))}</span></span>'
    )


def _under(text: str) -> str:
    return f'<span class="under">{escape(text)}</span>' if text else ""
