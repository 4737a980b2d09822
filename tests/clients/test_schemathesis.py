"""Schemathesis with all its checks on the real server: it finds nothing that is not listed with its reason."""

import datetime as dt
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest
from rest_framework_simplejwt.tokens import AccessToken

from lifecycle.api.docs import build_schema
from tenants.roles import Role
from tenants.services.accounts.tokens import issue_access
from tests.factories import MINIMAL, CustomerFactory, TenantFactory, UserFactory
from tests.forking import ROOT

PROGRAM = Path(sys.executable).with_name("schemathesis")
# The body of a preview is the one of PUT, where each bound is tried. Of the methods that an address does not have one
# is tried here, which shows that the refusal is as described; tests/entry_points asks for the others at each address.
CONFIG = """
[phases.coverage]
unexpected-methods = ["QUERY"]

[[operations]]
include-operation-id = "preview_configuration"
phases.coverage.enabled = false
"""


@pytest.fixture(autouse=True)
def lasting_token(monkeypatch):
    """A busy machine asks for longer than the quarter of an hour for which a token is good, and has one for all."""
    monkeypatch.setattr(AccessToken, "lifetime", dt.timedelta(hours=2))


@pytest.fixture
def tenant(db):
    """A tenant with the stages of the description's examples."""
    return TenantFactory(configuration=MINIMAL)


@pytest.fixture
def caller(tenant):
    """An admin with the name that the examples have."""
    return UserFactory(tenant=tenant, role=Role.TENANT_ADMIN, username="user-42")


def knock(server, user, folder, *, phases, examples, mode="all"):
    """What schemathesis was answered, as (operation, status); fails with its report if it found anything."""
    (folder / "schemathesis.toml").write_text(CONFIG)
    answers = folder / "answers.jsonl"
    # It waits ten seconds for what it reads, whatever it is asked; what a server is asked first takes longer on a busy
    # machine, so that it is asked here.
    described = httpx.get(f"http://127.0.0.1:{server.port}/api/v1/schema", timeout=120)
    (folder / "schema.json").write_bytes(described.raise_for_status().content)
    ran = subprocess.run(
        [
            *(PROGRAM, "--no-color", "run", "schema.json", "--url", f"http://127.0.0.1:{server.port}"),
            *("--checks", "all", "--mode", mode, "--phases", phases, "--max-examples", str(examples)),
            # How fast it makes up what it sends is no matter of ours, and on a busy machine that is slow.
            *("--suppress-health-check", "too_slow"),
            *("--continue-on-failure", "--no-shrink", "--generation-deterministic", "--request-timeout", "120"),
            *("--header", f"Authorization: Bearer {issue_access(user).token}"),
        ],
        cwd=folder,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.clients.expected_failures",
            "PYTHONPATH": str(ROOT),
            "ANSWERS": str(answers),
        },
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert ran.returncode == 0, ran.stdout[-20000:] + ran.stderr[-2000:]
    seen = Counter(tuple(json.loads(line)) for line in answers.read_text().splitlines())
    assert {status for _, status in seen if status >= 500} == set()
    return seen


# No chance hits upon ids of effects, endpoints, undos, notifications, notes and tasks, and hardly on public addresses.
OF_UNKNOWN_IDS = {
    *("get_effect", "replay_effect", "cancel_effect", "create_webhook_endpoint", "rotate_webhook_secret"),
    *("test_webhook_endpoint", "delete_webhook_endpoint", "undo_transitions", "get_undo"),
    *("read_notification", "acknowledge_notification", "find_customer"),
    *("get_note", "edit_note", "delete_note", "get_task", "change_task", "get_task_by_id", "change_task_by_id"),
    *("get_view", "change_view", "delete_view"),
    *("get_proposal", "accept_proposal", "dismiss_proposal", "get_backtest", "begin_backtest"),
    *("get_health_backtest", "begin_health_backtest"),
    # What a field may hold depends on it, and whether one is pinned on that.
    *("pin_field", "unpin_field"),
    # Nor which source owns what.
    "put_customer",
    # Nor service accounts, their keys and the secrets of these.
    *("create_key", "rotate_key", "revoke_key", "create_oauth_token"),
}
# A viewer sees that there are notes and tasks, and has no part in the work that is done about customers.
OF_THE_WORK = {
    *("write_note", "edit_note", "delete_note", "create_task", "change_task", "change_task_by_id", "list_timeline"),
    *("pin_field", "unpin_field", "put_customer", "put_customers"),
    "reveal_contacts",
}
# What a viewer may not do with effects.
EFFECTS = {
    *("list_effects", "get_effect", "replay_effect", "cancel_effect", "replay_effects", "pause_effects"),
    *("list_webhook_endpoints", "create_webhook_endpoint", "rotate_webhook_secret", "test_webhook_endpoint"),
    *("delete_webhook_endpoint", "undo_transitions", "get_undo"),
    *("list_keys", "create_key", "rotate_key", "revoke_key"),
}


@pytest.mark.timeout(1800)
def test_whatever_is_sent_every_answer_is_as_described(server, tenant, caller, tmp_path):
    for _ in range(3):
        CustomerFactory(tenant=tenant)
    seen = knock(server, caller, tmp_path, phases="examples,coverage,fuzzing,stateful", examples=3)
    # It was really let in: every operation but those that need what it cannot know has succeeded at least once.
    operations = {each["operationId"] for path in build_schema()["paths"].values() for each in path.values()}
    done = {operation for operation, status in seen if 200 <= status < 300}
    # These want the id of a customer and a text that says something; whether both are hit upon is chance.
    written = {"erase_customer", "write_note", "create_task"}
    assert operations - done <= {"create_token", "refresh_token", *written, *OF_UNKNOWN_IDS}
    assert seen.total() > 500


@pytest.mark.timeout(1800)
def test_a_viewer_is_answered_as_described_too(server, tenant, tmp_path):
    CustomerFactory(tenant=tenant)
    viewer = UserFactory(tenant=tenant, role=Role.VIEWER)
    seen = knock(server, viewer, tmp_path, phases="fuzzing", examples=1, mode="positive")
    refused = {operation for operation, status in seen if status == 403}
    changing = {"move_customer", "move_customers", "publish_configuration", "preview_configuration"}
    changing |= {"export_customer", "erase_customer"}
    changing |= {
        "get_proposal",
        "accept_proposal",
        "dismiss_proposal",
        "get_backtest",
        "begin_backtest",
        "get_health_backtest",
        "begin_health_backtest",
        "list_behind_figure",
        "list_revenue_kept",
    }
    assert refused == changing | EFFECTS | OF_THE_WORK | {"list_history", "list_changes"}
    assert {operation for operation, status in seen if status in (200, 207)} & changing == set()
