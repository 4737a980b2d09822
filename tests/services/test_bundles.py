"""Audit bundles: verified by a program that has nothing of the product, and no change of a bundle goes unseen."""

import base64
import datetime as dt
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from audit.models import AdministrationEntry
from audit.services import seals, verify_bundle
from audit.services.seals import key_id, merkle_root, public_key_of
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.factories import CustomerFactory, utc_now
from tests.services.audit_chain import tampering as attacks

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
PUBLIC = base64.b64encode(public_key_of(KEY)).decode()


@pytest.fixture(autouse=True)
def signing_key() -> Iterator[None]:
    with override_settings(AUDIT_SIGNING_KEY=KEY, AUDIT_VERIFY_KEYS=[]):
        yield


@pytest.fixture
def export(tenant: TenantRef, tmp_path: Path) -> Callable[..., Path]:
    """``export()``: the bundle of today."""

    def run(name: str = "bundle", **options: Any) -> Path:
        day = str(utc_now().date())
        # A test that runs at midnight is about yesterday as well.
        before = str(utc_now().date() - dt.timedelta(days=1))
        folder = tmp_path / name
        given = {"tenant": tenant.slug, "since": before, "until": day, "out": folder, **options}
        call_command("export_audit", **given)
        return folder

    return run


@pytest.fixture
def history(tenant: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three customers, fifteen rows, under seals of seven rows at most."""
    monkeypatch.setattr(seals, "MOST", 7)
    for _ in range(3):
        attacks.move(CustomerFactory(tenant=tenant), tenant, *attacks.MOVES, note="a note")
    call_command("seal_audit", tenant=tenant.slug)


def verify(folder: Path, *keys: str) -> list[str]:
    """What is wrong with a bundle."""
    bundle = verify_bundle.Bundle(folder, list(keys))
    bundle.verify()
    return bundle.findings


def verify_with(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The verifier of a bundle as an outsider runs it: nothing of the product can be imported."""
    command = [sys.executable, "-I", str(folder / "verify_bundle.py"), *options]
    return subprocess.run(command, cwd="/", env={"PATH": ""}, capture_output=True, text=True, check=False)


def change(folder: Path, name: str, edit: Callable[[list[Any]], Any]) -> None:
    """Edit the lines of a file and everything that would give it away by its bytes."""
    path = folder / name
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    edit(lines)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = verify_bundle.file_digest(path)
    rows = [json.loads(line) for line in (folder / "history.ndjson").read_text().splitlines()]
    manifest["rows"], manifest["customers"] = len(rows), len({row["customer_id"] for row in rows})
    manifest["seals"] = len((folder / "seals.ndjson").read_text().splitlines())
    del manifest["digest"]
    manifest["digest"] = verify_bundle.digest_of(manifest)
    (folder / "manifest.json").write_bytes(verify_bundle.written(manifest))


def test_an_outsider_verifies_a_bundle_with_python_alone(
    history: None, export: Callable[..., Path], tenant: TenantRef, tmp_path: Path
) -> None:
    folder = export()
    away = tmp_path / "elsewhere"
    shutil.copytree(folder, away)
    run = verify_with(away, "--key", PUBLIC)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "15 history rows of 3 customers under 3 seals\nEverything holds.\n"
    assert sorted(path.name for path in folder.iterdir()) == [
        "history.ndjson", "keys.json", "manifest.json", "proofs.ndjson", "seals.ndjson", "verify_bundle.py",
    ]  # fmt: skip
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, action="export_audit")
    assert entry.detail["rows"] == 15

    altered = (away / "history.ndjson").read_bytes().replace(b"At-Risk", b"At-Rest", 1)
    (away / "history.ndjson").write_bytes(altered)
    run = verify_with(away)
    assert run.returncode == 1
    assert "WRONG: The file history.ndjson is not the one of the manifest: it was altered.\n" in run.stdout
    assert f"The key {key_id(public_key_of(KEY))} came with the bundle" in run.stdout


def test_a_period_may_go_from_the_first_day_of_the_calendar_to_the_last(
    history: None, export: Callable[..., Path]
) -> None:
    folder = export(since="0001-01-01", until="9999-12-31")
    assert verify(folder, PUBLIC) == []
    assert len((folder / "history.ndjson").read_text().splitlines()) == 15


def test_one_changed_byte_of_any_file_is_found(history: None, export: Callable[..., Path]) -> None:
    folder = export()
    assert verify(folder) == []
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 60)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            try:
                assert verify(folder), (path.name, place)
            except verify_bundle.Unreadable:
                assert path.name in ("manifest.json", "keys.json")
        path.write_bytes(whole)
    assert verify(folder) == []


@pytest.mark.parametrize("name", ["manifest.json", "history.ndjson", "seals.ndjson", "proofs.ndjson", "keys.json"])
def test_a_file_that_was_cut_off_anywhere_is_found_and_said_in_a_sentence(
    history: None, export: Callable[..., Path], name: str
) -> None:
    path = export() / name
    whole = path.read_bytes()
    for length in (0, 1, len(whole) // 3, whole.rstrip().rfind(b"\n"), len(whole) - 2, len(whole) - 1):
        path.write_bytes(whole[: max(0, length)])
        run = verify_with(path.parent, "--key", PUBLIC)
        assert run.returncode != 0, length
        assert "Traceback" not in run.stdout + run.stderr and (run.stdout + run.stderr).strip()
    path.unlink()
    assert verify_with(path.parent, "--key", PUBLIC).returncode != 0


@pytest.mark.parametrize("place", [0, 3, 9, 14])
def test_a_missing_row_is_found_though_everything_else_is_put_right(
    history: None, export: Callable[..., Path], place: int
) -> None:
    folder = export()
    for name in ("history.ndjson", "proofs.ndjson"):
        change(folder, name, lambda lines: lines.pop(place))
    assert any("is missing" in finding for finding in verify(folder))


def test_a_row_that_is_rewritten_with_its_hash_is_found(history: None, export: Callable[..., Path]) -> None:
    folder = export()

    def rewrite(lines: list[Any]) -> None:
        lines[4]["to_stage"] = "Elsewhere"
        lines[4]["hash"] = hashlib.sha256(verify_bundle.row_bytes(lines[4])).hexdigest()

    change(folder, "history.ndjson", rewrite)
    findings = verify(folder)
    assert any("does not lead to the root of its seal" in finding for finding in findings)
    assert any("are not the ones that were sealed" in finding for finding in findings)


def sign(seal: dict[str, Any], key: bytes) -> None:
    """Sign a seal again, as one who has a key can."""
    signature = Ed25519PrivateKey.from_private_bytes(key).sign(verify_bundle.seal_bytes(seal))
    seal["signature"] = base64.b64encode(signature).decode()
    seal["key_id"] = key_id(public_key_of(key))


def test_a_backdated_seal_is_found_even_when_it_is_signed_by_the_key(
    history: None, export: Callable[..., Path]
) -> None:
    folder = export()

    def backdate(lines: list[Any]) -> None:
        lines[-1]["sealed_at"] -= 3_600 * 1_000_000
        sign(lines[-1], KEY)

    change(folder, "seals.ndjson", backdate)
    findings = verify(folder, PUBLIC)
    assert "Seal 3 is dated before the seal before it." in findings
    assert any(finding.startswith("Seal 3 is dated before a row that it covers") for finding in findings)


def test_one_missing_row_is_called_one_and_all_others_are_verified(history: None, export: Callable[..., Path]) -> None:
    folder = export()
    change(folder, "history.ndjson", lambda lines: lines.pop(1))
    findings = verify(folder)
    assert [
        finding for finding in findings if "seal" in finding and "missing." in finding and "comes" not in finding
    ] == ["Row 1 of seal 1 is missing."]
    assert "There are proofs of rows that are not in the bundle." in findings
    run = verify_with(folder, "--key", PUBLIC)
    assert run.stdout.splitlines()[-2].startswith("14 history rows of 3 customers under 3 seals")

    change(folder, "proofs.ndjson", lambda lines: lines.pop(1))
    assert "There are proofs of rows that are not in the bundle." not in verify(folder)
    assert not any("has no proof" in finding for finding in verify(folder))

    folder = export("twice")
    change(folder, "history.ndjson", lambda lines: lines.insert(2, lines[1]))
    assert verify(folder) == ["Row 1 of seal 1 is there twice, or out of its order.", *counts_of(folder)]


def counts_of(folder: Path) -> list[str]:
    """What is said of a manifest that counts other rows than there are."""
    claimed = json.loads((folder / "manifest.json").read_text())["rows"]
    return [f"The manifest says {claimed} rows; there are 15."]


def test_a_seal_of_another_key_or_one_that_is_left_out_is_found(history: None, export: Callable[..., Path]) -> None:
    folder = export()
    change(folder, "seals.ndjson", lambda lines: sign(lines[1], OTHER_KEY))
    other = base64.b64encode(public_key_of(OTHER_KEY)).decode()
    assert verify(folder, PUBLIC) == [
        f"Seal 2 is signed by a key that is not known: {key_id(public_key_of(OTHER_KEY))}."
    ]
    assert verify(folder, PUBLIC, other) == []
    folder = export("without")
    change(folder, "seals.ndjson", lambda lines: lines.pop(1))
    assert "After seal 1 comes seal 3: one is missing." in verify(folder, PUBLIC)


def put_right(folder: Path, edit: Callable[[dict[str, Any]], Any] = lambda _: None) -> None:
    """Write a manifest that fits the files, with what else it shall say."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: verify_bundle.file_digest(folder / name) for name in manifest["files"]}
    del manifest["digest"]
    edit(manifest)
    manifest["digest"] = verify_bundle.digest_of(manifest)
    (folder / "manifest.json").write_bytes(verify_bundle.written(manifest))


@pytest.mark.parametrize("name", ["history.ndjson", "seals.ndjson", "proofs.ndjson"])
@pytest.mark.parametrize("said", ['"approved_by":"the board"', '"to_stage":"Churned"', '"leaves":1', '"id":"x"'])
def test_nothing_is_said_beside_what_is_verified_nor_said_twice(
    history: None, export: Callable[..., Path], name: str, said: str
) -> None:
    folder = export()
    lines = (folder / name).read_text().splitlines()
    lines[1] = f"{{{said},{lines[1][1:]}"
    (folder / name).write_text("\n".join(lines) + "\n")
    put_right(folder)
    (finding,) = [one for one in verify(folder, PUBLIC) if "was not verified" in one]
    assert f"line 2 of {name} says more, or less, than is verified, or twice" in finding


@pytest.mark.parametrize(
    "edit",
    [
        lambda key: key.update({"key_id": "0" * 16}),
        lambda key: key.pop("key_id"),
        lambda key: key.update({"name": "the auditor's"}),
        lambda key: key.update({"public_key": base64.b64encode(public_key_of(OTHER_KEY)).decode()}),
    ],
)
def test_what_a_bundle_says_of_its_keys_is_verified_also_with_a_key_that_one_was_given(
    history: None, export: Callable[..., Path], edit: Callable[[dict[str, Any]], Any]
) -> None:
    folder = export()
    assert verify(folder) == verify(folder, PUBLIC) == []
    keys = json.loads((folder / "keys.json").read_text())
    edit(keys[0])
    (folder / "keys.json").write_text(json.dumps(keys))
    put_right(folder)
    assert any("keys.json" in finding for finding in verify(folder, PUBLIC))
    assert verify(folder) != []


@override_settings(AUDIT_VERIFY_KEYS=[public_key_of(OTHER_KEY)])
def test_a_key_that_came_with_the_bundle_and_was_not_trusted_is_named(
    history: None, export: Callable[..., Path]
) -> None:
    run = verify_with(export(), "--key", PUBLIC)
    assert run.returncode == 0
    assert f"Not among the keys that you trust, and not used: {key_id(public_key_of(OTHER_KEY))}.\n" in run.stdout


def test_a_proof_that_is_written_in_another_way_is_found(history: None, export: Callable[..., Path]) -> None:
    folder = export()
    change(folder, "proofs.ndjson", lambda proofs: proofs[0]["path"].insert(0, f" {proofs[0]['path'].pop(0)}"))
    put_right(folder)
    assert verify(folder) != []


def test_proofs_of_other_rows_are_found(history: None, export: Callable[..., Path]) -> None:
    folder = export()
    change(folder, "proofs.ndjson", lambda lines: lines.append(lines[3]))
    assert verify(folder, PUBLIC) == ["There are proofs of rows that are not in the bundle."]


def test_what_lies_beside_a_bundle_is_named_as_not_verified(history: None, export: Callable[..., Path]) -> None:
    folder = export()
    (folder / "summary.txt").write_text("All customers agreed.")
    run = verify_with(folder, "--key", PUBLIC)
    assert run.returncode == 0
    assert "Not of the bundle, and not verified: summary.txt.\n" in run.stdout
    (folder / "summary.txt").unlink()
    assert "Not of the bundle" not in verify_with(folder, "--key", PUBLIC).stdout


def test_a_manifest_that_names_another_tenant_or_says_something_else_is_found(
    history: None, export: Callable[..., Path]
) -> None:
    folder = export()
    whole = (folder / "manifest.json").read_bytes()
    put_right(folder, lambda manifest: manifest.update(tenant_id="00000000-0000-0000-0000-000000000001"))
    assert verify(folder, PUBLIC) == [
        f"Seal {number} is not of the tenant that the manifest names." for number in (1, 2, 3)
    ]
    more = "The manifest says more, or less, than manifests do: it was altered."
    for edit in (
        lambda manifest: manifest.update(approved_by="the board"),
        lambda manifest: manifest["files"].pop("keys.json"),
        lambda manifest: manifest["files"].update({"../bundle/keys.json": manifest["files"]["keys.json"]}),
    ):
        (folder / "manifest.json").write_bytes(whole)
        put_right(folder, edit)
        assert verify(folder, PUBLIC)[0] == more
    (folder / "manifest.json").write_bytes(whole)
    assert verify(folder, PUBLIC) == []
    change(folder, "seals.ndjson", lambda lines: lines[0].update(format="customer360.seal.9"))
    assert verify(folder, PUBLIC) == ["Seal 1 is not of the format customer360.seal.1."]


def test_what_is_not_sealed_yet_is_said(
    history: None, export: Callable[..., Path], tenant: TenantRef, capsys: pytest.CaptureFixture[str]
) -> None:
    CustomerFactory(tenant=tenant)
    folder = export()
    said = capsys.readouterr().out
    assert f"{folder}: 15 rows under seals 1 to 3. Verify with: python {folder}/verify_bundle.py" in said
    assert "1 rows of that time are not sealed yet, and not in it: run seal_audit." in said


def test_refusals_say_what_to_do_and_leave_nothing(
    tenant: TenantRef, export: Callable[..., Path], tmp_path: Path
) -> None:
    CustomerFactory(tenant=tenant)
    for options, sentence in (
        ({"since": "yesterday"}, "--from needs a day such as 2026-01-31, not 'yesterday'. Nothing was written."),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "--to 2026-02-01 is before --from 2026-02-02."),
        ({"tenant": "no-such"}, "There is no tenant 'no-such'."),
        ({}, "1 rows of that time are not sealed: run seal_audit. Nothing was written."),
    ):
        with pytest.raises(CommandError) as refused:
            export(**options)
        assert sentence in str(refused.value)
        assert list(tmp_path.iterdir()) == []
    call_command("seal_audit", tenant=tenant.slug)
    with override_settings(AUDIT_SIGNING_KEY=None), pytest.raises(CommandError, match="Set AUDIT_VERIFY_KEYS"):
        export()
    export()
    with pytest.raises(CommandError, match="exists"):
        export()


def test_a_bundle_may_take_as_long_as_its_rows_and_the_digests_of_its_files_do(
    history: None, export: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two statements, too: several GB are digested in more than a minute."""
    seen, digest = [], verify_bundle.file_digest

    def look_and_digest(path: Path) -> str:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('transaction_timeout'), current_setting('statement_timeout'),"
                " current_setting('idle_in_transaction_session_timeout')"
            )
            seen.append(cursor.fetchone())
        return digest(path)

    monkeypatch.setattr(verify_bundle, "file_digest", look_and_digest)
    export()
    assert set(seen) == {("0", "0", "1h")}


def test_a_bundle_that_cannot_be_noted_leaves_nothing_in_the_way_of_the_next(
    history: None, export: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while the tenant is being moved to another server: its rows can be read and not written."""

    def refuse(*_args: object, **_options: object) -> None:
        raise OperationalError("The tenant is being moved.")

    with monkeypatch.context() as moving:
        moving.setattr("lifecycle.management.commands.export_audit.record_administration", refuse)
        with pytest.raises(OperationalError):
            export()
    assert list(tmp_path.iterdir()) == []
    assert verify(export(), PUBLIC) == []


@given(leaves=st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=40), data=st.data())
def test_every_leaf_has_a_proof_and_no_other_does(leaves: list[bytes], data: st.DataObject) -> None:
    levels = verify_bundle.tree_levels(leaves)
    root = merkle_root(leaves)
    assert verify_bundle.tree_root(leaves) == root
    position = data.draw(st.integers(0, len(leaves) - 1))
    path = verify_bundle.audit_path(levels, position)
    assert verify_bundle.root_by(leaves[position], position, len(leaves), path) == root.hex()
    assert verify_bundle.root_by(leaves[position] + b"x", position, len(leaves), path) != root.hex()
    assert verify_bundle.root_by(leaves[position], position, len(leaves), [*path, "00" * 32]) == ""
