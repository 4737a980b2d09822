"""What the templates say with one word: ``{% icon %}``, ``{% stage %}``, ``|money``, ``|days``... Load as ``c360``."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from html import escape
from itertools import zip_longest
from typing import Any
from uuid import uuid4

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.html import format_html, urlize
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from lifecycle.sentences import say
from lifecycle.sentences.codes import EFFECT_KINDS, EFFECT_STATES, name_code, name_entry_point
from lifecycle.services.work.colleagues import split_mentions
from lifecycle.web.stage_colors import StageColors
from lifecycle.web.submissions import SUBMISSION
from lifecycle.web.undoing import undo_of
from tenants.rules.messages import Message
from tenants.sentences.arrows import arrow
from tenants.sentences.figures import (
    name_zone,
    say_day,
    say_days,
    say_distance,
    say_money,
    say_number,
    say_timestamp,
    sign_percent,
)

register = template.Library()

NOTHING = "–"
# Icons that point on or back, which is the other way where one reads from right to left.
POINTING = frozenset({"arrow-left", "arrow-right", "log-out"})
BANDS = {"good": gettext_lazy("good"), "watch": gettext_lazy("watch"), "poor": gettext_lazy("poor")}
THOUSAND, MILLION = Decimal(1_000), Decimal(1_000_000)


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of the sprite, invisible to screen readers: the text beside it says what it means."""
    return _write_icon(name, static("vendor/lucide/icons.svg"))


@lru_cache(maxsize=256)
def _write_icon(name: str, sprite: str) -> SafeString:
    return format_html(
        '<svg class="icon{}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        " turns" if name in POINTING else "",
        sprite,
        name,
    )


register.simple_tag(arrow)


@register.simple_tag(takes_context=True)
def stage(context: Mapping[str, Any], name: str | None, extra: str = "") -> SafeString:
    """The badge of a stage, in the colours of the configuration; a stage of former days is grey."""
    if not name:
        return format_html('<span class="stage {}">{}</span>', extra, _("No stage"))
    colors: StageColors | None = context["stage_colors"].get(name)
    return format_html('<span class="stage {} {}">{}</span>', colors.css_class if colors else "", extra, name)


@register.simple_tag(takes_context=True)
def stage_class(context: Mapping[str, Any], name: str | None) -> str:
    """The class that carries the stage's colours."""
    colors: StageColors | None = context["stage_colors"].get(name or "")
    return colors.css_class if colors else ""


register.simple_tag(undo_of)


@register.simple_tag
def options(choices: Iterable[tuple[Any, Any]], chosen: Any = None) -> SafeString:
    """What a field offers, a value and its label each, written without a template: the list of customers has a hundred,
    that of time zones more. ``chosen``: the value that is selected.
    """
    written = [
        f'<option value="{escape(str(value))}"{" selected" if value == chosen else ""}>{escape(str(label))}</option>'
        for value, label in choices
    ]
    return mark_safe("".join(written))  # noqa: S308  every value is escaped above


@register.simple_tag
def suggestions(values: Iterable[Any]) -> SafeString:
    """What a field of text suggests, written as ``options``."""
    return mark_safe("".join([f'<option value="{escape(str(value))}"></option>' for value in values]))  # noqa: S308  as above


@register.filter
def owner_name(owner: str | None, names: Mapping[str, str] | None) -> str:
    """What the owner of a customer is called by ``people.name_owners``; a dash where there is none."""
    return (names or {}).get(owner, owner) if owner else NOTHING


@register.filter
def money(amount: Decimal | str | None, currency: str = "") -> str:
    """An amount in whole units: ``€120,000``."""
    if amount is None or amount == "":
        return NOTHING
    return say_money(say_number(Decimal(amount), 0), currency)


def exact_money(amount: Decimal, currency: str = "") -> str:
    """An amount to the last digit: ``€120,000``, ``€120,000.50``."""
    decimals = _count_decimals(amount)
    return say_money(say_number(amount, max(2, decimals) if decimals else 0), currency)


@register.filter
def score(value: Decimal | float | str | None) -> str:
    """A score without zeros that say nothing: ``3.7``, ``4``."""
    if value is None or value == "":
        return NOTHING
    number = Decimal(str(value))
    return say_number(number, _count_decimals(number))


def _count_decimals(number: Decimal) -> int:
    return max(0, -int(number.normalize().as_tuple().exponent))


@register.filter
def short_money(amount: Decimal | str | None, currency: str = "") -> str:
    """An amount for a glance: ``€1.2M``, ``€120k``."""
    if amount is None or amount == "":
        return NOTHING
    number = Decimal(amount)
    # Rounded first: 999,600 is a million, not a thousand thousand.
    if abs(number) >= Decimal(999_500):
        return say_money(_("%(number)sM") % {"number": say_number(number / MILLION, 1)}, currency)
    if abs(number) >= Decimal(10_000):
        return say_money(_("%(number)sk") % {"number": say_number(number / THOUSAND, 0)}, currency)
    return say_money(say_number(number, 0), currency)


@register.filter
def amounts(money: Sequence[Any]) -> str:
    """The revenue in each currency, for a glance: ``€1.2M, $120k``; empty without any."""
    return _(", ").join(short_money(amount.arr, amount.currency) for amount in money)


@register.filter
def customers(number: int) -> str:
    """``1 customer``, ``2,000 customers``."""
    return ngettext("%(number)s customer", "%(number)s customers", number) % {"number": say_number(number)}


@register.filter
def percent(number: int | Decimal) -> str:
    """A percentage with its sign: ``29%``, ``98.9%``."""
    return sign_percent(say_number(number))


@register.filter
def days(number: int | None) -> str:
    """``1 day``, ``1,204 days``."""
    if number is None:
        return NOTHING
    return say_days(abs(number))


@register.filter(expects_localtime=True)
def day(value: dt.date | str | None) -> str:
    """A date as ``12 Nov 2026``."""
    if not value:
        return NOTHING
    date = dt.date.fromisoformat(value) if isinstance(value, str) else value
    return say_day(date)


@register.simple_tag
def timestamp(value: dt.datetime | None) -> SafeString | str:
    """A point in time as ``12 Nov 2026, 14:03 UTC``, in the reader's zone, readable by machines too."""
    if value is None:
        return NOTHING
    return format_html('<time datetime="{}">{}</time>', value.astimezone(dt.UTC).isoformat(), say_timestamp(value))


@register.filter
def minute(value: dt.datetime) -> str:
    """A point in time as ``12 Nov 2026, 14:03 UTC``, in the reader's zone: what ``timestamp`` says, for a mail."""
    return say_timestamp(value)


@register.filter
def clock(value: dt.datetime) -> str:
    """A time of the day as ``14:03 UTC``, in the reader's zone."""
    here = timezone.localtime(value)
    return f"{format_date(here, 'H:i')} {name_zone(here)}"


@register.filter
def source(name: str) -> str:
    """How a change came about, as people call it."""
    return name_entry_point(name)


@register.filter
def effect_kind(code: str) -> str:
    """The kind of an automation in words."""
    return name_code(EFFECT_KINDS, code)


@register.filter
def effect_state(code: str) -> str:
    """How far an automation is, in words."""
    return name_code(EFFECT_STATES, code)


@register.filter
def band(name: str) -> str:
    """How the health of a customer is, in a word."""
    return str(BANDS.get(name, name))


@register.filter
def days_left(on: dt.date | str | None, now: dt.datetime | None = None) -> int | None:
    """How many days off a day is where one looks; negative when it is past."""
    due = dt.date.fromisoformat(on) if isinstance(on, str) and on else on
    return (due - timezone.localdate(now)).days if isinstance(due, dt.date) else None


@register.filter
def renewal_distance(left: int | None) -> str:
    """How far a renewal is off, in words."""
    return "" if left is None else say_distance(left)


@register.filter
def note_text(text: str) -> SafeString:
    """What people wrote, escaped, with its links to follow and its mentions marked."""
    parts = split_mentions(text)
    # Every second one is a mention.
    marked = (format_html('<strong class="mention">{}</strong>', part) for part in parts[1::2])
    links = [mark_safe(urlize(part, nofollow=True, autoescape=True)) for part in parts[::2]]  # noqa: S308  escaped there
    return SafeString("".join(one for pair in zip_longest(links, marked, fillvalue="") for one in pair))


@register.filter
def sentence(message: Message | str) -> str:
    """What the rules have to say."""
    return say(message)


@register.simple_tag
def submission() -> SafeString:
    """The id of a form, by which it is known when it is sent twice (``lifecycle.web.submissions``)."""
    return format_html('<input type="hidden" name="{}" value="{}">', SUBMISSION, uuid4())
