"""``manage.py createsuperuser`` makes the first super admin, behind row-level security, and it is logged."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings

from audit.models import AdministrationEntry
from tenants.actors import TenantRef, system_actor
from tenants.models import User
from tenants.services.accounts.logins import check_login
from tenants.services.accounts.people import set_password
from tests.conftest import People
from tests.factories import utc_now

PASSWORD = "a long enough pass phrase"


def make(username: str, password: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the command as a script does."""
    if password is None:
        monkeypatch.delenv("DJANGO_SUPERUSER_PASSWORD", raising=False)
    else:
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
    call_command("createsuperuser", "--noinput", "--username", username, verbosity=0)


def find(username: str) -> User | None:
    """The user, whatever the tenant."""
    return User.objects.using("platform").filter(username=username).first()


def entries_about(user: User) -> list[tuple[Any, ...]]:
    """What the administration log says, as a super admin who has chosen no tenant reads it."""
    entries = AdministrationEntry.objects.using("platform").filter(subject=str(user.id)).order_by("id")
    return list(entries.values_list("tenant_id", "action", "actor"))


def test_an_operator_makes_the_first_super_admin_at_the_prompt(db: None) -> None:
    username = f"first-{uuid4().hex[:8]}@internal.example"
    name = connections["default"].settings_dict["NAME"]
    env = {
        key: value.rpartition("/")[0] + f"/{name}" if key.startswith("DATABASE_") and "ADMIN" not in key else value
        for key, value in os.environ.items()
    }
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "createsuperuser"],
        stdin=end,
        stdout=end,
        stderr=end,
        cwd=Path(settings.BASE_DIR),
        env=env,
        start_new_session=True,
    )
    os.close(end)
    shown = b""
    for prompt, answer in ((b"Username", username), (b"Password: ", PASSWORD), (b"Password (again): ", PASSWORD)):
        while prompt not in shown:
            shown += os.read(terminal, 1024)
        os.write(terminal, answer.encode() + b"\n")
    assert process.wait(60) == 0
    os.close(terminal)
    assert PASSWORD.encode() not in shown

    # As in production, where the command has hashed it.
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.Argon2PasswordHasher"]):
        made = check_login(username, PASSWORD, address="127.0.0.1", now=utc_now())
    assert (made.role, made.tenant_id, made.is_staff, made.is_superuser) == ("super_admin", None, True, True)
    assert made.email == username
    assert entries_about(made) == [(None, "create_super_admin", "system:createsuperuser")]


def test_a_script_gives_the_password_in_the_environment(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    username = f"script-{uuid4().hex[:8]}"
    make(username, PASSWORD, monkeypatch)
    made = find(username)
    assert made is not None and check_password(PASSWORD, made.password)


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        (None, "A super admin needs a password, and none was given. Nothing was saved"),
        ("short", "This password is too short"),
        ("password1234", "This password is too common"),
    ],
)
def test_no_one_is_made_without_a_good_password(
    password: str | None, sentence: str, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    username = f"weak-{uuid4().hex[:8]}"
    with pytest.raises(CommandError, match=sentence):
        make(username, password, monkeypatch)
    assert find(username) is None


def test_a_name_that_is_taken_anywhere_is_refused_and_nothing_changes(
    users: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in (users.viewer, users.super_admin):
        before = person.password
        with pytest.raises(
            CommandError, match=r"There is a user '.*' already: choose another name\. Nothing was saved\."
        ):
            make(person.username, PASSWORD, monkeypatch)
        there = find(person.username)
        assert there is not None
        assert (there.id, there.role, there.password) == (person.id, person.role, before)
        assert entries_about(person) == []


def test_a_super_admins_new_password_is_logged_as_well(users: People, tenant: TenantRef) -> None:
    set_password(users.super_admin.id, PASSWORD, tenant=None, actor=system_actor("tests"), now=utc_now())
    assert entries_about(users.super_admin) == [(None, "set_password", "system:tests")]


def test_a_tenant_reads_nothing_of_it(users: People, tenant: TenantRef) -> None:
    from tenants.context import tenant_context, user_context

    set_password(users.super_admin.id, PASSWORD, tenant=None, actor=system_actor("tests"), now=utc_now())
    for context in (tenant_context(tenant.id), user_context(users.super_admin.id), user_context(users.viewer.id)):
        with context:
            assert not AdministrationEntry.objects.filter(subject=str(users.super_admin.id)).exists()
