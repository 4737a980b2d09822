"""``manage.py changepassword`` works behind row-level security, at a real terminal, and is logged."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings

from audit.models import AdministrationEntry
from tenants.actors import TenantRef
from tenants.management.commands import changepassword
from tenants.models import User
from tenants.services.accounts.logins import LoginRefused, check_login
from tenants.services.accounts.tokens import TokenRefused, issue_pair, rotate
from tests.conftest import People
from tests.factories import PASSWORD, UserFactory, utc_now

NEW = "a long enough pass phrase"


def entries_about(user: User) -> list[tuple[Any, ...]]:
    rows = AdministrationEntry.objects.using("platform").filter(subject=str(user.id)).order_by("id")
    return list(rows.values_list("tenant_id", "action", "actor"))


def can_log_in(user: User, password: str) -> bool:
    try:
        check_login(user.username, password, address=f"test-{user.id}", now=utc_now())
    except LoginRefused:
        return False
    return True


def type_in(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """What is typed at the prompts."""
    given = iter(answers)
    monkeypatch.setattr(changepassword, "getpass", lambda _: next(given))


def test_an_operator_sets_a_password_at_the_prompt(users: People, tenant: TenantRef) -> None:
    name = connections["default"].settings_dict["NAME"]
    env = {
        key: value.rpartition("/")[0] + f"/{name}" if key.startswith("DATABASE_") and "ADMIN" not in key else value
        for key, value in os.environ.items()
    }
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "changepassword", users.viewer.username.upper()],
        stdin=end,
        stdout=end,
        stderr=end,
        cwd=Path(settings.BASE_DIR),
        env=env,
        start_new_session=True,
    )
    os.close(end)
    shown = b""
    for prompt in (b"New password: ", b"Confirm password: "):
        while prompt not in shown:
            shown += os.read(terminal, 1024)
        os.write(terminal, NEW.encode() + b"\n")
    assert process.wait(60) == 0, shown
    os.close(terminal)
    assert NEW.encode() not in shown
    # As in production, where the command has hashed it.
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.Argon2PasswordHasher"]):
        assert can_log_in(users.viewer, NEW)
    assert entries_about(users.viewer) == [(tenant.id, "set_password", "system:changepassword")]


def test_everything_that_was_open_ends(users: People, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = issue_pair(users.account_manager, now=utc_now())
    type_in(monkeypatch, NEW, NEW)
    call_command("changepassword", users.account_manager.username)
    with pytest.raises(TokenRefused):
        rotate(pair.refresh, now=utc_now())
    assert (can_log_in(users.account_manager, PASSWORD), can_log_in(users.account_manager, NEW)) == (False, True)


def test_a_super_admins_too(users: People, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "another one", "do not match", NEW, NEW)
    call_command("changepassword", users.super_admin.username)
    assert can_log_in(users.super_admin, NEW)
    assert entries_about(users.super_admin) == [(None, "set_password", "system:changepassword")]


@pytest.mark.parametrize("typed", [("short", "short"), ("one", "two"), ("password1234", "password1234")])
def test_without_a_good_password_nothing_changes(
    typed: tuple[str, str], users: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, *typed * 3)
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("changepassword", users.viewer.username)
    assert can_log_in(users.viewer, PASSWORD)
    assert entries_about(users.viewer) == []


def test_no_one_of_that_name_and_who_signs_in_elsewhere_are_said(
    users: People, tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = UserFactory(tenant=tenant, external_subject="sso-9")
    with pytest.raises(CommandError, match=r"There is no user 'ghost'\. Nothing was changed\."):
        call_command("changepassword", "ghost")
    with pytest.raises(CommandError, match="signs in through their company's identity provider"):
        call_command("changepassword", provider.username)
    assert entries_about(provider) == []
