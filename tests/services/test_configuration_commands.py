"""Tenants and their configurations by command."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from uuid_utils.compat import uuid7

from lifecycle.services.demo import scenarios
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.services.configuration.versions import live_version
from tests.services.demos import tenant_called


def test_a_configuration_is_loaded_from_a_file_once(tenant: TenantRef, tmp_path: Path) -> None:
    path = tmp_path / "lifecycle.json"
    path.write_text(json.dumps(scenarios.ACME_DOCUMENT))
    out = StringIO()
    call_command("load_configuration", str(path), "--tenant", tenant.slug, stdout=out)
    call_command("load_configuration", str(path), "--tenant", tenant.slug, stdout=out)
    assert out.getvalue().splitlines() == [
        f"{tenant.slug}: version 2 is live",
        f"{tenant.slug}: version 2 has this configuration already",
    ]


def test_every_error_of_a_configuration_is_printed_with_its_place(tenant: TenantRef, tmp_path: Path) -> None:
    path = tmp_path / "lifecycle.json"
    path.write_text(json.dumps({"stages": ["A", "A"], "initial": "B", "colors": {"A": "red"}}))
    err = StringIO()
    with pytest.raises(CommandError, match="was not published"):
        call_command("load_configuration", str(path), "--tenant", tenant.slug, stderr=err)
    for place in ("error at /stages/1: ", "error at /initial: ", "error at /colors/A: "):
        assert place in err.getvalue()
    with tenant_context(tenant.id):
        assert live_version(tenant).number == 1  # type: ignore[union-attr]


def test_files_that_are_no_json_are_refused_in_one_line(tenant: TenantRef, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    for name, sentence in (
        ("missing.json", "does not exist"),
        ("broken.json", "is not valid JSON"),
        ("", "is not a file"),
    ):
        with pytest.raises(CommandError, match=sentence):
            call_command("load_configuration", str(tmp_path / name), "--tenant", tenant.slug)


def test_a_tenant_is_made_by_command_with_its_configuration(db: None, tmp_path: Path) -> None:
    slug = f"c-{uuid7().hex[-12:]}"
    path = tmp_path / "lifecycle.json"
    path.write_text(json.dumps({"stages": ["One", "Two"]}))
    out = StringIO()
    call_command("create_tenant", slug, "Some Company", "--configuration", str(path), stdout=out)
    assert out.getvalue() == f"{slug}: made with version 1 of its configuration\n"
    with tenant_context(tenant_called(slug).id):
        assert live_version(tenant_called(slug)).number == 1  # type: ignore[union-attr]
    for arguments, sentence in (
        ((slug, "Again"), "already exists"),
        (("No Slug", "Name"), "is not a slug"),
        ((f"{slug}2", " "), "The name must have"),
    ):
        with pytest.raises(CommandError, match=sentence):
            call_command("create_tenant", *arguments)
