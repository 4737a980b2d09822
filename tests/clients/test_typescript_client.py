"""TypeScript types made of docs/openapi.yaml by openapi-typescript, compiled strictly, on the real server with node."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.forking import ROOT

SOURCE = Path(__file__).with_name("typescript")
DESCRIPTION = ROOT / "docs" / "openapi.yaml"

pytestmark = [pytest.mark.needs("node", "npm"), pytest.mark.timeout(1800)]


def run(*command, cwd):
    return subprocess.run(list(map(str, command)), cwd=cwd, env=os.environ, capture_output=True, text=True, timeout=900)


# What is not described does not compile: one error in each line but the first.
WRONG = (
    'import type { components } from "./schema.js";\n'
    'export const a: components["schemas"]["ChangeRequest"] = { stage: 5 };\n'
    'export const b: components["schemas"]["EffectDefinition"] = { name: "a", on: "never", kind: "alert" };\n'
    'export const c: components["schemas"]["Configuration"] = { stages: ["A"], colour: {} };\n'
)


@pytest.fixture(scope="package")
def project(tmp_path_factory):
    """The pinned packages, the types (in a file whose types are checked, too), the story and its invalid neighbor."""
    folder = tmp_path_factory.mktemp("typescript") / "project"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules", "out", "schema.ts"))
    installed = run("npm", "ci", "--prefer-offline", "--cache", ROOT / ".local" / "cache" / "npm", cwd=folder)
    assert installed.returncode == 0, installed.stderr
    made = run(
        folder / "node_modules" / ".bin" / "openapi-typescript", DESCRIPTION, "--output", "schema.ts", cwd=folder
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "warn" not in (made.stdout + made.stderr).lower()
    (folder / "wrong.ts").write_text(WRONG)
    return folder


@pytest.fixture(scope="package")
def compiled(project):
    """Both compiled to JavaScript, in one run of the compiler."""
    return run(project / "node_modules" / ".bin" / "tsc", "--project", ".", cwd=project)


def test_the_types_know_what_the_description_says(compiled):
    errors = [line.split(",")[0] for line in compiled.stdout.splitlines() if not line.startswith(" ")]
    assert errors == [f"wrong.ts({number}" for number in (2, 3, 4)]
    assert compiled.returncode != 0


def test_the_readme_s_story_runs_with_them(project, compiled, story, customers):
    reported = run("node", "out/story.js", *story, cwd=project)
    assert reported.returncode == 0, reported.stderr
    assert json.loads(reported.stdout) == {
        "at_risk": [str(customers[0].id)],
        "from": "Wobbly",
        "to": "Live",
        "success": True,
        "etag": '"2"',
        "stale": [412, "version_conflict"],
        "history": [["Wobbly", "Live", "API"], [None, "Wobbly", "Import"]],
        "dry_run": [400, 400],
        "published": ['"2"', {"Trial": 90}],
        "one_pair": True,
        "customers": [2, 2],
    }
