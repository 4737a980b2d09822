"""From what is known of an upload to its page, and from the page's fields to what was decided."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from tempfile import SpooledTemporaryFile
from typing import Any, Final

from django.http import FileResponse, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from lifecycle.models import ImportUpload
from lifecycle.sentences.codes import LINE_OUTCOMES, UPLOAD_STATES, name_code
from lifecycle.sentences.fields import name_field
from lifecycle.services.imports.cells import unwrap
from lifecycle.services.imports.columns import FIELDS, IGNORED_PREFIX
from lifecycle.services.imports.counts import counts_of, total_of
from lifecycle.services.imports.kinds import CSV
from lifecycle.services.imports.parts import Facts, read_rejects
from lifecycle.services.imports.uploads import asks_for_number
from lifecycle.services.imports.values import read_timestamp
from tenants.actors import TenantRef

# A select for each, with every field in it.
MOST_COLUMNS = 300
LONGEST_SAMPLE = 60
_IN_MEMORY = 1_048_576
# What is called otherwise here than by its field alone.
_NAMES: Final[Mapping[str, str | Promise]] = {
    "external_id": gettext_lazy("Customer's ID in your systems"),
    "contact.name": gettext_lazy("Contact: name"),
    "contact.email": gettext_lazy("Contact: e-mail"),
    "contact.phone": gettext_lazy("Contact: phone"),
    "contact.role": gettext_lazy("Contact: role"),
    "reason_code": gettext_lazy("Reason"),
    "stage_entered_at": gettext_lazy("In the stage since"),
}


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """A column of the file: what is in it first, and which field it is taken for."""

    index: int
    name: str
    samples: tuple[str, ...]
    field: str


def describe_columns(facts: Facts, rows: Sequence[Mapping[str, object]], post: QueryDict) -> dict[str, Any]:
    """The table of columns. What was just sent and refused stays as it was chosen."""
    plan, refusal = facts.plan()
    listed = []
    for index, name in _list_names(facts):
        chosen = post.get(f"field-{index}", plan.fields.get(name, ""))
        samples = tuple(_shorten(row.get(name)) for row in rows)
        if not name.startswith(IGNORED_PREFIX) or chosen:
            listed.append(ColumnRow(index, name, samples, chosen))
    # Those that are fields come first where there are too many for a page.
    shown = sorted(sorted(listed, key=lambda row: not row.field)[:MOST_COLUMNS], key=lambda row: row.index)
    return {
        "columns": shown,
        "more_columns": len(listed) - len(shown),
        "notes": plan.notes,
        "plan_refusal": refusal.on_page if refusal else "",
    }


def list_fields() -> list[tuple[str, str]]:
    """What a column can be taken for: each field with what it is called."""
    return [(path, str(_NAMES.get(path) or name_field(path))) for path in FIELDS]


def read_mapping(post: QueryDict, facts: Facts) -> dict[str, str | None]:
    """What was chosen otherwise than the names of the columns say."""
    by_names, _ = facts.plan({})
    mapping: dict[str, str | None] = {}
    for index, name in _list_names(facts):
        sent = post.get(f"field-{index}")
        known = facts.mapping.get(name, by_names.fields.get(name))
        chosen = known if sent is None else sent.strip() or None
        if chosen != by_names.fields.get(name):
            mapping[name] = chosen
    return mapping


def read_as_of(text: str) -> dt.datetime | None:
    """When the file was exported; None if that was left out. Raises InvalidValue."""
    return read_timestamp(text) if text.strip() else None


def read_count(text: str) -> int | None:
    """A number that was typed, with or without separators; None for anything else."""
    digits = re.sub(r"[\s.,'’]", "", text)
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else None


def describe_effects(facts: Facts, *, tenant: TenantRef, post: QueryDict) -> dict[str, Any]:
    """What new customers would start, by name, and whether its number is to be typed. One statement."""
    return {
        "foreseen": facts.foreseen,
        "foreseen_count": sum(facts.foreseen.values()),
        "asks_for_number": asks_for_number(facts.foreseen, tenant_id=tenant.id),
        "start_effects": "start_effects" in post,
    }


def show_run(upload: ImportUpload) -> Mapping[str, int]:
    """The counts of the run at hand, or of the last one, by what they are called."""
    return {name_code(LINE_OUTCOMES, name): count for name, count in total_of(counts_of(upload)).items()}


def name_state(upload: ImportUpload) -> str:
    """What happens to an upload, or has to be decided about it."""
    return name_code(UPLOAD_STATES, upload.state)


def download_rejects(upload: ImportUpload) -> FileResponse:
    """The rejected lines as a file. They are collected first: the answer leaves after the tenant's context."""
    file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  the response closes it
    file.writelines(read_rejects(upload))
    file.seek(0)
    name = PurePath(upload.name)
    kind = "text/csv" if upload.kind == CSV else "application/x-ndjson"
    return FileResponse(
        file, as_attachment=True, filename=f"{name.stem}.rejected{name.suffix or f'.{upload.kind}'}", content_type=kind
    )


def _list_names(facts: Facts) -> list[tuple[int, str]]:
    """Each column once, with its number. Two of one name can only be left out together."""
    return [(index, name) for name, index in {name: index for index, name in enumerate(facts.columns)}.items()]


def _shorten(value: object) -> str:
    text = "" if value is None else unwrap(str(value)).strip()
    return f"{text[:LONGEST_SAMPLE]}…" if len(text) > LONGEST_SAMPLE else text
