"""A Python client made of docs/openapi.yaml by openapi-python-client, checked by mypy, on the real server."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.servers import ROOT

STORY = Path(__file__).with_name("python_story.py")
DESCRIPTION = ROOT / "docs" / "openapi.yaml"
PROGRAMS = Path(sys.executable).parent

pytestmark = pytest.mark.timeout(600)


def run(*command, cwd, **environment):
    environment = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", **environment}
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=240
    )


@pytest.fixture(scope="package")
def client_folder(tmp_path_factory):
    """The generated package ``c360`` and the story, side by side."""
    folder = tmp_path_factory.mktemp("client")
    config = folder / "config.yaml"
    config.write_text("package_name_override: c360\npost_hooks: []\n")
    command = ["openapi-python-client", "generate", "--meta", "none", "--fail-on-warning"]
    made = run(*command, "--path", DESCRIPTION, "--output-path", folder / "c360", "--config", config, cwd=folder)
    assert (made.returncode, made.stderr) == (0, ""), made.stdout + made.stderr
    assert "WARNING" not in made.stdout and "Warning" not in made.stdout, made.stdout
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
