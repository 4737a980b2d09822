"""A Python client made of docs/openapi.yaml by openapi-python-client, checked by mypy, on the real server."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from audit.models import LifecycleHistory
from local.sdk import PACKAGE, SOURCE, build_sdk
from tenants.context import tenant_context
from tenants.services.accounts.tokens import issue_access
from tests.clients.unreliable import Unreliable
from tests.factories import CustomerFactory, UserFactory
from tests.forking import ROOT

STORY = Path(__file__).with_name("python_story.py")
SDK_STORY = Path(__file__).with_name("sdk_story.py")
ASYNC_STORY = Path(__file__).with_name("sdk_async_story.py")
DESCRIPTION = ROOT / "docs" / "openapi.yaml"
PROGRAMS = Path(sys.executable).parent

pytestmark = pytest.mark.timeout(1800)


def run(*command, cwd, **environment):
    environment = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", **environment}
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=900
    )


@pytest.fixture(scope="package")
def client_folder(tmp_path_factory):
    """The generated package ``c360`` and the story, side by side: what ``make sdk`` generates, without a warning."""
    folder = tmp_path_factory.mktemp("client")
    sources = shutil.copytree(
        SOURCE, folder / "sdk", ignore=shutil.ignore_patterns("generated", "keyed.py", "dist", "__pycache__")
    )
    build_sdk(sources)
    shutil.copytree(sources / PACKAGE / "generated", folder / "c360")
    shutil.copy(STORY, folder / "python_story.py")
    return folder


def test_every_operation_has_its_function(client_folder):
    described = {
        line.split()[-1]
        for line in DESCRIPTION.read_text().partition("\nwebhooks:")[0].splitlines()
        if line.strip().startswith("operationId:") and line.startswith("      operationId")
    }
    made = {path.stem for path in (client_folder / "c360" / "api").rglob("*.py")} - {"__init__"}
    assert made == described
    assert "publish_configuration" in made


def test_the_client_and_a_program_that_uses_it_are_typed(client_folder):
    cache = ROOT / ".local" / "cache" / "mypy-client"
    options = ["--strict", "--no-error-summary", "--cache-dir", cache, "--config-file", os.devnull]
    checked = run(sys.executable, "-m", "mypy", *options, "c360", "python_story.py", cwd=client_folder)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_readme_s_story_runs_with_it(client_folder, story, customers):
    reported = run(sys.executable, "python_story.py", *story, cwd=client_folder)
    assert reported.returncode == 0, reported.stderr
    risky = str(customers[0].id)
    assert json.loads(reported.stdout) == {
        "at_risk": [risky],
        "name_is_known": True,
        "from": "Wobbly",
        "to": "Live",
        "etag": '"2"',
        "stale": [412, "version_conflict"],
        "history": [["Wobbly", "Live", "API"], [None, "Wobbly", "Import"]],
        "dry_run": [400, 400],
        "published": ['"2"', {"Trial": 90}],
        "customers": [2, 2],
    }


def test_the_package_of_make_sdk_does_a_change_once_though_its_answers_are_lost(client_folder, api_address, tmp_path):
    (wheel,) = (client_folder / "sdk" / "dist").glob("customer360_client-0.1.0-*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    with Unreliable(api_address["url"]) as proxy:
        asked = [proxy.url, api_address["token"], api_address["customer"]]
        reported = run(sys.executable, SDK_STORY, *asked, cwd=tmp_path, PYTHONPATH=str(installed))
        assert reported.returncode == 0, reported.stderr
        key_made = "RemoteProtocolError"
        expected = {"moved": 200, "replayed": "true", "customers": 3, "key_made": key_made}
        assert json.loads(reported.stdout) == expected
        # Refused, broken, and answered without being heard; the same key each time.
        changes = [key for method, key in proxy.seen if method == "PATCH"]
        assert len(changes) == 4 and len(set(changes)) == 1 and changes[0]
        assert [key for method, key in proxy.seen if method == "POST"] == [None]
    with tenant_context(api_address["tenant"].id):
        history = LifecycleHistory.objects.filter(customer_id=api_address["customer"])
        assert history.count() == 2


@pytest.fixture
def api_address(server, users, tenant):
    """The server, an admin's token, and one of three customers."""
    customers = [CustomerFactory(tenant=tenant, stage="Trial") for _ in range(3)]
    return {
        "url": f"http://127.0.0.1:{server.port}",
        "token": issue_access(users.tenant_admin).token,
        "customer": str(customers[0].id),
        "tenant": tenant,
    }


def test_asyncio_functions_of_the_package_do_the_same_and_give_each_refusal_as_an_answer(
    client_folder, server, tenant, real_password, tmp_path
):
    for _ in range(4):
        CustomerFactory(tenant=tenant, stage="Trial")
    account = UserFactory(tenant=tenant, is_service_account=True, updates_per_hour=3)
    (wheel,) = (client_folder / "sdk" / "dist").glob("customer360_client-0.1.0-*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    url, token = f"http://127.0.0.1:{server.port}", issue_access(account).token
    reported = run(sys.executable, ASYNC_STORY, url, token, cwd=tmp_path, PYTHONPATH=str(installed))
    assert reported.returncode == 0, reported.stderr
    assert json.loads(reported.stdout) == {
        "listed": 4,
        "stages": ["Trial"],
        "same_tag": [200, 412],
        "stale": [412, "version_conflict"],
        "unconfirmed": [409, "effects_unconfirmed"],
        "moved": [200, 200, 429],
        "over": ["rate_limited", True, ['"updates"', "r=0"]],
    }
    with tenant_context(tenant.id):
        assert LifecycleHistory.objects.filter(to_stage="Rollout").count() == 3
