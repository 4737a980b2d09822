#!/usr/bin/env python3
"""Verify an audit bundle of Customer 360 without the product: ``python verify_bundle.py [FOLDER]``.

Needs Python 3.9 or newer and the package ``cryptography``, and nothing of the product: read it before you trust it.
Exit status 0 when everything holds, 1 when something does not, 2 when the bundle cannot be read.

What is checked:

* Every file is, byte by byte, the one that the manifest names. None says anything beyond what is checked, or twice.
* The seals follow each other without a gap: each carries the digest of the one before, is signed (Ed25519) by a known
  key, and is not dated before the one before it, nor before a row that it covers.
* Each history row has the SHA-256 that it carries, which includes the hash of the customer's row before; no row of a
  customer is missing between two others.
* The rows of each seal are the leaves of its Merkle tree (RFC 6962): all of them, and each is in it by its own proof.
* A seal that you kept (--seal, one or several, JSON a line) is the very one of the bundle.

A key that comes with the bundle proves nothing by itself: give the one that you were given by another way with --key,
or compare its fingerprint.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MANIFEST = "manifest.json"
FORMAT = "customer360.bundle.1"
SEAL_FORMAT = "customer360.seal.1"
HISTORY_FORMAT = "customer360.history.1"
# Times are microseconds since 1970-01-01 UTC, binary values are in hex.
COLUMNS = (
    "id", "tenant_id", "customer_id", "sequence", "from_stage", "to_stage", "changed_at", "effective_at",
    "recorded_at", "changed_by", "on_behalf_of", "actor_kind", "source", "reason_code", "request_id", "event_id",
    "configuration_version", "note", "previous_hash",
)  # fmt: skip
# What each file says, and nothing else: what no hash, signature or count covers would look as if it were verified.
FILES = {"history.ndjson", "seals.ndjson", "proofs.ndjson", "keys.json", "verify_bundle.py"}
MANIFEST_NAMES = {"format", "tenant_id", "seals", "rows", "customers", "files", "digest"}
SEALED = ("tenant_id", "number", "sealed_at", "leaves", "root", "previous")
NAMES = {
    "history.ndjson": {"seal", "position", *COLUMNS, "hash"},
    "seals.ndjson": {"format", *SEALED, "key_id", "signature"},
    "proofs.ndjson": {"id", "path"},
}
# What the clocks of a database and of a sealing process may differ by.
CLOCKS_MICROSECONDS = 300 * 1_000_000
MOST_FINDINGS = 100
# So many proofs are looked through for that of a row behind rows that are not there.
MOST_LOST = 10_000


class Lines:
    """The lines of a file in their order, with a look at what comes next."""

    def __init__(self, lines: Iterator[dict[str, Any]]) -> None:
        self.lines, self.read = lines, deque[dict[str, Any]]()

    def look(self, ahead: int = 0) -> dict[str, Any] | None:
        """The next line, or one further on, left where it is; None where there are not so many."""
        while len(self.read) <= ahead:
            line = next(self.lines, None)
            if line is None:
                return None
            self.read.append(line)
        return self.read[ahead]

    def drop(self, count: int = 1) -> None:
        """Be done with lines that were looked at."""
        for _ in range(count):
            self.read.popleft()


class Unreadable(Exception):
    """The bundle cannot be read; the sentence says what is missing."""


def main() -> int:
    """Verify, print what was found, and return the exit status."""
    parser = argparse.ArgumentParser(description="Verify an audit bundle of Customer 360.")
    parser.add_argument("folder", nargs="?", default=str(Path(__file__).resolve().parent), help="default: this one")
    parser.add_argument("--key", action="append", default=[], metavar="BASE64", help="a public key that you trust")
    parser.add_argument("--seal", action="append", default=[], metavar="FILE", help="seals that you kept elsewhere")
    options = parser.parse_args()
    try:
        bundle = Bundle(Path(options.folder), options.key, options.seal)
        bundle.verify()
    except Unreadable as trouble:
        print(f"The bundle cannot be verified: {trouble}")
        return 2
    for finding in bundle.findings[:MOST_FINDINGS]:
        print(f"WRONG: {finding}")
    if len(bundle.findings) > MOST_FINDINGS:
        print(f"... and {len(bundle.findings) - MOST_FINDINGS:,} more")
    print(f"{bundle.rows:,} history rows of {len(bundle.chains):,} customers under {bundle.seals:,} seals")
    for sentence in bundle.remarks():
        print(sentence)
    print("Everything holds." if not bundle.findings else f"{len(bundle.findings):,} things are wrong.")
    return 1 if bundle.findings else 0


class Bundle:
    """One bundle: what it says and what is wrong with it."""

    def __init__(self, folder: Path, trusted: list[str], kept: list[str] | None = None) -> None:
        self.folder = folder
        self.kept = [seal for file in kept or () for seal in self._read_kept(Path(file))]
        self.findings: list[str] = []
        self.rows = self.seals = 0
        # The last row of each customer: its sequence and hash.
        self.chains: dict[str, tuple[int, str]] = {}
        self.begun = 0
        # Rows that are not there, or not the seal's, whose proofs may be; whether such rows or proofs were found.
        self.lost = 0
        self.uncovered = self.unused = False
        self.compared: set[int] = set()
        self.first_seal: dict[str, Any] | None = None
        self.trusted = bool(trusted)
        self.manifest = self._read_json(MANIFEST)
        if not isinstance(self.manifest, dict) or not isinstance(self.manifest.get("files"), dict):
            raise Unreadable(f"{MANIFEST} is not a manifest.")
        came = self._read_keys()
        self.keys = dict(map(self._decode_key, trusted)) if trusted else came
        self.unknown = sorted(set(came) - set(self.keys))

    def verify(self) -> None:
        """All checks, in the order of the description above."""
        self._verify_files()
        try:
            self._verify_contents()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.findings.append(f"What follows is not written as bundles are, and was not verified: {error!r}.")

    def _verify_contents(self) -> None:
        previous = None
        history, proofs = Lines(self._lines("history.ndjson")), Lines(self._lines("proofs.ndjson"))
        for seal in self._lines("seals.ndjson"):
            self.seals += 1
            self.first_seal = self.first_seal or seal
            self._verify_seal(seal, previous)
            self._compare_kept(seal)
            self._verify_rows(seal, history, proofs)
            previous = seal
        if self.uncovered or history.look() is not None:
            self.findings.append("There are history rows that no seal of the bundle covers.")
        if self.unused or proofs.look() is not None:
            self.findings.append("There are proofs of rows that are not in the bundle.")
        counted = {"seals": self.seals, "rows": self.rows, "customers": len(self.chains)}
        for name, count in counted.items():
            if self.manifest.get(name) != count:
                self.findings.append(f"The manifest says {self.manifest.get(name)} {name}; there are {count}.")

    def remarks(self) -> Iterator[str]:
        """What a reader has to know about what was, and was not, checked."""
        if others := sorted({path.name for path in self.folder.iterdir()} - FILES - {MANIFEST}):
            yield f"Not of the bundle, and not verified: {', '.join(others)}."
        if self.first_seal is not None and self.first_seal["number"] > 1:
            yield f"It begins with seal {self.first_seal['number']}: what that says of the one before is unchecked."
        if self.begun:
            yield f"{self.begun:,} customers have rows before the bundle begins, which are not in it."
        for number in sorted({seal["number"] for seal in self.kept} - self.compared):
            yield f"Seal {number}, which you kept, is not in the bundle: ask for one that goes as far."
        if self.compared:
            yield f"{len(self.compared):,} of the seals that you kept were compared."
        if self.unknown:
            yield f"Not among the keys that you trust, and not used: {', '.join(self.unknown)}."
        if not self.trusted:
            for name in self.keys:
                yield f"The key {name} came with the bundle: compare it with the one you were given, or use --key."

    # --- files ------------------------------------------------------------------------------------------------------

    def _verify_files(self) -> None:
        claimed = dict(self.manifest)
        digest = claimed.pop("digest", None)
        if self.manifest.get("format") != FORMAT or digest != digest_of(claimed):
            self.findings.append("The manifest was altered: its digest is not that of what it says.")
        if (self.folder / MANIFEST).read_bytes() != written(self.manifest):
            self.findings.append("The manifest is not written as it was: it was altered.")
        if set(self.manifest) != MANIFEST_NAMES or set(self.manifest["files"]) != FILES:
            self.findings.append("The manifest says more, or less, than manifests do: it was altered.")
        for name, expected in sorted(self.manifest["files"].items()):
            path = self.folder / name
            if not path.is_file():
                self.findings.append(f"The file {name} is missing.")
            elif file_digest(path) != expected:
                self.findings.append(f"The file {name} is not the one of the manifest: it was altered.")

    def _read_json(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Unreadable(f"{name} cannot be read ({error}).") from error

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        try:
            with (self.folder / name).open("rb") as file:
                for number, line in enumerate(file, 1):
                    try:
                        pairs = json.loads(line, object_pairs_hook=list)
                    except ValueError as error:
                        raise ValueError(f"line {number:,} of {name} is not JSON") from error
                    said = dict(pairs)
                    if len(pairs) != len(said) or set(said) != NAMES[name]:
                        raise ValueError(f"line {number:,} of {name} says more, or less, than is verified, or twice")
                    yield said
        except OSError as error:
            raise ValueError(f"{name} cannot be read ({error})") from error

    def _read_kept(self, file: Path) -> list[dict[str, Any]]:
        try:
            seals = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
            for seal in seals:
                seal_bytes(seal)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unreadable(f"{file} holds no seals, one a line ({error!r}).") from error
        return seals

    def _read_keys(self) -> dict[str, bytes]:
        said = self._read_json("keys.json")
        try:
            found = dict(self._decode_key(key["public_key"]) for key in said)
        except (KeyError, TypeError) as error:
            raise Unreadable("keys.json is not a list of public keys.") from error
        if said != [{"key_id": name, "public_key": base64.b64encode(found[name]).decode()} for name in found]:
            self.findings.append("keys.json says more, or less, of its keys than is verified, or something else.")
        return found

    def _decode_key(self, text: str) -> tuple[str, bytes]:
        """What the key is called, and the key."""
        try:
            key = base64.b64decode(text, validate=True)
            Ed25519PublicKey.from_public_bytes(key)
        except (TypeError, ValueError) as error:
            raise Unreadable(f"{text!r} is not an Ed25519 public key in base64.") from error
        return hashlib.sha256(key).hexdigest()[:16], key

    # --- seals ------------------------------------------------------------------------------------------------------

    def _verify_seal(self, seal: dict[str, Any], previous: dict[str, Any] | None) -> None:
        number, wrong = seal["number"], self.findings.append
        if seal["format"] != SEAL_FORMAT:
            wrong(f"Seal {number} is not of the format {SEAL_FORMAT}.")
        if seal["tenant_id"] != self.manifest.get("tenant_id"):
            wrong(f"Seal {number} is not of the tenant that the manifest names.")
        if previous is not None:
            if number != previous["number"] + 1:
                wrong(f"After seal {previous['number']} comes seal {number}: one is missing.")
            if seal["previous"] != hashlib.sha256(seal_bytes(previous)).hexdigest():
                wrong(f"Seal {number} does not carry the digest of the seal before it.")
            if seal["sealed_at"] < previous["sealed_at"] - CLOCKS_MICROSECONDS:
                wrong(f"Seal {number} is dated before the seal before it.")
        elif number == 1 and seal["previous"]:
            wrong("The first seal names one before it.")
        key = self.keys.get(seal["key_id"])
        if key is None:
            wrong(f"Seal {number} is signed by a key that is not known: {seal['key_id']}.")
            return
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(seal["signature"]), seal_bytes(seal))
        except (InvalidSignature, ValueError):
            wrong(f"The signature of seal {number} is not that of what it says.")

    def _compare_kept(self, seal: dict[str, Any]) -> None:
        for kept in self.kept:
            if kept["number"] == seal["number"]:
                self.compared.add(seal["number"])
                if seal_bytes(kept) != seal_bytes(seal):
                    self.findings.append(f"Seal {seal['number']} is not the one that you kept.")

    # --- rows -------------------------------------------------------------------------------------------------------

    def _verify_rows(self, seal: dict[str, Any], history: Lines, proofs: Lines) -> None:
        """The rows of one seal. One that is missing, or too many, is named; those behind it are verified as ever."""
        number, wrong, leaves, expected = seal["number"], self.findings.append, [], 0
        while (row := history.look()) is not None and row["seal"] <= number:
            history.drop()
            position = row["position"]
            if row["seal"] < number:
                self.uncovered = True
                self.lost += 1
            elif position < expected:
                wrong(f"Row {position} of seal {number} is there twice, or out of its order.")
            elif position >= seal["leaves"]:
                wrong(f"Seal {number} has {seal['leaves']} rows; there is a row {position} of it.")
                self.lost += 1
            else:
                self._miss(number, expected, position)
                expected = position + 1
                leaves.append(self._verify_row(row, seal, proofs))
        self._miss(number, expected, seal["leaves"])
        if len(leaves) == seal["leaves"] and tree_root(leaves).hex() != seal["root"]:
            wrong(f"The rows of seal {number} are not the ones that were sealed.")

    def _miss(self, number: int, first: int, end: int) -> None:
        """Name the rows of a seal from ``first`` on to before ``end``, which are not there; none if it is the same."""
        if first < end:
            self.lost += end - first
            which = (
                f"Row {first} of seal {number} is"
                if end - first == 1
                else f"Rows {first} to {end - 1} of seal {number} are"
            )
            self.findings.append(f"{which} missing.")

    def _verify_row(self, row: dict[str, Any], seal: dict[str, Any], proofs: Lines) -> bytes:
        """One row, its link to the one before and its proof. Its digest."""
        number, position, wrong = seal["number"], row["position"], self.findings.append
        self.rows += 1
        digest = hashlib.sha256(row_bytes(row)).digest()
        place = f"Row {row['sequence']} of customer {row['customer_id']} (seal {number}, position {position})"
        if digest.hex() != row["hash"]:
            wrong(f"{place} was altered: its hash is not the hash of what it says.")
        if row["tenant_id"] != seal["tenant_id"]:
            wrong(f"{place} is not of the tenant of its seal.")
        if row["recorded_at"] > seal["sealed_at"] + CLOCKS_MICROSECONDS:
            wrong(f"Seal {number} is dated before a row that it covers: {row['id']}.")
        self._verify_link(row, place)
        proof = self._take_proof(row["id"], proofs)
        if proof is None:
            wrong(f"{place} has no proof.")
        elif root_by(digest, position, seal["leaves"], proof["path"]) != seal["root"]:
            wrong(f"{place}: its proof does not lead to the root of its seal.")
        return digest

    def _take_proof(self, row_id: str, proofs: Lines) -> dict[str, Any] | None:
        """The proof of a row, behind those of rows that are lost; None if it is not among the next."""
        for ahead in range(min(self.lost, MOST_LOST) + 1):
            proof = proofs.look(ahead)
            if proof is None:
                return None
            if proof["id"] == row_id:
                proofs.drop(ahead + 1)
                self.lost -= ahead
                self.unused = self.unused or ahead > 0
                return proof
        return None

    def _verify_link(self, row: dict[str, Any], place: str) -> None:
        before = self.chains.get(row["customer_id"])
        if before is None:
            if row["sequence"] > 1:
                self.begun += 1
            elif row["previous_hash"]:
                self.findings.append(f"{place} is the first and names one before it.")
        elif row["sequence"] != before[0] + 1:
            self.findings.append(f"{place} comes after row {before[0]}: rows are missing.")
        elif row["previous_hash"] != before[1]:
            self.findings.append(f"{place} does not carry the hash of the row before it.")
        self.chains[row["customer_id"]] = (row["sequence"], row["hash"])


def row_bytes(row: dict[str, Any]) -> bytes:
    """The bytes whose SHA-256 a history row carries."""
    return json.dumps([HISTORY_FORMAT, *(row[name] for name in COLUMNS)], ensure_ascii=False).encode()


def seal_bytes(seal: dict[str, Any]) -> bytes:
    """The bytes that a seal's signature is over."""
    return json.dumps([SEAL_FORMAT, *(seal[name] for name in SEALED)]).encode()


def written(manifest: dict[str, Any]) -> bytes:
    """The bytes of a manifest's file."""
    return json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"


def digest_of(claimed: dict[str, Any]) -> str:
    """The digest that a manifest carries of the rest of it."""
    return hashlib.sha256(written(claimed)).hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def tree_levels(leaves: list[bytes]) -> list[list[bytes]]:
    """The levels of the Merkle tree of RFC 6962, leaves first; a last node without a sibling rises as it is."""
    level = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    levels = [level]
    while len(level) > 1:
        pairs = [level[index : index + 2] for index in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\x01" + pair[0] + pair[1]).digest() if len(pair) == 2 else pair[0] for pair in pairs]
        levels.append(level)
    return levels


def tree_root(leaves: list[bytes]) -> bytes:
    """The root of the tree."""
    return tree_levels(leaves)[-1][0] if leaves else hashlib.sha256(b"").digest()


def audit_path(levels: list[list[bytes]], position: int) -> list[str]:
    """The siblings that lead from a leaf to the root (RFC 6962, 2.1.1), in hex."""
    path = []
    for level in levels[:-1]:
        sibling = position ^ 1
        if sibling < len(level):
            path.append(level[sibling].hex())
        position //= 2
    return path


def root_by(leaf: bytes, position: int, leaves: int, path: list[str]) -> str:
    """The root to which a proof leads, in hex; empty when the proof has the wrong length."""
    digest, width, siblings = hashlib.sha256(b"\x00" + leaf).digest(), leaves, list(path)
    while width > 1:
        if position % 2 or position + 1 < width:
            if not siblings:
                return ""
            text = siblings.pop(0)
            sibling = bytes.fromhex(text)
            if sibling.hex() != text:
                return ""
            pair = sibling + digest if position % 2 else digest + sibling
            digest = hashlib.sha256(b"\x01" + pair).digest()
        position, width = position // 2, (width + 1) // 2
    return "" if siblings else digest.hex()


if __name__ == "__main__":
    sys.exit(main())
