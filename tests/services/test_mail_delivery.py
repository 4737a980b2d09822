"""Mail is queued with what it is about and sent beside the requests, whatever the mail server does."""

import datetime as dt
import smtplib
import ssl
import time

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import OperationalError, connections, transaction
from django.test import override_settings

from audit.models import AdministrationEntry
from local.processes import find_free_port
from storage import servers
from storage.servers import current_server
from tenants.context import tenant_context
from tenants.delivery import sender, smtp
from tenants.delivery.sender import send_next
from tenants.models import QueuedMail
from tenants.roles import Role
from tenants.services.accounts.invitations import invite_user
from tenants.services.accounts.mails import LEASE, LIFETIMES, queue_mail, take_mail
from tests.conftest import Browser
from tests.factories import ADMIN_ACTOR, utc_now
from tests.mailing import Mailbox
from tests.messaging.waiting import await_that

MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def invite(tenant):
    """``invite()``: a person who is to get an invitation by e-mail."""

    def work(name="grace"):
        QueuedMail.objects.all().delete()
        with tenant_context(tenant.id):
            return invite_user(
                username=f"{name}@{tenant.slug}.example",
                full_name="Grace Park",
                role=Role.VIEWER,
                tenant=tenant,
                actor=ADMIN_ACTOR,
                now=utc_now(),
            )

    return work


def waiting(user):
    return QueuedMail.objects.filter(user_id=user.id).first()


def make_due(user):
    QueuedMail.objects.filter(user_id=user.id).update(due_at=utc_now())


def given_up(tenant):
    with tenant_context(tenant.id):
        return list(AdministrationEntry.objects.filter(action="give_up_mail").values_list("subject", "detail"))


def test_an_invitation_arrives_by_e_mail(tenant, invite, mailbox):
    user = invite()
    queued = waiting(user)
    mailbox.deliver()
    (message,) = mailbox.to(user.email)
    assert message["Subject"] == "Your invitation to " + tenant_name(tenant) + " on Customer 360"
    assert message["Message-ID"] == f"<{queued.id}@c360.example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "Hello Grace Park," in message.get_content()
    path = mailbox.link_to(user.email)
    assert Browser().post(path, {"password": "a quiet harbour", "again": "a quiet harbour"}).status_code == 302
    assert waiting(user) is None


def tenant_name(tenant):
    from tenants.models import Tenant

    return Tenant.objects.using("platform").get(id=tenant.id).name


def test_what_is_rolled_back_is_not_sent(users, mailbox):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        queue_mail(QueuedMail.CHANGED, users.viewer.id, now=utc_now())
        raise ZeroDivisionError
    mailbox.deliver()
    assert mailbox.to(users.viewer.email) == []


def test_no_request_waits_for_a_mail_server_that_says_nothing(users, settings, odd_mail_server):
    spoken_to = []

    def say_nothing(connection):
        spoken_to.append(connection)
        time.sleep(60)

    odd_mail_server(say_nothing)
    settings.EMAIL_TIMEOUT = 1
    assert Browser().post("/password-reset", {"username": users.viewer.username}).status_code == 200
    assert spoken_to == [], "the request is answered, and the mail server was not asked yet"
    began = time.monotonic()
    while send_next():
        pass
    assert 1.0 <= time.monotonic() - began < 30.0
    # The system took the connection; the thread that hears of it may get its turn later.
    await_that(lambda: spoken_to)
    assert len(spoken_to) == 1
    mail = waiting(users.viewer)
    assert (mail.attempts, mail.due_at > utc_now()) == (1, True)


def test_what_a_silent_server_did_not_take_is_sent_when_it_speaks_again(tenant, invite, settings, odd_mail_server):
    odd_mail_server(lambda _: time.sleep(60))
    settings.EMAIL_TIMEOUT = 0.3
    user = invite()
    assert send_next()
    assert not send_next(), "it waits for its turn"
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=find_free_port(), ready_timeout=60)
    controller.start()
    try:
        settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = controller.port, 60
        make_due(user)
        box.deliver()
    finally:
        controller.stop()
    assert len(box.to(user.email)) == 1


def drip(connection):
    """A greeting that never ends, a letter at a time."""
    while True:
        connection.sendall(b"2")
        time.sleep(0.1)


def drip_after_hello(connection):
    connection.sendall(b"220 here\r\n")
    connection.recv(1000)
    drip(connection)


@pytest.mark.parametrize("talk", [drip, drip_after_hello])
def test_a_server_that_drips_is_left_at_the_deadline(talk, users, invite, monkeypatch, odd_mail_server):
    odd_mail_server(talk)
    monkeypatch.setattr(smtp, "DEADLINE_SECONDS", 0.5)
    user = invite()
    began = time.monotonic()
    assert send_next()
    assert time.monotonic() - began < 30.0
    assert waiting(user).attempts == 1


def test_a_mail_that_was_taken_is_not_sent_again_because_the_goodbye_fails(invite, settings, odd_mail_server):
    taken = []

    def take(connection):
        lines = connection.makefile("rb")
        connection.sendall(b"220 here\r\n")
        while line := lines.readline():
            if line[:4].upper() == b"QUIT":
                time.sleep(60)
            if line[:4].upper() == b"DATA":
                connection.sendall(b"354 go on\r\n")
                while lines.readline() != b".\r\n":
                    pass
                taken.append(1)
            connection.sendall(b"250 fine\r\n")

    odd_mail_server(take)
    # Each answer before it comes from a thread that may have to wait for a processor.
    settings.EMAIL_TIMEOUT = 3
    user = invite()
    assert send_next()
    assert (taken, waiting(user)) == ([1], None)


@pytest.mark.parametrize(
    ("to_recipient", "to_mail"),
    [("550 no such mailbox", "250 OK"), ("250 OK", "554 this is spam")],
)
def test_what_the_server_refuses_for_good_is_given_up_and_the_tenant_can_see_it(
    tenant, invite, mailbox, to_recipient, to_mail
):
    user = invite()
    mailbox.answer_to_recipient, mailbox.answer = to_recipient, to_mail
    mailbox.deliver()
    assert waiting(user) is None
    ((subject, detail),) = given_up(tenant)
    code = int((to_recipient if to_recipient[0] == "5" else to_mail)[:3])
    assert (subject, detail["kind"], detail["code"]) == (str(user.id), "invitation", code)
    assert user.email not in str(detail)


@pytest.mark.parametrize("refusal", ["451 come again", "421 too busy"])
def test_what_the_server_refuses_for_now_is_tried_again_until_its_time_is_over(tenant, invite, mailbox, refusal):
    user = invite()
    mailbox.answer = refusal
    # From when it was refused, which is some time between these moments.
    for seconds in (15, 60):
        make_due(user)
        before = utc_now()
        mailbox.deliver()
        after = utc_now()
        pause = dt.timedelta(seconds=seconds)
        assert before + pause <= waiting(user).due_at <= after + pause
    QueuedMail.objects.filter(user_id=user.id).update(created_at=utc_now() - LIFETIMES["invitation"], due_at=utc_now())
    mailbox.deliver()
    assert waiting(user) is None
    assert [subject for subject, _ in given_up(tenant)] == [str(user.id)]
    assert mailbox.to(user.email) == []


def test_two_senders_never_take_the_same_mail(users, mailbox, in_threads):
    QueuedMail.objects.all().delete()
    now = utc_now()
    for _ in range(4):
        queue_mail(QueuedMail.CHANGED, users.viewer.id, now=now)
    taken = in_threads(8, lambda _: take_mail(now=now))
    ids = [mail.id for mail in taken if mail is not None]
    assert len(ids) == len(set(ids)) <= 4
    QueuedMail.objects.all().delete()


def test_a_mail_whose_sender_was_killed_is_taken_by_another_after_a_minute(users, mailbox):
    QueuedMail.objects.all().delete()
    now = utc_now()
    queue_mail(QueuedMail.CHANGED, users.viewer.id, now=now)
    taken = take_mail(now=now)
    assert take_mail(now=now + LEASE / 2) is None
    again = take_mail(now=now + LEASE)
    assert (again.id, again.attempts) == (taken.id, 2)
    assert LEASE.total_seconds() > smtp.DEADLINE_SECONDS, "or both would deliver it"


def test_an_invitation_that_was_accepted_or_withdrawn_in_the_meantime_is_not_sent(tenant, invite, mailbox):
    from tenants.services.accounts.people import deactivate_user

    user = invite()
    deactivate_user(user.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    mailbox.deliver()
    assert (mailbox.messages, waiting(user)) == ([], None)


class OnlyGrace:
    def __call__(self, server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"c360", b"p:w@")
        return AuthResult(success=good)


@pytest.fixture
def certificate(tmp_path):
    """A certificate for localhost that vouches for itself, and its key: one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(utc_now() - MINUTE)
        .not_valid_after(utc_now() + 60 * MINUTE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@pytest.mark.parametrize("trusted", [True, False])
def test_a_server_that_wants_encryption_and_a_log_in_gets_both_if_it_proves_who_it_is(
    invite, settings, monkeypatch, certificate, trusted
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    box = Mailbox()
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=find_free_port(),
        ready_timeout=60,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=OnlyGrace(),
    )
    controller.start()
    try:
        settings.EMAIL_BACKEND = "tenants.delivery.smtp.BoundedEmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "localhost", controller.port
        settings.EMAIL_USE_TLS, settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = True, "c360", "p:w@"
        settings.SITE_URL = "https://c360.example.com"
        user = invite()
        assert send_next()
    finally:
        controller.stop()
    assert len(box.to(user.email)) == int(trusted)
    assert (waiting(user) is None) is trusted, "what was not proved is tried again"


def test_a_wrong_password_for_the_mail_server_loses_no_mail(tenant, invite, mailbox, monkeypatch):
    def refuse(self):
        raise smtplib.SMTPAuthenticationError(535, b"wrong")

    user = invite()
    with monkeypatch.context() as patch:
        patch.setattr(smtp.BoundedEmailBackend, "open", refuse)
        mailbox.deliver()
    assert (waiting(user).attempts, given_up(tenant)) == (1, [])
    make_due(user)
    mailbox.deliver()
    assert len(mailbox.to(user.email)) == 1


def test_a_database_server_that_is_away_holds_up_no_mail_of_the_others(monkeypatch):
    """Every web process looks at them in the same order: no mail of a server behind it was sent for as long."""
    looked = []

    def look():
        looked.append(current_server())
        if current_server() == "b":
            raise OperationalError("the server is away")
        return False

    own = {alias: dict(connections[alias].settings_dict) for alias in connections}
    servers._handler.cache_clear()
    monkeypatch.setattr(sender, "send_next", look)
    with override_settings(DATABASE_SERVERS={"b": own, "c": own}):
        sender.send_all()
    servers._handler.cache_clear()
    servers._thread.__dict__.clear()
    assert looked == ["main", "b", "c"]
