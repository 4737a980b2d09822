"""The digest speaks the language of its reader, and names times by their clock."""

import datetime as dt
import re

import pytest

from lifecycle.models import Notification
from lifecycle.services.effects.claims import claim, find_lanes
from lifecycle.services.effects.digests import render_digest
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tests.admin.test_translations import pseudo_locale
from tests.conftest import People
from tests.effects.alerts import make_due, move, own, prefer, run_all
from tests.effects.test_alerts import tenant
from tests.factories import utc_now

__all__ = ["pseudo_locale", "tenant"]

NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)


def read_digest(tenant: TenantRef, users: People) -> tuple[str, str]:
    """Its subject and its text, the person's alert being of NOON."""
    prefer(tenant, users.viewer, "digest")
    move(tenant, *own(tenant, users, "Vale & Sons"))
    run_all()
    make_due(tenant, kind="digest")
    (lane,) = (lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id)
    (job,) = claim(tenant, {lane.id: 1}, now=utc_now())
    with tenant_context(tenant.id):
        Notification.objects.filter(tenant_id=tenant.id).update(created_at=NOON)
        mail = render_digest(job)
    return mail.subject, mail.body


def test_a_digest_names_times_by_the_clock_of_its_reader(tenant: TenantRef, users: People) -> None:
    with tenant_context(tenant.id):
        User.objects.filter(id=users.viewer.id).update(time_zone="America/New_York")
    subject, text = read_digest(tenant, users)
    assert subject.startswith("1 alert from ")
    assert "- Vale & Sons: Prospect → At-Risk (Escalate), 5 Jan 2026, 07:00 EST" in text


@pytest.mark.usefixtures("pseudo_locale")
def test_every_sentence_of_a_digest_can_be_translated(tenant: TenantRef, users: People) -> None:
    subject, text = read_digest(tenant, users)
    assert subject.startswith("⟦1 alert from ")
    left = re.sub(r"⟦[^⟧]*⟧", "", text)
    assert re.findall("[A-Za-z-]{2,}", left) == ["Vale", "Sons", "Prospect", "At-Risk", "Escalate", "UTC"], text
