"""Mails about an account speak the language of who reads them, and name times by their clock."""

import re
from zoneinfo import ZoneInfo

import pytest

from tenants.context import tenant_context
from tenants.models import QueuedMail, User
from tenants.services.accounts.mails import queue_mail
from tests.admin.test_translations import TRANSLATED, pseudo_locale
from tests.conftest import People
from tests.factories import utc_now
from tests.mailing import Mailbox, mailbox

__all__ = ["mailbox", "pseudo_locale"]

SUBJECTS = {
    QueuedMail.INVITATION: "Your invitation to ",
    QueuedMail.RESET: "Set a new password for Customer 360",
    QueuedMail.CHANGED: "Your password for Customer 360 was changed",
}


def change(user: User, **fields: str) -> None:
    with tenant_context(user.tenant_id):
        User.objects.filter(id=user.id).update(**fields)


@pytest.mark.parametrize("kind", SUBJECTS)
@pytest.mark.usefixtures("pseudo_locale")
def test_every_sentence_of_a_mail_can_be_translated(users: People, mailbox: Mailbox, kind: str) -> None:
    if kind == QueuedMail.INVITATION:
        change(users.viewer, password="!")
    queue_mail(kind, users.viewer.id, now=utc_now())
    mailbox.deliver()
    (message,) = mailbox.to(users.viewer.email)
    assert str(message["Subject"]).strip().startswith("⟦" + SUBJECTS[kind])
    left = re.sub(r"https?://\S+", "", message.get_content())
    assert left.count("⟦") >= 3
    while left != (left := TRANSLATED.sub("", left)):
        pass
    assert re.findall("[A-Za-z]{2,}", left) == [], left


def test_a_mail_names_times_by_the_clock_of_its_reader(users: People, mailbox: Mailbox) -> None:
    change(users.viewer, time_zone="America/New_York")
    now = utc_now()
    queue_mail(QueuedMail.CHANGED, users.viewer.id, now=now)
    mailbox.deliver()
    (message,) = mailbox.to(users.viewer.email)
    theirs = now.astimezone(ZoneInfo("America/New_York"))
    assert f" on {theirs.day} {theirs:%b} {theirs.year} at {theirs:%H:%M %Z}. Every" in message.get_content()
