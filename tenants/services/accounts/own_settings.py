"""What people choose for themselves: the language of the pages, and the time zone of what they show."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.conf import settings
from django.utils import timezone, translation

from tenants.models import User
from tenants.services.accounts import own_account, people


class UnknownSetting(Exception):
    """A language or a time zone that there is not. ``field`` is ``language`` or ``time_zone``."""

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(field)


@lru_cache(maxsize=1)
def time_zones() -> tuple[str, ...]:
    """The names that can be chosen (``Europe/Berlin``), in alphabetical order: places, and UTC."""
    return tuple(
        sorted({name for name in available_timezones() if "/" in name and not name.startswith("Etc/")} | {"UTC"})
    )


def languages() -> list[tuple[str, str]]:
    """The languages that there are a catalog of: code and own name."""
    return [(code, str(name)) for code, name in settings.LANGUAGES]


def choose_settings(user_id: UUID, *, language: str, time_zone: str, now: dt.datetime) -> User:
    """Choose one's own language and time zone; empty: as the browser asks, and UTC.

    Raises UnknownSetting and PersonChangeRefused; nothing was changed then.
    """
    if language and language not in dict(settings.LANGUAGES):
        raise UnknownSetting("language")
    if time_zone and time_zone not in time_zones():
        raise UnknownSetting("time_zone")
    return people.set_own_settings(
        user_id, language=language, time_zone=time_zone, now=now, **own_account.as_oneself(user_id)
    )


@contextmanager
def in_settings_of(user: User, *, times: bool = True) -> Iterator[None]:
    """Sentences in the user's language, and times in their zone. A language or zone that is gone counts as none."""
    zone = zone_of(user.time_zone) if times else dt.UTC
    with translation.override(_language_of(user)), timezone.override(zone):
        yield


def _language_of(user: User) -> str:
    return user.language if user.language in dict(settings.LANGUAGES) else translation.get_language()


@lru_cache(maxsize=1000)
def zone_of(name: str) -> dt.tzinfo:
    """The zone of a name; UTC for none, and for one that is no longer known."""
    try:
        return ZoneInfo(name) if name else dt.UTC
    except (ZoneInfoNotFoundError, ValueError):
        return dt.UTC
