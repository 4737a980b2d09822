"""The demo's mail server is a real one, and a page shows what it took; in development only."""

import smtplib
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest
from django.conf import settings as project

from local.processes import find_free_port
from tests.conftest import Browser
from tests.messaging.kafka import await_that
from tests.web.conftest import markup_of, text_of


@pytest.fixture
def folder(tmp_path, settings):
    """Where the demo's mail server keeps what it takes."""
    settings.DEMO_MAIL = tmp_path / "mail"
    return settings.DEMO_MAIL


@pytest.fixture
def port(folder):
    """The port of a running mail server of the demo."""
    port = find_free_port()
    command = [sys.executable, "-m", "local.mail", "--port", str(port), "--folder", str(folder)]
    server = subprocess.Popen(command, cwd=Path(project.BASE_DIR), stdout=subprocess.PIPE, text=True)
    assert "mail server at 127.0.0.1" in server.stdout.readline()
    yield port
    server.terminate()
    assert server.wait(60) == 0
    server.stdout.close()


def send(port, subject, text, to="grace@acme.example"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "no-reply@localhost", to, subject
    message.set_content(text)
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(message)


def test_what_was_sent_is_shown_newest_first_with_links_that_lead_somewhere(db, settings, port, folder):
    send(port, "Erste Nachricht: Grüße", "Hello <b>Grace</b>,\n\nhttp://127.0.0.1:8000/invitation/x/y-z\n\nBye")
    send(port, "Second", "No link here")
    assert sorted(file.suffix for file in folder.iterdir()) == [".eml", ".eml"]
    settings.DEBUG = True
    page = Browser().get("/demo/mail")
    assert page.status_code == 200
    text = text_of(page)
    assert text.index("Second") < text.index("Erste Nachricht: Grüße")
    assert "Hello <b>Grace</b>," in text
    assert not markup_of(page).all("b"), "what a mail says is text"
    assert "http://127.0.0.1:8000/invitation/x/y-z" in [tag.get("href") for tag in markup_of(page).all("a")]
    assert "grace@acme.example" in text


def test_the_product_s_own_mail_arrives_there(users, settings, port, folder):
    settings.EMAIL_BACKEND = "tenants.delivery.smtp.BoundedEmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.SITE_URL = "127.0.0.1", port, "http://127.0.0.1:8000"
    # It answers as soon as it has a processor; what is not sent now is not sent here again.
    settings.EMAIL_TIMEOUT = 20
    from tenants.delivery.sender import send_next

    Browser().post("/password-reset", {"username": users.viewer.username})
    while send_next():
        pass
    await_that(lambda: any(users.viewer.username in file.read_text() for file in folder.glob("*.eml")))


def test_outside_of_development_there_is_no_such_page(db, settings, folder):
    folder.mkdir()
    (folder / "1.eml").write_text("Subject: secret\n\nsecret")
    settings.DEBUG = False
    page = Browser().get("/demo/mail")
    assert page.status_code == 404
    assert "secret" not in text_of(page)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"Subject: =?x?y?z?=\nContent-Type: nonsense/\n\n\xe9"])
def test_a_mail_that_cannot_be_read_breaks_nothing(db, settings, folder, content):
    folder.mkdir()
    (folder / "1.eml").write_bytes(content)
    settings.DEBUG = True
    assert Browser().get("/demo/mail").status_code == 200


def test_who_is_not_logged_in_is_led_nowhere_by_the_page_of_a_forgotten_password(db, folder, settings):
    """The bell would ask for its number, and be sent to the log-in with the whole page."""
    settings.DEBUG = True
    page = Browser().get("/demo/mail")
    assert page.status_code == 200
    assert [tag for name, tag in markup_of(page).tags if "hx-get" in tag] == []
    assert "/login" in [tag.get("href") for tag in markup_of(page).all("a")]
