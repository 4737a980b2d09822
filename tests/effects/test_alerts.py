"""Alerts reach people as they choose: at once, in one digest a morning, or not; and others if no one acknowledges."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import RFC_4122, uuid4

import orjson
import pytest
from django.conf import settings
from redis import Redis
from rest_framework.test import APIClient

from lifecycle.delivery.senders import deliver
from lifecycle.models import EffectRun, Notification, NotificationPreference
from lifecycle.services.cache.cache_keys import live_channel
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.effects import queue
from lifecycle.services.effects.claims import claim, find_lanes
from lifecycle.services.effects.digests import digest_id
from lifecycle.services.effects.notifications import mark_read
from lifecycle.services.effects.preferences import next_morning
from lifecycle.services.effects.queue import hand_over
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tests.conftest import People
from tests.effects.alerts import ALERT, STAGES, make_due, move, own, prefer, run_all, runs, states, unread
from tests.factories import ADMIN_ACTOR, CustomerFactory, TenantFactory, utc_now
from tests.mailing import SITE, Mailbox


@pytest.fixture
def tenant(db: None) -> TenantRef:
    return TenantFactory(configuration={**STAGES, "effects": [ALERT]})


Threads = Callable[[int, Callable[[int], Any]], list[Any]]


# --- mornings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "zone", "expected"),
    [
        ("2026-11-27T07:59:59+00:00", "UTC", "2026-11-27T08:00:00+00:00"),
        ("2026-11-27T08:00:00+00:00", "UTC", "2026-11-28T08:00:00+00:00"),
        ("2026-11-27T06:59:00+00:00", "Europe/Berlin", "2026-11-27T07:00:00+00:00"),
        ("2026-11-27T07:30:00+00:00", "Europe/Berlin", "2026-11-28T07:00:00+00:00"),
        ("2026-03-28T12:00:00+00:00", "Europe/Berlin", "2026-03-29T06:00:00+00:00"),
        ("2026-10-24T12:00:00+00:00", "Europe/Berlin", "2026-10-25T07:00:00+00:00"),
        ("2026-11-27T20:00:00+00:00", "Asia/Tokyo", "2026-11-27T23:00:00+00:00"),
        ("2026-11-27T13:00:00+00:00", "Pacific/Kiritimati", "2026-11-27T18:00:00+00:00"),
        ("2026-11-27T07:00:00+00:00", "Mars/Olympus", "2026-11-27T08:00:00+00:00"),
    ],
)
def test_the_digest_comes_at_eight_on_the_person_s_clock(now: str, zone: str, expected: str) -> None:
    morning = next_morning(dt.datetime.fromisoformat(now), zone)
    assert morning.astimezone(dt.UTC).isoformat() == expected


def test_a_digest_has_one_id_a_person_and_day() -> None:
    tenant_id, user_id, day = uuid4(), uuid4(), dt.date(2026, 11, 27)
    made = digest_id(tenant_id, user_id, day)
    assert made == digest_id(tenant_id, user_id, day)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert len({made, digest_id(tenant_id, uuid4(), day), digest_id(uuid4(), user_id, day)}) == 3
    assert made < digest_id(tenant_id, user_id, day + dt.timedelta(days=1)), "in the order of days"


# --- preferences --------------------------------------------------------------------------------------------------


def test_who_has_turned_alerts_off_gets_none_and_the_row_says_why(tenant: TenantRef, users: People) -> None:
    prefer(tenant, users.viewer, "off")
    move(tenant, *own(tenant, users, "Vale"))
    run_all()
    assert states(tenant) == [("suppressed", "preference_off")]
    assert unread(tenant, users.viewer) == 0


def test_the_digest_is_one_mail_about_all_that_is_still_open(
    tenant: TenantRef, users: People, mailbox: Mailbox
) -> None:
    prefer(tenant, users.viewer, "digest", time_zone="Europe/Berlin")
    customers = own(tenant, users, "Vale & Sons", "Grüße GmbH", "Erased")
    move(tenant, *customers)
    run_all()
    assert states(tenant, kind="alert") == [("done", "")] * 3
    (digest,) = runs(tenant, kind="digest")
    assert (digest.state, digest.recipient, digest.customer_id.int) == ("due", f"user:{users.viewer.id}", 0)
    assert digest.due_at == next_morning(digest.created_at, "Europe/Berlin")
    assert unread(tenant, users.viewer) == 0, "not before the morning"
    assert mailbox.about(users.viewer.email) == []

    with tenant_context(tenant.id):
        erase_customer(customers[2].external_id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now(), reason="Asked")
    make_due(tenant, kind="digest")
    run_all()
    run_all()
    (mail,) = mailbox.about(users.viewer.email)
    assert mail["Message-ID"] == f"<{digest.id}@c360.example.com>"
    assert mail["Subject"].startswith("2 alerts from ")
    text = mail.get_content()
    assert "- Vale & Sons: Prospect → At-Risk (Escalate)" in text
    assert "- Grüße GmbH: Prospect → At-Risk (Escalate)" in text
    assert "Erased" not in text
    assert f"{SITE}/notifications\r\n" in text
    assert states(tenant, kind="digest") == [("done", "")]
    assert unread(tenant, users.viewer) == 3


def test_alerts_that_are_filed_at_once_make_one_digest(tenant: TenantRef, users: People, in_threads: Threads) -> None:
    prefer(tenant, users.viewer, "digest")
    move(tenant, *own(tenant, users, *"abcdefgh"))
    (lane,) = (lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id)
    jobs = claim(lane.tenant, {lane.id: 8}, now=utc_now())
    assert {result.state for result in in_threads(8, lambda number: deliver(jobs[number]))} == {"done"}
    assert len(runs(tenant, kind="digest")) == 1
    with tenant_context(tenant.id):
        filed = Notification.objects.filter(tenant_id=tenant.id, user_id=users.viewer.id)
        assert {note.digest_id for note in filed} == {runs(tenant, kind="digest")[0].id}
        assert filed.count() == 8


def test_a_worker_that_dies_while_it_files_leaves_neither_half(
    tenant: TenantRef, users: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefer(tenant, users.viewer, "digest")
    move(tenant, *own(tenant, users, "Vale"))
    (lane,) = (lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id)
    (job,) = claim(lane.tenant, {lane.id: 8}, now=utc_now())
    with monkeypatch.context() as patch:
        patch.setattr(Notification.objects, "bulk_create", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            deliver(job)
    assert runs(tenant, kind="digest") == []
    assert deliver(job).state == deliver(job).state == "done"
    with tenant_context(tenant.id):
        assert Notification.objects.filter(tenant_id=tenant.id).count() == 1


def test_a_digest_that_was_handed_over_is_never_sent_again_and_the_next_alert_has_the_next(
    tenant: TenantRef, users: People, mailbox: Mailbox
) -> None:
    prefer(tenant, users.viewer, "digest")
    first, second = own(tenant, users, "First", "Second")
    move(tenant, first)
    run_all()
    make_due(tenant, kind="digest")
    (lane,) = (lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id)
    (job,) = claim(lane.tenant, {lane.id: 1}, now=utc_now())
    assert hand_over(job)
    with tenant_context(tenant.id):
        EffectRun.objects.filter(id=job.id).update(lease_until=utc_now() - dt.timedelta(seconds=1))
    queue.recover_lapsed()
    run_all()
    assert states(tenant, kind="digest") == [("unknown", "interrupted")]
    assert mailbox.about(users.viewer.email) == []
    move(tenant, second)
    run_all()
    days = [run.effect for run in runs(tenant, kind="digest")]
    assert len(days) == len(set(days)) == 2, "the first has gone out, perhaps: what comes later is in the next"
    assert [run.state for run in runs(tenant, kind="digest")] == ["unknown", "due"]


def test_who_leaves_the_digest_sees_at_once_what_waited(tenant: TenantRef, users: People, mailbox: Mailbox) -> None:
    prefer(tenant, users.viewer, "digest")
    move(tenant, *own(tenant, users, "Vale"))
    run_all()
    assert unread(tenant, users.viewer) == 0
    prefer(tenant, users.viewer, "at_once")
    assert unread(tenant, users.viewer) == 1
    make_due(tenant, kind="digest")
    run_all()
    assert states(tenant, kind="digest") == [("suppressed", "no_digest")]
    assert mailbox.about(users.viewer.email) == []


def test_a_digest_of_what_was_read_or_for_someone_who_left_is_not_sent(
    tenant: TenantRef, users: People, mailbox: Mailbox
) -> None:
    for person in (users.viewer, users.account_manager):
        prefer(tenant, person, "digest")
        move(tenant, CustomerFactory(tenant=tenant, owner=person.username))
    run_all()
    make_due(tenant, kind="digest")
    with tenant_context(tenant.id):
        (note,) = Notification.objects.filter(user_id=users.viewer.id)
        mark_read(note.id, users.viewer.id, tenant=tenant, now=utc_now())
        User.objects.filter(id=users.account_manager.id).update(is_active=False)
    run_all()
    found = {run.recipient: run.reason for run in runs(tenant, kind="digest")}
    assert found == {f"user:{users.viewer.id}": "all_read", f"user:{users.account_manager.id}": "inactive_user"}
    assert mailbox.about(users.viewer.email) == mailbox.about(users.account_manager.email) == []


def test_preferences_over_the_api(api_client: Callable[..., APIClient], tenant: TenantRef, users: People) -> None:
    client, path = api_client("viewer"), "/api/v1/notifications/preferences"
    assert client.get(path).json() == {"alerts": "at_once", "time_zone": "UTC", "next_digest_at": None}
    said = client.patch(path, {"alerts": "digest"}, format="json").json()
    assert (said["alerts"], said["time_zone"], said["next_digest_at"][11:]) == ("digest", "UTC", "08:00:00Z")
    assert client.patch(path, {"time_zone": "America/New_York"}, format="json").json()["alerts"] == "digest"
    for invalid in (
        {"alerts": "never"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../etc/passwd"},
        {"sound": "on"},
    ):
        refused = client.patch(path, invalid, format="json")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request"), invalid
    with tenant_context(tenant.id):
        (row,) = NotificationPreference.objects.all()
    assert (row.user_id, row.alerts, row.time_zone) == (users.viewer.id, "digest", "America/New_York")
    assert api_client("account_manager").get(path).json()["alerts"] == "at_once", "each has their own"


def test_preferences_on_their_page(page_client: Callable[..., Any], tenant: TenantRef, users: People) -> None:
    client, path = page_client("viewer"), "/notifications/preferences"
    assert path in client.get("/notifications").content.decode()
    refused = client.post(path, {"alerts": "digest", "time_zone": "Mars/Olympus"})
    assert refused.status_code == 400
    assert "Choose the name of a time zone" in refused.content.decode()
    with tenant_context(tenant.id):
        assert NotificationPreference.objects.count() == 0
    page = client.post(path, {"alerts": "digest", "time_zone": "Europe/Berlin"}, follow=True).content.decode()
    assert "Your preferences were saved." in page and "Your next digest comes on" in page
    with tenant_context(tenant.id):
        assert NotificationPreference.objects.get().time_zone == "Europe/Berlin"


def test_all_are_marked_read_over_the_api(
    api_client: Callable[..., APIClient], tenant: TenantRef, users: People
) -> None:
    move(tenant, *own(tenant, users, "a", "b"))
    run_all()
    assert api_client("account_manager").post("/api/v1/notifications/read").json() == {"read": 0}
    assert unread(tenant, users.viewer) == 2
    assert api_client("viewer").post("/api/v1/notifications/read").json() == {"read": 2}
    assert unread(tenant, users.viewer) == 0


def test_open_pages_of_the_person_hear_of_it(tenant: TenantRef, users: People) -> None:
    with Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as heard:
        heard.subscribe(live_channel(tenant.id))
        assert heard.get_message(timeout=60)["type"] == "subscribe"
        move(tenant, *own(tenant, users, "Vale"))
        run_all()
        with tenant_context(tenant.id):
            note = Notification.objects.get(tenant_id=tenant.id)
            mark_read(note.id, users.viewer.id, tenant=tenant, now=utc_now())
        reported = []
        while (message := heard.get_message(timeout=60)) is not None:
            reported.append(orjson.loads(message["data"]))
            if len([one for one in reported if "bell" in one]) == 2:
                break
    bells = [one["bell"] for one in reported if "bell" in one]
    assert bells == [[str(users.viewer.id)]] * 2, "once for the alert, once as it was read elsewhere"


def test_open_pages_of_a_person_without_an_address_hear_of_their_digest(tenant: TenantRef, users: People) -> None:
    """Its alerts are shown from the morning on, though it cannot be sent."""
    prefer(tenant, users.viewer, "digest")
    with tenant_context(tenant.id):
        User.objects.filter(id=users.viewer.id).update(email="")
    move(tenant, *own(tenant, users, "Vale"))
    run_all()
    make_due(tenant, kind="digest")
    with Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as heard:
        heard.subscribe(live_channel(tenant.id))
        assert heard.get_message(timeout=60)["type"] == "subscribe"
        run_all()
        message = heard.get_message(timeout=60)
    assert states(tenant, kind="digest") == [("suppressed", "no_address")]
    assert unread(tenant, users.viewer) == 1
    assert message is not None and orjson.loads(message["data"])["bell"] == [str(users.viewer.id)]
