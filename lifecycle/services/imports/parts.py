"""What an upload is made of, encrypted piece by piece: the file, the lines that were rejected, what was found out."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO, Final, Self, cast
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from audit.services.message_encryption import decrypt_message, encrypt_message
from lifecycle.models import ImportPart, ImportUpload
from lifecycle.sentences import say
from lifecycle.services.imports.columns import ColumnPlan, MappingRefused, propose_columns
from lifecycle.services.imports.evidence import Evidence
from lifecycle.services.imports.files import RecordReader
from tenants.context import tenant_context
from tenants.rules.messages import Message

PART_BYTES: Final = 256 * 1024
# So many refusals are shown on the page; the reject file has all.
MOST_SHOWN: Final = 20

Kind = ImportPart.Kind


class UploadGone(Exception):
    """The upload is no longer there: discarded, its day is over, or a customer was erased."""


@dataclass(slots=True)
class Facts:
    """What was found out about a file, and decided. It quotes the file, so it is encrypted as the file is.

    ``said``: why it cannot be read, or why the run before ended: a message and what it speaks of. ``candidates``: the
    encodings it could be in, each with a word. ``codec``: the one it is read with. ``columns``: all, in order, as often
    as they occur. ``mapping``:
    what people chose, column -> field or None.
    ``refusals``: the first lines that the last run rejected, with the sentence. ``foreseen``: what new customers start
    by entering their stages, by the name of the effect, as the last dry run has counted. ``starts_effects``: whether
    the import was asked to start that; ``started``: what it has started so far, or would have.
    """

    said: tuple[str, dict[str, Any]] | None = None
    candidates: list[tuple[list[str], str]] = field(default_factory=list)
    encoding: str = ""
    codec: str = ""
    columns: list[str] = field(default_factory=list)
    evidence: dict[str, Any] | None = None
    mapping: dict[str, str | None] = field(default_factory=dict)
    refusals: list[tuple[int, str]] = field(default_factory=list)
    foreseen: dict[str, int] = field(default_factory=dict)
    starts_effects: bool = False
    started: dict[str, int] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """``said`` in the language of who asks; empty: there is nothing to say."""
        return say(Message(*self.said)) if self.said else ""

    def plan(self, mapping: Mapping[str, str | None] | None = None) -> tuple[ColumnPlan, MappingRefused | None]:
        """Which column is which field, by what was chosen (or ``mapping``), and what is in the way.

        Raises MappingRefused for a mapping that does not fit the file.
        """
        assert self.evidence is not None  # noqa: S101  the file was read
        evidence = Evidence.from_document(self.evidence)
        return propose_columns(self.columns, self.mapping if mapping is None else mapping, evidence)


def read_facts(upload: ImportUpload) -> Facts:
    """What is known of an upload so far. In its tenant's context. One statement."""
    part = ImportPart.objects.filter(tenant_id=upload.tenant_id, upload_id=upload.id, kind=Kind.FACTS).first()
    return Facts() if part is None else Facts(**orjson.loads(_open(part)))


def write_facts(upload: ImportUpload, facts: Facts) -> None:
    """Replace what is known of an upload. In its tenant's context."""
    delete_parts(upload, Kind.FACTS)
    add_part(upload, Kind.FACTS, 0, orjson.dumps(asdict(facts), default=str))


def add_part(upload: ImportUpload, kind: Kind, number: int, plain: bytes) -> None:
    """Seal and keep one piece. In the tenant's context."""
    part_id: UUID = uuid7()
    value = encrypt_message(plain, tenant_id=upload.tenant_id, row_id=part_id)
    ImportPart.objects.create(
        id=part_id, tenant_id=upload.tenant_id, upload_id=upload.id, kind=kind, number=number, value=value
    )


def delete_parts(upload: ImportUpload, *kinds: Kind) -> None:
    """Destroy pieces of an upload. In the tenant's context."""
    ImportPart.objects.filter(tenant_id=upload.tenant_id, upload_id=upload.id, kind__in=kinds).delete()


def read_rejects(upload: ImportUpload) -> Iterator[bytes]:
    """The reject file, piece by piece. In the tenant's context. A statement a piece."""
    rows = ImportPart.objects.filter(tenant_id=upload.tenant_id, upload_id=upload.id, kind=Kind.REJECTS)
    for number in list(rows.order_by("number").values_list("number", flat=True)):
        if (part := rows.filter(number=number).first()) is not None:
            yield _open(part)


def open_upload(upload: ImportUpload) -> BinaryIO:
    """The file of an upload, to be read. It may be read in and outside of its tenant's context; raises UploadGone."""
    return cast("BinaryIO", io.BufferedReader(_Parts(upload), PART_BYTES))


def open_reader(file: BinaryIO, upload: ImportUpload, facts: Facts) -> RecordReader:
    """The records of a file that was read before."""
    return RecordReader(file, upload.kind, codec=facts.codec)


class _Parts(io.RawIOBase):
    """The pieces of a file as one; only the piece at hand is in memory, and none is ever in a file in clear."""

    def __init__(self, upload: ImportUpload) -> None:
        self._upload, self._position = upload, 0
        self._number, self._part = -1, b""

    def __enter__(self) -> Self:
        return self

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of any file."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._upload.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        """Where it is."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """The rest of the piece at hand, or as much as fits."""
        if self._position >= self._upload.size:
            return 0
        number, offset = divmod(self._position, PART_BYTES)
        if number != self._number:
            self._number, self._part = number, self._load(number)
        piece = self._part[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _load(self, number: int) -> bytes:
        upload = self._upload
        with tenant_context(upload.tenant_id):
            part = ImportPart.objects.filter(
                tenant_id=upload.tenant_id, upload_id=upload.id, kind=Kind.FILE, number=number
            ).first()
        if part is None:
            raise UploadGone("The file is no longer kept.")
        return _open(part)


def _open(part: ImportPart) -> bytes:
    return decrypt_message(part.value, tenant_id=part.tenant_id, row_id=part.id)
