"""How a person wants to hear of alerts: at once, in a daily digest, or not at all."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import UUID

from lifecycle.models import Notification, NotificationPreference
from lifecycle.sentences import Refusal
from lifecycle.services.effects.bell import announce_bell
from tenants.actors import TenantRef

CHOICES: Final = NotificationPreference.CHOICES
AT_ONCE: Final = NotificationPreference.AT_ONCE
DIGEST: Final = NotificationPreference.DIGEST
OFF: Final = NotificationPreference.OFF
UTC: Final = "UTC"
# When the digest comes, on the clock of the person.
MORNING: Final = dt.time(8)


class PreferenceRefused(Refusal):
    """Nothing was saved. ``field`` is wrong."""

    def __init__(self, field: str, name: str, /, **params: Any) -> None:
        super().__init__(name, **params)
        self.field = field


@dataclass(frozen=True, slots=True)
class Preference:
    """What a person has chosen, or what holds for those who have chosen nothing."""

    alerts: str = AT_ONCE
    time_zone: str = UTC

    def next_digest(self, after: dt.datetime) -> dt.datetime | None:
        """When the next digest comes; None for those who have none."""
        return next_morning(after, self.time_zone) if self.alerts == DIGEST else None


@cache
def time_zones() -> frozenset[str]:
    """The names that this machine knows; UTC always."""
    return frozenset({UTC, *zoneinfo.available_timezones()})


def next_morning(after: dt.datetime, time_zone: str) -> dt.datetime:
    """The first morning after a moment, on the clock of a time zone (UTC where this machine does not know it)."""
    try:
        zone: dt.tzinfo = dt.UTC if time_zone == UTC else zoneinfo.ZoneInfo(time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        zone = dt.UTC
    today = after.astimezone(zone).date()
    for day in (today, today + dt.timedelta(days=1)):
        morning = dt.datetime.combine(day, MORNING, zone)
        # Compared in UTC: within one zone Python compares what the clock shows.
        if morning.astimezone(dt.UTC) > after:
            return morning
    return dt.datetime.combine(today + dt.timedelta(days=2), MORNING, zone)


def read_preference(user_id: UUID, *, tenant: TenantRef) -> Preference:
    """What the person has chosen. One statement."""
    row = NotificationPreference.objects.filter(tenant_id=tenant.id, user_id=user_id).first()
    return Preference(row.alerts, row.time_zone) if row else Preference()


def set_preference(
    user_id: UUID, *, tenant: TenantRef, now: dt.datetime, alerts: str | None = None, time_zone: str | None = None
) -> Preference:
    """Change what is given and keep the rest; what holds now. Who leaves the digest sees at once what waits for it.

    Raises PreferenceRefused.
    """
    if alerts is not None and alerts not in CHOICES:
        raise PreferenceRefused("alerts", "choose_one_of", choices=", ".join(CHOICES))
    if time_zone is not None and time_zone not in time_zones():
        raise PreferenceRefused("time_zone", "no_time_zone")
    given: dict[str, Any] = {"alerts": alerts, "time_zone": time_zone}
    changes = {name: value for name, value in given.items() if value is not None}
    if changes:
        row = NotificationPreference(
            tenant_id=tenant.id, user_id=user_id, **{"alerts": AT_ONCE, "time_zone": UTC, **changes}
        )
        # Two at once, each of another field: both are kept.
        NotificationPreference.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["tenant_id", "user_id"], update_fields=list(changes)
        )
    if changes.get("alerts", DIGEST) != DIGEST:
        waiting = Notification.objects.filter(tenant_id=tenant.id, user_id=user_id, waits_until__gt=now)
        if waiting.update(waits_until=now):
            announce_bell(tenant.id, [user_id])
    return read_preference(user_id, tenant=tenant)
