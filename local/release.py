"""``make release``: what an image is made of, byte for byte the same each time: sources, pinned wheels, SBOM, licenses.

The time of everything in it is SOURCE_DATE_EPOCH, or else that of the commit. Nothing is compiled: the wheels are those
whose hashes are in requirements.txt.
"""

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

from local.folders import PROJECT
from local.guard import Guard
from local.services import say
from local.trouble import CannotStart

# What the Dockerfile copies, and what it is built and run with.
CONTENTS: Final = (
    *("manage.py", "pyproject.toml", "requirements.txt", "Dockerfile", ".dockerignore", "compose.yaml", ".env.example"),
    *("audit", "config", "lifecycle", "locale", "storage", "tenants", "templates", "static", "deploy", "docs/deploy"),
    *("README.md", "CHANGELOG.md", "docs/openapi.yaml", "docs/events", "docs/operations.md", "docs/security.md"),
)
# The image's Python and C library, whatever machine makes the release.
PLATFORM: Final = (
    *("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none"),
    *(
        "--platform",
        "manylinux2014_x86_64",
        "--platform",
        "manylinux_2_17_x86_64",
        "--platform",
        "manylinux_2_28_x86_64",
    ),
)
_PINNED: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^ ;\\]+)(?: *; *([^\\\n]*))?", re.M)


def run_release(_: Guard, arguments: list[str]) -> int:
    """Make dist/customer360-VERSION.tar and say its hash."""
    if arguments:
        raise CannotStart("it takes no arguments")
    if subprocess.run(["git", "status", "--porcelain"], cwd=PROJECT, capture_output=True, text=True).stdout:
        say("what is not committed is not in it")
    with tempfile.TemporaryDirectory() as scratch:
        wheels = Path(scratch) / "wheels"
        _download(wheels)
        made = build_release(PROJECT / "dist", wheels)
    say(f"{hashlib.sha256(made.read_bytes()).hexdigest()}  {made.relative_to(PROJECT)}")
    return 0


def build_release(target: Path, wheels: Path) -> Path:
    """The tar of the commit that is checked out, with these wheels. Raises CannotStart."""
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    files = {
        **dict(_read_commit()),
        **{f"wheels/{wheel.name}": (wheel.read_bytes(), 0o644) for wheel in sorted(wheels.glob("*.whl"))},
        "sbom.cdx.json": (describe_components(), 0o644),
        "LICENSES.md": (describe_licenses().encode(), 0o644),
    }
    sums = "".join(f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, (body, _) in sorted(files.items()))
    files["SHA256SUMS"] = (sums.encode(), 0o644)
    target.mkdir(parents=True, exist_ok=True)
    made = target / f"customer360-{version}.tar"
    _write(made, f"customer360-{version}", files, timestamp=_find_timestamp())
    return made


def describe_components(requirements: Path = PROJECT / "requirements.txt") -> bytes:
    """The bill of materials (CycloneDX): each package with version and hashes, no time and no number of its own."""
    program = str(Path(sys.executable).with_name("cyclonedx-py"))
    options = ["--pyproject", str(PROJECT / "pyproject.toml"), "--output-reproducible", "--of", "JSON"]
    return _run([program, "requirements", *options, str(requirements)])


def describe_licenses(requirements: Path = PROJECT / "requirements.txt") -> str:
    """Each package with its license, as its authors declare it."""
    rows = "".join(f"| {name} | {version} | {license_of(name)} |\n" for name, version in list_pinned(requirements))
    return f"# Licenses of the packages in the image\n\n| package | version | license |\n|---|---|---|\n{rows}"


def license_of(name: str) -> str:
    """The license of an installed package: its expression, else its classifiers, else what its author wrote."""
    about: Any = distribution(name).metadata
    classified = [one.rpartition(" :: ")[2] for one in about.get_all("Classifier", []) if one.startswith("License ::")]
    written = (about.get("License") or "").strip().partition("\n")[0]
    return about.get("License-Expression") or "; ".join(classified) or written or "not declared"


def list_pinned(requirements: Path) -> list[tuple[str, str]]:
    """The packages that are installed on this platform, with their versions."""
    from packaging.markers import Marker

    found = _PINNED.findall(requirements.read_text())
    return [(name, version) for name, version, marker in found if not marker.strip() or Marker(marker).evaluate()]


def _download(wheels: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    options = ["--require-hashes", "--only-binary", ":all:", "--no-deps", *PLATFORM, "--dest", str(wheels)]
    _run([*command, *options, "-r", str(PROJECT / "requirements.txt")])


def _read_commit() -> Iterator[tuple[str, tuple[bytes, int]]]:
    archive = _run(["git", "archive", "--format=tar", "HEAD", "--", *CONTENTS])
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if member.isfile() and content is not None:
                yield member.name, (content.read(), 0o755 if member.mode & 0o100 else 0o644)


def _find_timestamp() -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH") or _run(["git", "log", "-1", "--format=%ct"]).decode()
    return int(given)


def _write(path: Path, top: str, files: Mapping[str, tuple[bytes, int]], *, timestamp: int) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, (body, mode) in sorted(files.items()):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mode, member.mtime = len(body), mode, timestamp
            tar.addfile(member, io.BytesIO(body))


def _run(command: list[str]) -> bytes:
    done = subprocess.run(command, cwd=PROJECT, capture_output=True)
    if done.returncode:
        raise CannotStart(f"{' '.join(command[:4])} failed:\n{done.stderr.decode(errors='replace')}")
    return done.stdout
