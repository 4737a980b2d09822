"""TypeScript types made of docs/openapi.yaml by openapi-typescript, compiled strictly, on the real server with node."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.servers import ROOT

SOURCE = Path(__file__).with_name("typescript")
DESCRIPTION = ROOT / "docs" / "openapi.yaml"

pytestmark = [pytest.mark.needs("node", "npm"), pytest.mark.timeout(600)]


def run(*command, cwd):
    return subprocess.run(list(map(str, command)), cwd=cwd, env=os.environ, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="package")
def project(tmp_path_factory):
    """The pinned packages, the types, and the story compiled to JavaScript."""
    folder = tmp_path_factory.mktemp("typescript") / "project"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules", "out", "schema.d.ts"))
    installed = run("npm", "ci", "--prefer-offline", "--cache", ROOT / ".local" / "cache" / "npm", cwd=folder)
    assert installed.returncode == 0, installed.stderr
    programs = folder / "node_modules" / ".bin"
    made = run(programs / "openapi-typescript", DESCRIPTION, "--output", "schema.d.ts", cwd=folder)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "warn" not in (made.stdout + made.stderr).lower()
    compiled = run(programs / "tsc", "--project", ".", cwd=folder)
    assert (compiled.returncode, compiled.stdout) == (0, "")
    return folder


def test_the_types_know_what_the_description_says(project):
    """What is not described does not compile."""
    wrong = project / "wrong.ts"
    wrong.write_text(
        'import type { components } from "./schema.js";\n'
        'export const a: components["schemas"]["ChangeRequest"] = { stage: 5 };\n'
        'export const b: components["schemas"]["EffectDefinition"] = { name: "a", on: "never", kind: "alert" };\n'
        'export const c: components["schemas"]["Configuration"] = { stages: ["A"], colour: {} };\n'
    )
    compiler = project / "node_modules" / ".bin" / "tsc"
    refused = run(compiler, "--noEmit", "--strict", "--module", "nodenext", "wrong.ts", cwd=project)
    assert refused.returncode != 0
    assert [line.split(",")[0] for line in refused.stdout.splitlines() if line.startswith("wrong.ts")] == [
        f"wrong.ts({number}" for number in (2, 3, 4)
    ]


def test_the_readme_s_story_is_told_with_them(project, story, customers):
    told = run("node", "out/story.js", *story, cwd=project)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {
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
