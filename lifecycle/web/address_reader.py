"""What the address of a page asks for: what cannot be read is said above what is shown in its place."""

import datetime as dt
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from lifecycle.queries.cursors import InvalidCursor, Position, decode_cursor
from lifecycle.services.insight.asking import InvalidQuestion, read_day
from lifecycle.services.work.renewals import Month, read_month
from tenants.rules.texts import shorten_text
from tenants.sentences import enumerate_names
from tenants.sentences.figures import say_day

_NUMBER: Final = re.compile("[1-9][0-9]{0,5}")


@dataclass(slots=True)
class AddressReader:
    """The parameters of an address. ``troubles`` says what of them there is not; the usual takes its place."""

    given: QueryDict
    troubles: list[str] = field(default_factory=list)

    def choose(self, name: str, choices: Collection[str], usual: Any = "") -> Any:
        """One of the choices; ``usual`` for none."""
        value = self.given.get(name, "")
        if value in choices:
            return value
        if value:
            words = {"value": shorten_text(value), "choices": enumerate_names([one for one in choices if one])}
            self.troubles.append(_("“%(value)s” is not one of the values. Choose one of: %(choices)s.") % words)
        return usual

    def read_number(self, name: str) -> int:
        """The number of a page; the first for none."""
        text = self.given.get(name, "")
        if _NUMBER.fullmatch(text):
            return int(text)
        if text:
            self.troubles.append(
                _("There is no page “%(page)s”. The first one is shown.") % {"page": shorten_text(text)}
            )
        return 1

    def read_past_day(self, today: dt.date, name: str = "day") -> dt.date:
        """A day that has been, or today; today for none."""
        try:
            day = read_day(self.given.get(name, ""), today)
        except InvalidQuestion as error:
            return self._use(str(error), today)
        # Where the reader is, the day may have begun already that ``today`` in UTC is not yet.
        if day > max(today, timezone.localdate()):
            return self._use(_("%(day)s is still to come.") % {"day": say_day(day)}, today)
        return min(day, today)

    def _use(self, trouble: str, today: dt.date) -> dt.date:
        shown = _("Today is shown.")
        self.troubles.append(f"{trouble} {shown}")
        return today

    def read_month(self, today: dt.date) -> Month:
        """The month, as addresses have it; this one for none."""
        text = self.given.get("month", "")
        month = read_month(text, today)
        if text and month is None:
            words = {"text": shorten_text(text)}
            self.troubles.append(_("“%(text)s” is no month. Write it as 2026-01. This month is shown.") % words)
        return month or Month(today.year, today.month)

    def read_day_of(self, month: Month) -> dt.date | None:
        """A day of the month; None for none."""
        text = self.given.get("day", "")
        try:
            day = read_day(text, month.first)
        except InvalidQuestion as error:
            shown = _("The whole month is shown.")
            self.troubles.append(f"{error} {shown}")
            return None
        if not month.first <= day < month.plus(1).first:
            words = {"day": say_day(day)}
            self.troubles.append(_("%(day)s is not in this month. The whole month is shown.") % words)
            return None
        return day if text else None

    def read_position(self, question: bytes) -> Position | None:
        """Where the page of a list begins; from the top for none, or when the link is of another list."""
        cursor = self.given.get("cursor", "")
        try:
            return decode_cursor(cursor, question=question) if cursor else None
        except InvalidCursor:
            self.say_expired()
            return None

    def say_expired(self) -> None:
        """That a link to a page of a list cannot be followed any more."""
        self.troubles.append(_("This page link has expired. The list is shown from its beginning."))

    @property
    def status(self) -> int:
        """Of the answer."""
        return 400 if self.troubles else 200
