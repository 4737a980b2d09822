"""A release is the same bytes each time, and says what is in it."""

import errno
import json
import re
import tarfile
import zipfile
from hashlib import sha256
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from local import release
from local.folders import PROJECT
from local.trouble import CannotStart
from tests.production.compose import read_dockerfile

# Those under which the product may be run and passed on without giving its own source away.
FREE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Zlib|Unlicense|LGPL|Lesser General Public", re.I
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of each package of the image a wheel in which there is what the installed one says of itself."""
    folder = tmp_path_factory.mktemp("wheels")
    for one in release.list_pinned():
        stem = f"{one.key.replace('-', '_')}-{one.version}"
        about = distribution(one.name).read_text("METADATA")
        assert about is not None
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(zipfile.ZipInfo(f"{stem}.dist-info/METADATA"), about)
    return folder


def test_two_builds_are_the_same_bytes_and_name_what_they_hold(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    first, second = (release.build_release(tmp_path / name, wheels) for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        members = tar.getmembers()
        assert {(one.mtime, one.uid, one.gid, one.uname) for one in members} == {(1767225600, 0, 0, "")}
        read = {one.name.partition("/")[2]: tar.extractfile(one).read() for one in members}  # type: ignore[union-attr]
    assert list(read) == sorted(read)
    listed = dict(reversed(line.split("  ")) for line in read["SHA256SUMS"].decode().splitlines())  # type: ignore[misc]
    assert listed == {name: sha256(body).hexdigest() for name, body in read.items() if name != "SHA256SUMS"}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (PROJECT / "Dockerfile").read_text(), flags=re.M)
    for place in " ".join(copied).split():
        assert any(name == place or name.startswith(f"{place}/") for name in read), place
    assert read_dockerfile()[1] and {f"wheels/{one.name}" for one in wheels.iterdir()} <= set(read)
    assert not [name for name in read if name.startswith(("tests/", "local/", ".env/")) or name.endswith(".pyc")]


def test_the_bill_of_materials_has_what_is_in_the_image_with_hashes_and_licenses_and_nothing_else(wheels: Path) -> None:
    pinned = release.list_pinned()
    bill = json.loads(release.describe_components(release.read_licenses(wheels, pinned), pinned))
    assert [error.message for error in bill_schema(bill["specVersion"]).iter_errors(bill)] == []
    assert (bill["bomFormat"], "serialNumber" in bill, "timestamp" in bill["metadata"]) == ("CycloneDX", False, False)
    assert bill["metadata"]["component"]["name"] == "customer360"
    parts = {(one["name"].lower().replace("_", "-"), one.get("version")): one for one in bill["components"]}
    assert len(pinned) > 40
    assert set(parts) == {(one.key, one.version) for one in pinned}
    assert len(parts) == len(bill["components"])
    text = (PROJECT / "requirements.txt").read_text()
    for one in pinned:
        part = parts[one.key, one.version]
        assert part["purl"] == f"pkg:pypi/{one.key}@{one.version}"
        hashes = [given["content"] for link in part["externalReferences"] for given in link.get("hashes", ())]
        assert hashes and all(f"--hash=sha256:{given}" in text for given in hashes), one.name
        assert all(license_["license"]["name"] for license_ in part["licenses"])


def bill_schema(version: str) -> jsonschema_rs.Validator:
    """CycloneDX's own schema, as its library has it, with the two that it refers to."""

    def read(name: str) -> dict[str, Any]:
        schema: dict[str, Any] = json.loads((files("cyclonedx.schema") / "_res" / f"{name}.schema.json").read_text())
        return schema

    beside = ("spdx.SNAPSHOT", "jsf-0.82.SNAPSHOT")
    known = [(f"http://cyclonedx.org/schema/{name}.schema.json", read(name)) for name in beside]
    schema = read(f"bom-{version}.SNAPSHOT")
    return jsonschema_rs.validator_for(schema, registry=jsonschema_rs.Registry(known))


def test_which_packages_are_in_the_image_is_not_asked_of_the_machine(tmp_path: Path) -> None:
    """Of a package that is pinned twice the image has the one for its Python; of other systems' it has none."""
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(
        "colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:aa \\\n    --hash=sha256:ab\n    # via click\n"
        "numpy==2.4.6 ; python_full_version < '3.12' \\\n    --hash=sha256:ba \\\n    --hash=sha256:bb\n"
        "numpy==2.5.5 ; python_full_version >= '3.12' \\\n    --hash=sha256:ca\n"
        "async-timeout==5.0.1 ; python_full_version < '3.11.3' \\\n    --hash=sha256:da\n"
        "psycopg[binary]==3.3.9 \\\n    --hash=sha256:ea\n    # via\n    #   customer360\n"
        "psycopg-binary==3.3.9 ; implementation_name != 'pypy' \\\n    --hash=sha256:fa\n"
    )
    pinned = release.list_pinned(requirements)
    assert [(one.name, one.version) for one in pinned] == [
        ("numpy", "2.4.6"),
        ("psycopg", "3.3.9"),
        ("psycopg-binary", "3.3.9"),
    ]
    assert "".join(one.line for one in pinned) == (
        "numpy==2.4.6 \\\n    --hash=sha256:ba \\\n    --hash=sha256:bb\n"
        "psycopg[binary]==3.3.9 \\\n    --hash=sha256:ea\n"
        "psycopg-binary==3.3.9 \\\n    --hash=sha256:fa\n"
    )
    # The real file: nothing of it is overlooked.
    text = (PROJECT / "requirements.txt").read_text()
    assert len(release._PINNED.findall(text)) == len(re.findall(r"^[A-Za-z0-9]\S*==", text, flags=re.M))


def test_a_release_that_is_written_by_halves_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, made = tarfile.TarFile.addfile, []

    def fill(self: tarfile.TarFile, *arguments: Any) -> None:
        if made:
            raise OSError(errno.ENOSPC, "No space left on device")
        made.append(arguments)
        real(self, *arguments)

    monkeypatch.setattr(tarfile.TarFile, "addfile", fill)
    path = tmp_path / "customer360-1.tar"
    with pytest.raises(OSError, match="No space left"):
        release._write(path, "top", {"a": (b"a", 0o644), "b": (b"b", 0o644)}, timestamp=0)
    assert made and not path.exists()


def test_a_release_without_the_wheel_of_a_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"there is no wheel of argon2-cffi .*, django "):
        release.build_release(tmp_path / "dist", tmp_path)


def test_every_package_of_the_image_may_be_passed_on(wheels: Path) -> None:
    pinned = release.list_pinned()
    licenses = release.read_licenses(wheels, pinned)
    assert {name: text for name, text in licenses.items() if not FREE.search(text)} == {}
    table = release.describe_licenses(licenses, pinned)
    assert all(f"| {one.name} | {one.version} | {licenses[one.key]} |" in table for one in pinned)
