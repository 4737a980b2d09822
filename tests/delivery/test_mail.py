"""A mail is sent at most once: what became of it is said exactly as far as SMTP lets anybody know."""

import socket

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from django.core.mail import EmailMultiAlternatives

from local.processes import find_free_port
from tests.delivery.handing_over import KEY, HandOver, a_mail, send
from tests.mailing import Mailbox


def test_a_mail_arrives_as_it_was_written(mailbox, hand_over):
    outcome = send(hand_over)
    assert (outcome.result, outcome.code, hand_over.calls) == ("done", 250, 1)
    (message,) = mailbox.messages
    assert message["Message-ID"] == KEY
    assert message["List-Unsubscribe"] == "<https://c360.example.com/u>"
    assert message["Subject"] == "Your renewal — 3 weeks"
    (sender,) = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Acme Inc.", "no-reply@c360.example.com")
    assert message.get_content().splitlines() == ["Hello Ada,", ".", "..dots at the start", "Bye"]
    assert mailbox.senders == ["no-reply@c360.example.com"]


def test_a_mail_with_a_second_form_and_names_in_other_letters_arrives(mailbox, hand_over):
    message = EmailMultiAlternatives(
        "Zürich ☕", "text", "Ünal <no-reply@c360.example.com>", ['"Łukasz, K." <l@customer.example>']
    )
    message.extra_headers["Message-ID"] = KEY
    message.attach_alternative("<p>text</p>", "text/html")
    assert send(hand_over, message).result == "done"
    (arrived,) = mailbox.messages
    assert [part.get_content_type() for part in arrived.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert arrived["To"].addresses[0].display_name == "Łukasz, K."


class Misbehaving(SMTP):
    """aiosmtpd, which answers or drops at one command as a test says."""

    at = ""
    answer = ""

    async def _say(self):
        if self.answer:
            await self.push(self.answer)
        else:
            self.transport.abort()

    async def smtp_EHLO(self, hostname):  # noqa: N802
        await (self._say() if self.at == "EHLO" else super().smtp_EHLO(hostname))

    async def smtp_HELO(self, hostname):  # noqa: N802
        await (self._say() if self.at == "EHLO" else super().smtp_HELO(hostname))

    async def smtp_MAIL(self, arg):  # noqa: N802
        await (self._say() if self.at == "MAIL" else super().smtp_MAIL(arg))

    async def smtp_RCPT(self, arg):  # noqa: N802
        await (self._say() if self.at == "RCPT" else super().smtp_RCPT(arg))

    async def smtp_DATA(self, arg):  # noqa: N802
        await (self._say() if self.at == "DATA" else super().smtp_DATA(arg))


class Dropping(Mailbox):
    """Takes the text, and then closes without an answer, or with one."""

    def __init__(self, *, takes, answer):
        super().__init__()
        self.takes, self.last_words = takes, answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.takes:
            await super().handle_DATA(server, session, envelope)
        if self.last_words:
            await server.push(self.last_words)
        server.transport.close() if self.last_words else server.transport.abort()
        return "250 too late"


@pytest.fixture
def misbehave(settings):
    """``misbehave(at, answer)``: a real mail server with one error; '' as the answer drops the connection."""
    controllers = []

    def start(at="", answer="", box=None):
        box = box or Mailbox()
        made = type("Made", (Misbehaving,), {"at": at, "answer": answer})

        class Own(Controller):
            def factory(self):
                return made(self.handler, **self.SMTP_kwargs)

        controller = Own(box, hostname="127.0.0.1", port=find_free_port(), ready_timeout=60)
        controller.start()
        controllers.append(controller)
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
        # It answers as soon as it has a processor.
        settings.EMAIL_TIMEOUT = 20
        return box

    yield start
    for controller in controllers:
        controller.stop()


@pytest.mark.parametrize(
    ("at", "answer", "retry", "code", "handed_over"),
    [
        ("EHLO", "421 busy", True, 421, 0),
        ("EHLO", "554 go away", True, 554, 0),
        ("EHLO", "", True, None, 0),
        ("MAIL", "451 later", True, 451, 0),
        ("MAIL", "550 not that sender", True, 550, 0),
        ("MAIL", "", True, None, 0),
        ("RCPT", "450 mailbox busy", True, 450, 0),
        ("RCPT", "421 busy", True, 421, 0),
        ("RCPT", "550 no such user", False, 550, 0),
        ("RCPT", "553 no", False, 553, 0),
        ("RCPT", "", True, None, 0),
        ("DATA", "451 later", True, 451, 1),
        ("DATA", "554 no", False, 554, 1),
        ("DATA", "250 what?", True, 250, 1),
        ("DATA", "", True, None, 1),
    ],
)
def test_what_fails_before_the_final_dot_was_not_sent(misbehave, hand_over, at, answer, retry, code, handed_over):
    box = misbehave(at, answer)
    outcome = send(hand_over)
    assert (outcome.result, outcome.retry, outcome.code) == ("not_sent", retry, code)
    assert (hand_over.calls, box.messages) == (handed_over, [])
    assert outcome.reason


@pytest.mark.parametrize(
    ("answer", "retry"), [("451 later", True), ("421 busy", True), ("554 spam", False), ("552 too big", False)]
)
def test_what_the_server_refuses_after_the_final_dot_was_not_sent(mailbox, hand_over, answer, retry):
    mailbox.answer = answer
    outcome = send(hand_over)
    assert (outcome.result, outcome.retry, outcome.code) == ("not_sent", retry, int(answer[:3]))
    assert (hand_over.calls, mailbox.messages) == (1, [])


@pytest.mark.parametrize("takes", [True, False])
def test_what_is_not_answered_after_the_final_dot_is_unknown_whether_it_was_taken_or_not(misbehave, hand_over, takes):
    box = misbehave(box=Dropping(takes=takes, answer=""))
    outcome = send(hand_over)
    assert (outcome.result, outcome.retry) == ("unknown", False)
    assert (hand_over.calls, len(box.messages)) == (1, int(takes))


def test_a_mail_that_was_taken_is_done_though_the_server_then_drops(misbehave, hand_over):
    box = misbehave(box=Dropping(takes=True, answer="250 taken"))
    assert send(hand_over).result == "done"
    assert len(box.messages) == 1


def test_a_server_that_refuses_repeats_no_address_in_the_reason(misbehave, hand_over):
    misbehave("RCPT", "550 5.1.1 <ada@customer.example>: Recipient address rejected: see\thttps://x.example")
    outcome = send(hand_over)
    assert outcome.reason == "5.1.1 <(address)>: Recipient address rejected: see https://x.example"


# --- handing over -----------------------------------------------------------------------------------------------------


def test_a_mail_that_is_no_longer_ours_is_not_sent(mailbox):
    hand_over = HandOver(answer=False)
    assert send(hand_over).result == "stopped"
    assert (hand_over.calls, mailbox.messages) == (1, [])


@pytest.mark.parametrize("error", [OSError("database gone"), RuntimeError("no")], ids=["OSError", "RuntimeError"])
def test_what_the_worker_cannot_commit_is_not_sent(mailbox, error):
    with pytest.raises(type(error), match=str(error)):
        send(HandOver(answer=error))
    assert mailbox.messages == []


@pytest.mark.parametrize(
    "message",
    [
        a_mail(subject="two\nlines"),
        a_mail(headers={"Message-ID": KEY, "X-Name": "a\r\nBcc: eve@evil.example"}),
        a_mail(to="ada@customer.example\nBcc: eve@evil.example"),
        a_mail(to="ädä@customer.example"),
        a_mail(to="no address"),
    ],
    ids=["subject", "header", "recipient", "local part", "no address"],
)
def test_a_mail_that_cannot_be_written_is_not_handed_over(mailbox, hand_over, message):
    outcome = send(hand_over, message)
    assert (outcome.result, outcome.retry) == ("not_sent", False)
    assert (hand_over.calls, mailbox.messages) == (0, [])


@pytest.mark.parametrize(
    "message",
    [a_mail(cc=["bob@customer.example"]), a_mail(bcc=["bob@customer.example"]), a_mail(to=""), a_mail(headers={})],
    ids=["cc", "bcc", "no one", "no Message-ID"],
)
def test_a_mail_has_one_recipient_and_a_message_id(mailbox, hand_over, message):
    with pytest.raises(ValueError, match="mail"):
        send(hand_over, message)
    assert (hand_over.calls, mailbox.messages) == (0, [])


def test_without_a_mail_server_nothing_is_handed_over(settings, hand_over):
    settings.EMAIL_HOST = ""
    outcome = send(hand_over)
    assert (outcome.result, outcome.retry) == ("not_sent", True)
    assert outcome.reason == "No mail server is configured (EMAIL_URL)."
    with socket.socket() as silent:
        # It is taken and no one listens: no other server can have it in the meantime.
        silent.bind(("127.0.0.1", 0))
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        outcome = send(hand_over)
    assert (outcome.result, outcome.retry, hand_over.calls) == ("not_sent", True, 0)
