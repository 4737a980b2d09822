"""The web process sends mail beside its requests: a real process, real mail servers."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tenants.actors import TenantRef
from tests.browser.servers import find_port
from tests.conftest import People
from tests.mailing import Mailbox
from tests.messaging.kafka import await_that
from tests.operations.conftest import Product
from tests.operations.processes import Process, production_env, server
from tests.operations.test_logs import Caller

SITE = "https://c360.example"


@pytest.fixture
def start(product: Product, empty_queue: None, tmp_path: Path) -> Iterator[Any]:
    """``start(address)``: a web process of its own that sends its mail there, and none that other tests have left."""
    started: list[Process] = []

    def run(address: str) -> Process:
        env = production_env(product.folder, prefix=product.prefix, EMAIL_URL=address, WEB_WORKERS="1")
        env["TMPDIR"] = str(tmp_path)
        web = server("web", find_port(), tmp_path, env, loaded_in=product.env)
        started.append(web)
        web.start()
        web.await_ready()
        return web

    yield run
    for web in started:
        web.stop()


def test_a_forgotten_password_brings_a_mail_that_leads_back_to_the_site_and_no_log_has_the_link(
    start: Any, users: People, tenant: TenantRef
) -> None:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=find_port(), ready_timeout=60)
    controller.start()
    try:
        web = start(f"smtp://127.0.0.1:{controller.port}")
        caller = Caller(web)
        assert caller.post_form("/password-reset", username=users.viewer.username).status == 200
        (message,) = await_that(lambda: box.to(users.viewer.username))
    finally:
        controller.stop()
    assert box.senders == ["no-reply@c360.example"]
    link = next(word for word in message.get_content().split() if word.startswith("https://"))
    assert link.startswith(f"{SITE}/password-reset/")
    path = link.removeprefix(SITE)
    assert caller.ask("GET", path).status == 200
    assert caller.ask("GET", f"{path}x").status == 404
    new = "a quiet harbour in autumn"
    assert caller.post_form(path, password=new, again=new).status == 302
    assert caller.post_form("/login", username=users.viewer.username, password=new).status == 302
    text = web.text()
    for secret in (path.rpartition("/")[2], users.viewer.username):
        assert secret not in text
    assert [line for line in web.lines() if line["log.level"] in ("error", "critical")] == []


def test_a_mail_server_that_says_nothing_holds_up_neither_requests_nor_the_end_of_the_process(
    start: Any, users: People
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[socket.socket] = []
        threading.Thread(target=lambda: taken.append(listener.accept()[0]), daemon=True).start()
        web = start(f"smtp://127.0.0.1:{listener.getsockname()[1]}")
        caller = Caller(web)
        seconds = []
        # The last of them gets no mail.
        for name in (users.viewer.username, users.account_manager.username, "no one@nowhere.example"):
            began = time.monotonic()
            assert caller.post_form("/password-reset", username=name).status == 200
            seconds.append(time.monotonic() - began)
        # Five seconds is what a mail server is waited for.
        assert min(seconds[:2]) < 4.0 + 2 * seconds[2]
        await_that(lambda: taken)
        web.stop()
        assert web.process is not None and web.process.returncode == 0, "it ended by itself"
        taken[0].close()
