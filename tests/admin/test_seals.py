"""The seals in the admin: what was sealed last, how long ago, and a copy of it that is worth keeping."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings
from django.urls import reverse

from audit.models import AuditSeal
from audit.services.seals import count_unsealed
from tenants.context import tenant_context
from tests.admin.test_trail import words_of
from tests.factories import CustomerFactory, utc_now
from tests.services.audit_chain import tampering as attacks
from tests.services.test_bundles import verify_with

KEY = bytes(range(32))
LIST, COPY = "admin:audit_auditseal_changelist", "admin:copy_last_seal"


@pytest.fixture
def sealed(tenant: Any) -> Any:
    """A tenant with five rows under one seal, and two rows since."""
    customer = CustomerFactory(tenant=tenant)
    attacks.move(customer, tenant, *attacks.MOVES, note="a note")
    with override_settings(AUDIT_SIGNING_KEY=KEY):
        call_command("seal_audit", tenant=tenant.slug, stdout=io.StringIO(), stderr=io.StringIO())
    attacks.move(customer, tenant, ("Prospect", None), ("Active", None))
    return customer


def test_an_admin_sees_the_last_seal_and_what_no_seal_covers_yet(sealed: Any, tenant: Any, page_client: Any) -> None:
    admin = page_client("tenant_admin")
    copy = json.loads(admin.get(reverse(COPY)).content)
    body = admin.get(reverse(LIST)).content.decode()
    above = words_of(body[body.index('id="last-seal"') : body.index("</dl>")])
    assert "Number 1," in above and re.search(r"\d+\sminutes? ago", above) and copy["root"] in above
    assert above.endswith("Changes that no seal covers yet 2 ")
    with tenant_context(tenant.id):
        assert count_unsealed(tenant.id) == 2


def test_the_page_of_a_seal_is_called_by_its_number(sealed: Any, tenant: Any, page_client: Any) -> None:
    with tenant_context(tenant.id):
        seal = AuditSeal.objects.get()
    html = page_client("tenant_admin").get(reverse("admin:audit_auditseal_change", args=[seal.pk])).content.decode()
    for part in (html.partition('class="breadcrumbs"')[2].partition("</div>")[0], html.partition("</title>")[0]):
        assert "Seal 1" in part and str(tenant.id) not in part


def test_the_copy_of_a_seal_shows_that_a_history_was_written_again(
    sealed: Any, tenant: Any, page_client: Any, tmp_path: Path
) -> None:
    answer = page_client("tenant_admin").get(reverse(COPY))
    assert answer["Content-Disposition"] == f'attachment; filename="seal-{tenant.slug}-1.json"'
    kept = tmp_path / "kept.json"
    kept.write_bytes(answer.content)
    today = str(utc_now().date())
    with override_settings(AUDIT_SIGNING_KEY=KEY, AUDIT_VERIFY_KEYS=[]):
        call_command("verify_audit", tenant=tenant.slug, published=str(kept), stdout=io.StringIO())
        out = tmp_path / "bundle"
        call_command("export_audit", tenant=tenant.slug, since="2000-01-01", until=today, out=out, stdout=io.StringIO())
    same = verify_with(out, "--seal", str(kept))
    assert same.returncode == 0 and "1 of the seals that you kept were compared." in same.stdout
    kept.write_text(json.dumps({**json.loads(answer.content), "leaves": 4}))
    other = verify_with(out, "--seal", str(kept))
    assert other.returncode == 1 and "WRONG: Seal 1 is not the one that you kept." in other.stdout
    kept.write_text(json.dumps({**json.loads(answer.content), "number": 9}))
    later = verify_with(out, "--seal", str(kept))
    assert later.returncode == 0 and "Seal 9, which you kept, is not in the bundle" in later.stdout
    kept.write_text("[]")
    assert verify_with(out, "--seal", str(kept)).returncode == 2


def test_before_the_first_seal_there_is_nothing_to_copy(tenant: Any, page_client: Any) -> None:
    admin = page_client("tenant_admin")
    assert "Nothing is sealed yet." in admin.get(reverse(LIST)).content.decode()
    answer = admin.get(reverse(COPY))
    assert (answer.status_code, answer.content) == (404, b"Nothing is sealed yet.")


@pytest.mark.parametrize("role", ["viewer", "account_manager"])
def test_the_seals_are_the_admins(sealed: Any, page_client: Any, role: str) -> None:
    for name in (LIST, COPY):
        assert page_client(role).get(reverse(name)).status_code in (302, 403)
