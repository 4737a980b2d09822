"""Audit bundles: a part of a tenant's history with its seals and proofs, for those who have nothing of the product.

A bundle holds whole seals, so that a row that is missing is seen, and a program that verifies it
(``audit.services.verify_bundle``), which is also what says how bundles are written.
"""

import base64
import datetime as dt
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID, uuid4

import orjson
from django.db import DEFAULT_DB_ALIAS, connections

from audit.models import AuditSeal
from audit.services import verify_bundle
from audit.services.chain import COLUMNS, micros
from audit.services.seals import MOST, describe_seal, key_id

VERIFIER: Final = "verify_bundle.py"
KEYS: Final = "keys.json"
HISTORY, SEALS, PROOFS = "history.ndjson", "seals.ndjson", "proofs.ndjson"

# The seals that cover a row of the period, by the first and the last of them: between those all are needed.
_SEALS: Final = """
SELECT min(r.seal_number), max(r.seal_number)
  FROM customer_lifecycle_history h
  JOIN audit_sealed_row r ON r.tenant_id = h.tenant_id AND r.history_id = h.id
 WHERE h.tenant_id = %(tenant_id)s::uuid
   AND h.recorded_at >= %(since)s::timestamptz AND h.recorded_at < %(until)s::timestamptz
"""
_UNSEALED: Final = """
SELECT count(*) FROM customer_lifecycle_history h
 WHERE h.tenant_id = %(tenant_id)s::uuid
   AND h.recorded_at >= %(since)s::timestamptz AND h.recorded_at < %(until)s::timestamptz
   AND NOT EXISTS (SELECT FROM audit_sealed_row r WHERE r.tenant_id = h.tenant_id AND r.history_id = h.id)
"""
_ROWS: Final = f"""
SELECT r.position, {", ".join(f"h.{column}" for column in (*COLUMNS, "hash"))}
  FROM audit_sealed_row r JOIN customer_lifecycle_history h ON h.tenant_id = r.tenant_id AND h.id = r.history_id
 WHERE r.tenant_id = %(tenant_id)s::uuid AND r.seal_number = %(number)s::int ORDER BY r.position
"""  # noqa: S608  constants


@dataclass(frozen=True, slots=True)
class Period:
    """What a bundle is of: the seals from ``first`` to ``last``, and how many rows of the time have none yet."""

    seals: tuple[AuditSeal, ...]
    unsealed: int

    @property
    def rows(self) -> int:
        """How many rows the bundle will hold."""
        return sum(seal.leaves for seal in self.seals)


def find_period(tenant_id: UUID, *, since: dt.datetime, until: dt.datetime) -> Period:
    """The seals that cover what was recorded from ``since`` to before ``until``. Call inside the tenant's context."""
    given: dict[str, Any] = {"tenant_id": tenant_id, "since": since, "until": until}
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_SEALS, given)
        first, last = cursor.fetchone()
        cursor.execute(_UNSEALED, given)
        (unsealed,) = cursor.fetchone()
    if first is None:
        return Period((), unsealed)
    found = AuditSeal.objects.filter(tenant_id=tenant_id, number__range=(first, last)).order_by("number")
    return Period(tuple(found), unsealed)


def write_bundle(folder: Path, period: Period, *, tenant_id: UUID, public_keys: Collection[bytes]) -> Iterator[int]:
    """Write the files of a bundle into an empty folder; after each seal, how many rows have been written.

    Call inside the tenant's context and one transaction. A seal is in memory at a time.
    """
    shutil.copyfile(verify_bundle.__file__, folder / VERIFIER)
    keys = [{"key_id": key_id(key), "public_key": base64.b64encode(key).decode()} for key in public_keys]
    (folder / KEYS).write_bytes(orjson.dumps(keys, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    customers: set[UUID] = set()
    written = 0
    with (
        (folder / HISTORY).open("wb") as history,
        (folder / SEALS).open("wb") as seals,
        (folder / PROOFS).open("wb") as proofs,
    ):
        for seal in period.seals:
            _write_line(seals, describe_seal(seal))
            leaves, ids = [], []
            for row in _read_rows(tenant_id, seal.number):
                _write_line(history, row)
                customers.add(UUID(row["customer_id"]))
                leaves.append(bytes.fromhex(row["hash"]))
                ids.append(row["id"])
            levels = verify_bundle.tree_levels(leaves)
            for position, row_id in enumerate(ids):
                _write_line(proofs, {"id": row_id, "path": verify_bundle.audit_path(levels, position)})
            written += len(leaves)
            yield written
    names = (HISTORY, SEALS, PROOFS, KEYS, VERIFIER)
    manifest: dict[str, Any] = {
        "format": verify_bundle.FORMAT,
        "tenant_id": str(tenant_id),
        "seals": len(period.seals),
        "rows": written,
        "customers": len(customers),
        "files": {name: verify_bundle.file_digest(folder / name) for name in names},
    }
    # The last: a bundle without a manifest was not finished.
    manifest["digest"] = verify_bundle.digest_of(manifest)
    (folder / verify_bundle.MANIFEST).write_bytes(verify_bundle.written(manifest))


def _read_rows(tenant_id: UUID, number: int) -> Iterator[dict[str, Any]]:
    """The rows of a seal by position, as the bundle says them: times in microseconds since 1970, bytes in hex."""
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    with connection.connection.cursor(name=f"bundle_{uuid4().hex}", binary=True) as cursor:
        cursor.itersize = MOST
        for position, *values in cursor.execute(_ROWS, {"tenant_id": tenant_id, "number": number}):
            row = dict(zip((*COLUMNS, "hash"), map(_as_json, values), strict=True))
            yield {"seal": number, "position": position, **row}


def _as_json(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return micros(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value) if isinstance(value, UUID) else value


def _write_line(file: IO[bytes], value: Any) -> None:
    file.write(orjson.dumps(value) + b"\n")
