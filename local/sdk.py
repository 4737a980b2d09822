"""``make sdk``: the Python package for the API: the generated part, and the wheel to publish.

What is generated is not kept: made of docs/openapi.yaml each time, it is never behind it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import yaml

from local.folders import PROJECT
from local.guard import Guard
from local.services import say
from local.trouble import CannotStart

SOURCE: Final = PROJECT / "sdk"
DESCRIPTION: Final = PROJECT / "docs" / "openapi.yaml"
PACKAGE: Final = "customer360_client"
# A wheel is a zip, and zips know no time before 1980: the same contents are the same bytes.
EPOCH: Final = "315532800"


def run_sdk(_: Guard, arguments: list[str]) -> int:
    """Make the generated part beside the sources, build the wheel into sdk/dist, say where it is."""
    if arguments:
        raise CannotStart("it takes no arguments")
    wheel = build_sdk(SOURCE)
    say(f"the package is {wheel.relative_to(PROJECT)}")
    return 0


def build_sdk(folder: Path) -> Path:
    """Generate and build in ``folder``, which holds the sources; the wheel. Raises CannotStart."""
    generate(folder / PACKAGE / "generated")
    (folder / PACKAGE / "keyed.py").write_text(_describe_keyed())
    shutil.rmtree(folder / "dist", ignore_errors=True)
    (folder / "dist").mkdir()
    command = [sys.executable, "-m", "flit_core.wheel", "--outdir", "dist", "."]
    _run(command, folder, SOURCE_DATE_EPOCH=os.environ.get("SOURCE_DATE_EPOCH", EPOCH))
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def generate(target: Path) -> None:
    """The client of the description, by openapi-python-client. Raises CannotStart."""
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch) / "config.yaml"
        config.write_text("post_hooks: []\n")
        program = str(Path(sys.executable).with_name("openapi-python-client"))
        options = ["--meta", "none", "--fail-on-warning", "--config", str(config)]
        command = [program, "generate", *options, "--path", str(DESCRIPTION), "--output-path", str(target)]
        said = _run(command, Path(scratch))
    if "warning" in said.lower():
        raise CannotStart(said)


def _describe_keyed() -> str:
    """The operations that take an Idempotency-Key, as a module."""
    paths = yaml.safe_load(DESCRIPTION.read_text())["paths"]
    keyed = [
        (method.upper(), re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
        for path, operations in paths.items()
        for method, operation in operations.items()
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
    ]
    lines = "".join(f"    ({method!r}, {pattern!r}),\n" for method, pattern in sorted(keyed))
    return (
        f'"""The operations that take an Idempotency-Key; made of the API\'s description."""\n\nKEYED = (\n{lines})\n'
    )


def _run(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode or done.stderr:
        raise CannotStart(f"{' '.join(command[:3])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
