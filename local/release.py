"""``make release``: what an image is made of, byte for byte the same each time: sources, pinned wheels, SBOM, licenses.

The time of everything in it is SOURCE_DATE_EPOCH, or else that of the commit. Nothing is compiled: the wheels are those
whose hashes are in requirements.txt.
"""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Final

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
# The same for the conditions of requirements.txt: of any release of 3.11 that is still built.
IMAGE: Final = {
    "python_version": "3.11",
    "python_full_version": "3.11.14",
    "implementation_version": "3.11.14",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
}
_PINNED: Final = re.compile(
    r"^(?P<what>(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^ ;\\]+))"
    r"(?: *; *(?P<marker>[^\\\n]*))?(?P<hashes>(?: *\\\n +--hash=\S+)+)",
    re.M,
)
_SEPARATORS: Final = re.compile(r"[-_.]+")


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
    pinned = list_pinned()
    licenses = read_licenses(wheels, pinned)
    files = {
        **dict(_read_commit()),
        **{f"wheels/{wheel.name}": (wheel.read_bytes(), 0o644) for wheel in sorted(wheels.glob("*.whl"))},
        "sbom.cdx.json": (describe_components(licenses, pinned), 0o644),
        "LICENSES.md": (describe_licenses(licenses, pinned).encode(), 0o644),
    }
    sums = "".join(f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, (body, _) in sorted(files.items()))
    files["SHA256SUMS"] = (sums.encode(), 0o644)
    target.mkdir(parents=True, exist_ok=True)
    made = target / f"customer360-{version}.tar"
    _write(made, f"customer360-{version}", files, timestamp=_find_timestamp())
    return made


@dataclass(frozen=True, slots=True)
class Pinned:
    """A package of the image. ``line`` asks for it, and for nothing else, in a file of requirements."""

    name: str
    version: str
    line: str

    @property
    def key(self) -> str:
        """As the index of packages knows it."""
        return _SEPARATORS.sub("-", self.name).lower()


def list_pinned(requirements: Path = PROJECT / "requirements.txt") -> list[Pinned]:
    """The packages that are installed in the image, whatever machine this is."""
    from packaging.markers import Marker

    return [
        Pinned(one["name"], one["version"], f"{one['what']} {one['hashes'].strip()}\n")
        for one in _PINNED.finditer(requirements.read_text())
        if not (one["marker"] or "").strip() or Marker(one["marker"]).evaluate(IMAGE)
    ]


def describe_components(licenses: Mapping[str, str], pinned: Sequence[Pinned]) -> bytes:
    """The bill of materials (CycloneDX): each package with version, license and hashes, no time, no number of its own.

    ``licenses``: of each package, by its key.
    """
    program = str(Path(sys.executable).with_name("cyclonedx-py"))
    options = ["--pyproject", str(PROJECT / "pyproject.toml"), "--output-reproducible", "--of", "JSON", "--no-validate"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as asked:
        asked.writelines(one.line for one in pinned)
        asked.flush()
        # Looked at by its schema as it is in the end, by the tests: the generator would take ten times its own time.
        bill = json.loads(_run([program, "requirements", *options, asked.name]))
    for part in bill["components"]:
        # The generator's own is the line that asked for it, hashes and all.
        part.pop("description", None)
        part["licenses"] = [{"license": {"name": licenses[_SEPARATORS.sub("-", part["name"]).lower()]}}]
    return json.dumps(bill, indent=2, sort_keys=True).encode() + b"\n"


def describe_licenses(licenses: Mapping[str, str], pinned: Sequence[Pinned]) -> str:
    """Each package with its license, as its authors declare it."""
    rows = "".join(f"| {one.name} | {one.version} | {licenses[one.key]} |\n" for one in pinned)
    return f"# Licenses of the packages in the image\n\n| package | version | license |\n|---|---|---|\n{rows}"


def read_licenses(wheels: Path, pinned: Sequence[Pinned]) -> dict[str, str]:
    """The license of each package, by its key, as its wheel says. Raises CannotStart when one has no wheel."""
    found = {}
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as content:
            (about,) = (name for name in content.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
            said = message_from_bytes(content.read(about))
        found[_SEPARATORS.sub("-", said["Name"]).lower(), said["Version"]] = find_license(said)
    if missing := [f"{one.name} {one.version}" for one in pinned if (one.key, one.version) not in found]:
        raise CannotStart(f"there is no wheel of {', '.join(missing)}")
    return {one.key: found[one.key, one.version] for one in pinned}


def find_license(about: Message) -> str:
    """The license of a package: its expression, else its classifiers, else what its author wrote."""
    classified = [one.rpartition(" :: ")[2] for one in about.get_all("Classifier", []) if one.startswith("License ::")]
    written = (about.get("License") or "").strip().partition("\n")[0]
    return about.get("License-Expression") or "; ".join(classified) or written or "not declared"


def _download(wheels: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    options = ["--require-hashes", "--only-binary", ":all:", "--no-deps", *PLATFORM, "--dest", str(wheels)]
    # By lines without conditions: pip would judge those by the Python that runs it.
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as asked:
        asked.writelines(one.line for one in list_pinned())
        asked.flush()
        _run([*command, *options, "-r", asked.name])


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
    # A disk that is full, or a kill, leaves nothing under the name of a release.
    new = path.with_name(f"{path.name}.new")
    with tarfile.open(new, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, (body, mode) in sorted(files.items()):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mode, member.mtime = len(body), mode, timestamp
            tar.addfile(member, io.BytesIO(body))
    new.replace(path)


def _run(command: list[str]) -> bytes:
    done = subprocess.run(command, cwd=PROJECT, capture_output=True)
    if done.returncode:
        raise CannotStart(f"{' '.join(command[:4])} failed:\n{done.stderr.decode(errors='replace')}")
    return done.stdout
