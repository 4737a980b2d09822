"""The list of customers as a file: exactly the customers, columns and order of a question, as CSV or XLSX.

One statement reads them all, so the file is of one moment. The rows come in parts and go to a file on the disk: the
memory that it takes does not grow with them. Between parts other threads of the process get their turn.
"""

import csv
import datetime as dt
import io
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from typing import IO, Any, Final
from uuid import UUID

import xlsxwriter  # type: ignore[import-untyped]
from django.db import connection
from django.utils.translation import gettext as _

from audit.services.administration import record_administration
from lifecycle.queries.list_columns import ListColumn, Value
from lifecycle.queries.listing import ListQuery, stream_customers
from lifecycle.services.imports.cells import guard
from lifecycle.services.lists.contact_columns import ContactColumns, Row
from storage.timeouts import allow_seconds
from tenants.actors import Actor, TenantRef
from tenants.reading import read_from_replica
from tenants.rules.configuration.policy import Policy

CSV, XLSX = "csv", "xlsx"
CONTENT_TYPES: Final[Mapping[str, str]] = {
    CSV: "text/csv; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# An XLSX sheet has no more rows.
MOST_ROWS: Final = 1_000_000
MOST_SECONDS: Final = 300
# So many files are made at once in a process; of a tenant one, in all of them.
MOST_AT_ONCE: Final = 2
# After so many rows the others of the process get a turn; where one took longer than no one needs, another one.
ROWS_A_TURN: Final = 25
LEAST_SECONDS: Final = 0.0005
BUSY_SECONDS: Final = 0.0015
TURN_SECONDS: Final = 0.005
# While a file is written, those who wait for the interpreter wait no longer than this: a page does so a dozen times.
SWITCH_SECONDS: Final = 0.0005
_room: Final = threading.BoundedSemaphore(MOST_AT_ONCE)
_switching: Final = threading.Lock()
_writing = 0
_usual_switch = 0.0
_TRY_TURN: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('export:' || %(tenant_id)s::text, 0))"
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
CURRENCY: Final = "currency"
_AMOUNTS: Final = frozenset({"at_stake", "balance_overdue"})


class ExportRefused(Exception):
    """No file was made; the message says why, and what to do."""


def export_customers(
    query: ListQuery,
    columns: Sequence[ListColumn],
    kind: str,
    *,
    tenant: TenantRef,
    policy: Policy,
    actor: Actor,
    now: dt.datetime,
    described: Mapping[str, Any],
    contacts: ContactColumns | None = None,
    request_id: UUID | None = None,
    past: Callable[[], Iterator[Row]] | None = None,
) -> IO[bytes]:
    """The file, open at its beginning; it is gone from the disk when it is closed. The export is recorded.

    ``described`` is what the record keeps of the question: no personal data. ``contacts``: with columns of each
    customer's main contact; the record says so. ``past``: gives the rows in place of the question. Call inside the
    tenant's context. Four statements and one more for the rows, which come from the replica where there is one; with
    contacts two more for each ROWS_AT_ONCE of them. Raises ExportRefused, and InvalidCursor never: the whole list is
    exported.
    """
    fields = _fields_of(columns)
    texts = {name for column in columns if not column.number for name in column.fields}
    if contacts is not None:
        fields, texts = {**fields, **contacts.fields}, texts | contacts.fields.keys()

    def write_file() -> tuple[IO[bytes], int]:
        allow_seconds(MOST_SECONDS)
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
        try:
            rows: Iterator[Row] = stream_customers(query, tenant=tenant, policy=policy, now=now, most=MOST_ROWS)
            if past is not None:
                rows = islice(past(), MOST_ROWS)
            if contacts is not None:
                rows = contacts.add_to(rows, tenant)
            with _quick_switches():
                return file, _WRITERS[kind](file, fields, texts, _in_turns(rows))
        except BaseException:
            file.close()
            raise

    with _take_turn(tenant):
        # The turn is the primary's, which waits while the replica is reached and read, and is asked if that fails.
        allow_seconds(2 * MOST_SECONDS, idle=2 * MOST_SECONDS)
        file, number = read_from_replica(write_file, tenant_id=tenant.id, reader=actor.name)
        record_administration(
            "export_customers",
            tenant_id=tenant.id,
            actor=actor,
            detail={"rows": number, "format": kind, **described, **(contacts.described if contacts else {})},
            request_id=request_id,
            now=now,
        )
        file.seek(0)
        return file


def _fields_of(columns: Sequence[ListColumn]) -> dict[str, Value]:
    """Names and values of the columns of a file. An amount says its currency, as on the page: that of ``arr``, or one
    of its own where no revenue is shown.
    """
    fields = {name: value for column in columns for name, value in column.fields.items()}
    if _AMOUNTS & fields.keys() and CURRENCY not in fields:
        fields[CURRENCY] = lambda row: row.get(CURRENCY)
    return fields


@contextmanager
def _take_turn(tenant: TenantRef) -> Iterator[None]:
    """A place in this process, and the tenant's turn until the transaction ends. Raises ExportRefused at once."""
    busy = _("Another export is being made. Nothing was exported. Try again in a minute.")
    if not _room.acquire(blocking=False):
        raise ExportRefused(busy)
    try:
        with connection.cursor() as cursor:
            cursor.execute(_TRY_TURN, {"tenant_id": tenant.id})
            if not cursor.fetchone()[0]:
                raise ExportRefused(busy)
        yield
    finally:
        _room.release()


def _in_turns(rows: Iterator[Row]) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        yield row
        if number % ROWS_A_TURN == 0:
            began = time.perf_counter()
            time.sleep(LEAST_SECONDS)
            if time.perf_counter() - began > BUSY_SECONDS:
                # Someone has worked in the meantime, and goes on.
                time.sleep(TURN_SECONDS)


@contextmanager
def _quick_switches() -> Iterator[None]:
    """Have threads take turns more often, until the last file of this process is written."""
    global _usual_switch, _writing
    with _switching:
        _writing += 1
        if _writing == 1:
            _usual_switch = sys.getswitchinterval()
            sys.setswitchinterval(min(SWITCH_SECONDS, _usual_switch))
    try:
        yield
    finally:
        with _switching:
            _writing -= 1
            if _writing == 0:
                sys.setswitchinterval(_usual_switch)


def _write_csv(file: IO[bytes], fields: Mapping[str, Value], texts: Set[str], rows: Iterator[Row]) -> int:
    """Digits in the fields that are ``texts`` are no numbers."""
    # The mark at the beginning lets Excel know that it is UTF-8.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=False)
    writer, number = csv.writer(text), 0
    writer.writerow(fields)
    cells = [(value, name in texts) for name, value in fields.items()]
    for row in rows:
        writer.writerow([_as_text(value(row), is_text=is_text) for value, is_text in cells])
        number += 1
    text.flush()
    text.detach()
    return number


def _as_text(value: Any, *, is_text: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="seconds")
    return guard(value) if isinstance(value, str) and (is_text or not _is_number(value)) else str(value)


def _is_number(text: str) -> bool:
    """Whether it is an amount as the list has them: a minus before it begins no formula."""
    return _NUMBER.fullmatch(text) is not None


def _write_xlsx(file: IO[bytes], fields: Mapping[str, Value], texts: Set[str], rows: Iterator[Row]) -> int:
    """Digits in the fields that are ``texts`` are no numbers."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "in_memory": False}
    number = 0
    with xlsxwriter.Workbook(file, options) as book:
        sheet = book.add_worksheet("Customers")
        sheet.freeze_panes(1, 0)
        bold = book.add_format({"bold": True})
        for at, name in enumerate(fields):
            sheet.write_string(0, at, name, bold)
        cells = [(at, value, name in texts) for at, (name, value) in enumerate(fields.items())]
        for number, row in enumerate(rows, 1):
            for at, value, is_text in cells:
                _write_cell(sheet, number, at, value(row), is_text=is_text)
    return number


def _write_cell(sheet: Any, row: int, column: int, value: Any, *, is_text: bool) -> None:
    if value is None or value == "":
        return
    if isinstance(value, int | float | Decimal):
        sheet.write_number(row, column, value)
    elif isinstance(value, str) and not is_text and _is_number(value):
        sheet.write_number(row, column, float(value))
    else:
        sheet.write_string(row, column, _as_text(value, is_text=is_text))


_WRITERS: Final[Mapping[str, Callable[[IO[bytes], Mapping[str, Value], Set[str], Iterator[Row]], int]]] = {
    CSV: _write_csv,
    XLSX: _write_xlsx,
}
