"""A release is the same bytes each time, and says what is in it."""

import json
import re
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

from local import release
from local.folders import PROJECT
from tests.production.compose import read_dockerfile

# Those under which the product may be run and passed on without giving its own source away.
FREE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Zlib|Unlicense|LGPL|Lesser General Public", re.I
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that no one installs."""
    folder = tmp_path_factory.mktemp("wheels")
    (folder / "some-1.0-py3-none-any.whl").write_bytes(b"a wheel")
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
    assert read_dockerfile()[1] and "wheels/some-1.0-py3-none-any.whl" in read
    assert not [name for name in read if name.startswith(("tests/", "local/", ".env/")) or name.endswith(".pyc")]


def test_the_bill_of_materials_has_every_package_with_its_hashes() -> None:
    bill = json.loads(release.describe_components())
    assert (bill["bomFormat"], "serialNumber" in bill, "timestamp" in bill["metadata"]) == ("CycloneDX", False, False)
    assert bill["metadata"]["component"]["name"] == "customer360"
    parts = {(one["name"].lower().replace("_", "-"), one.get("version")): one for one in bill["components"]}
    pinned = release.list_pinned(PROJECT / "requirements.txt")
    assert len(pinned) > 40
    for name, version in pinned:
        part = parts[name.lower(), version]
        assert part["purl"] == f"pkg:pypi/{name.lower()}@{version}"
        hashes = [one["content"] for link in part["externalReferences"] for one in link.get("hashes", ())]
        assert hashes and all(re.fullmatch("[0-9a-f]{64}", one) for one in hashes), name


def test_every_package_of_the_image_may_be_passed_on() -> None:
    pinned = release.list_pinned(PROJECT / "requirements.txt")
    licenses = {name: release.license_of(name) for name, _ in pinned}
    assert {name: text for name, text in licenses.items() if not FREE.search(text)} == {}
    table = release.describe_licenses()
    assert all(f"| {name} | {version} | {licenses[name]} |" in table for name, version in pinned)
