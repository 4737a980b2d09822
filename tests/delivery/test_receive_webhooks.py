"""``manage.py receive_webhooks`` needs no settings, checks signatures and shows what came."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lifecycle.delivery.webhooks import send_webhook
from lifecycle.rules.webhook_secrets import make_secret
from lifecycle.services.effects.addresses import check_url
from tests.delivery.conftest import SECRET
from tests.delivery.sending import PATIENCE

PROJECT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def receive():
    """``receive(*arguments)``: the command in a process of its own, and the URL it gives."""
    started = []

    def start(*arguments):
        path = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "manage.py", "receive_webhooks", "--port", "0", *arguments],
            cwd=PROJECT,
            env=path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        line = process.stdout.readline()
        found = re.fullmatch(r"Receiving on (http://127\.0\.0\.1:\d+/)\n", line)
        return process, found[1] if found else line

    yield start
    for process in started:
        process.kill()
        process.communicate()


def send(url, *, secret=SECRET, message_id="msg_1"):
    body = '{"type": "lifecycle.updated", "data": {"name": "Café"}}'
    return send_webhook(check_url(url), message_id=message_id, body=body, secrets=[secret], seconds=PATIENCE)


def test_what_is_signed_well_is_shown_and_what_is_not_is_refused(receive):
    new = make_secret()
    process, url = receive("--secret", SECRET, "--secret", new, "--max", "4")
    assert send(url).status == 204
    assert send(url, secret=new).status == 204
    assert send(url, secret=make_secret(), message_id="msg_2").status == 401
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(urllib.request.Request(url, data=b"\xff\xfe"))
    assert refusal.value.code == 401
    refusal.value.close()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    shown = '{\n  "type": "lifecycle.updated",\n  "data": {\n    "name": "Café"\n  }\n}\n'
    assert out == (
        f"msg_1: signature valid, answered 204\n{shown}"
        f"msg_1 (again): signature valid, answered 204\n{shown}"
        f"msg_2: SIGNATURE NOT VALID (No matching signature found), answered 401\n{shown}"
        "(no webhook-id): SIGNATURE NOT VALID ('utf-8' codec can't decode byte 0xff in position 0: invalid start byte)"
        ", answered 401\nb'\\xff\\xfe'\n"
    )


def test_a_failure_can_be_tried_out_and_the_receiver_ends_when_it_is_asked_to(receive):
    process, url = receive("--secret", SECRET, "--answer", "429")
    delivery = send(url)
    assert (delivery.outcome, delivery.status, delivery.retry_after_seconds) == ("retry", 429, 30.0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0


def test_a_secret_that_is_none_is_one_line(receive):
    process, line = receive("--secret", "hunter2")
    assert line == ""
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "CommandError: --secret: A signing secret is whsec_ and base64.\n")
