"""Messages filed by the customers they are about, so that an erasure and an export find them [SEC-7].

A dead letter carries the keyed hash of every customer that it may be about (``rules.subjects``). One that does not say
it for certain (no JSON, or no id in it) is not filed: it is opened and searched. So are dead letters whose tenant is
unknown; they lie apart, and whose they are is judged by the slug that they wrote.
"""

import enum
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import UUID

from django.db.models import Q

from audit.services.message_encryption import decrypt_message
from lifecycle.models import NO_TENANT, Customer, DeadLetter
from lifecycle.rules.envelopes import Message
from lifecycle.rules.subjects import Candidates, find_candidates, fold_slug, names_person
from lifecycle.services.events.inbox import decode_headers
from storage import cipher
from storage.cursors import plain_array, prepared_cursor, text_array
from tenants.actors import TenantRef
from tenants.context import no_tenant_context
from tenants.services.directory import PLATFORM, list_slugs

# Hashes that a dead letter is filed under; one about more customers is opened.
MOST_FILED: Final = 64
# Dead letters that are opened at once: each may be as large as the broker took.
CHUNK: Final = 20
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# The lock that an erasure waits for: it comes either before the dead letter, which is then not kept, or after it.
FIND_ERASED: Final = """
SELECT external_id, id::text, erased_at IS NOT NULL FROM lifecycle_customer
 WHERE tenant_id = %(tenant_id)s::uuid
   AND (external_id = ANY(%(external_ids)s::text[]) OR id = ANY(%(ids)s::uuid[]))
 ORDER BY external_id FOR KEY SHARE
"""


class Owner(enum.Enum):
    """Whose a dead letter is, as far as it is known."""

    OWN = enum.auto()
    UNKNOWN = enum.auto()
    OTHER = enum.auto()


@dataclass(frozen=True, slots=True)
class Subject:
    """A customer as messages name it: by ``external_id``, by the product's own id if there is such a customer, or by
    its ``people``: addresses, numbers and names of its contacts, in clear.
    """

    tenant: TenantRef
    external_id: str
    customer_id: UUID | None = None
    people: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The ids by which it is named."""
        return frozenset({self.external_id} if self.customer_id is None else {self.external_id, str(self.customer_id)})

    def hashes(self, tenant_id: UUID) -> list[bytes]:
        """What dead letters about it are filed under, in the tenant's rows or in those of no tenant."""
        return [cipher.customer_index(tenant_id, name) for name in sorted(self.names)]

    def is_named_in(self, text: bytes) -> bool:
        """Whether a text, an answer for example, gives one of its ids as such or names one of its people."""
        message = Message("", 0, 0, None, text)
        return not self.names.isdisjoint(find_candidates(message).ids) or names_person(message, self.people)


@dataclass(slots=True)
class Found:
    """Dead letters about a customer, ``owned`` by its tenant or by none that is known; how many could not be read."""

    owned: list[UUID] = field(default_factory=list)
    unowned: list[UUID] = field(default_factory=list)
    unreadable: int = 0

    @property
    def count(self) -> int:
        """How many were found."""
        return len(self.owned) + len(self.unowned)


def file_dead_letter(tenant_id: UUID, candidates: Candidates) -> list[bytes] | None:
    """The hashes to file a dead letter under; None when it has to be opened."""
    if not candidates.is_certain or len(candidates.ids) > MOST_FILED:
        return None
    return [cipher.customer_index(tenant_id, external_id) for external_id in sorted(candidates.ids)]


def find_erased(tenant_id: UUID, names: Collection[str]) -> set[str]:
    """Which of the names are of customers that are erased. Until the end of the transaction no other one will be. At
    most one statement.
    """
    if not names:
        return set()
    ids = [name for name in names if _ID.fullmatch(name)]
    parameters = {"tenant_id": tenant_id, "external_ids": text_array(names), "ids": plain_array(ids)}
    with prepared_cursor("default") as cursor:
        cursor.execute(FIND_ERASED, parameters)
        return {name for *called, is_erased in cursor.fetchall() if is_erased for name in called}


def find_erased_by_slug(written: Sequence[tuple[str, frozenset[str]]]) -> list[bool]:
    """For dead letters of no tenant, each with the slug that it wrote and the customers that it may be about: whether
    one of those is erased in the tenant that was meant (a suspended one, or one whose slug was quoted). At most two
    statements.
    """
    if not any(slug for slug, _ in written):
        return [False] * len(written)
    tenants = {fold_slug(slug): tenant_id for tenant_id, slug in list_slugs().items()}
    meant = [tenants.get(fold_slug(slug)) for slug, _ in written]
    names = {name for tenant_id, (_, ids) in zip(meant, written, strict=True) if tenant_id for name in ids}
    if not names:
        return [False] * len(written)
    rows = Customer.objects.using(PLATFORM).filter(
        Q(external_id__in=names) | Q(id__in=[name for name in names if _ID.fullmatch(name)]),
        tenant_id__in={tenant_id for tenant_id in meant if tenant_id},
        erased_at__isnull=False,
    )
    erased = {
        (tenant_id, name)
        for tenant_id, external_id, id_ in rows.values_list("tenant_id", "external_id", "id")
        for name in (external_id, str(id_))
    }
    return [
        any((tenant_id, name) in erased for name in ids) for tenant_id, (_, ids) in zip(meant, written, strict=True)
    ]


def read_message(dead_letter: DeadLetter) -> Message:
    """The message of a dead letter as it came. Raises Undecryptable."""
    value = (
        None
        if dead_letter.value is None
        else decrypt_message(dead_letter.value, tenant_id=dead_letter.tenant_id, row_id=dead_letter.id)
    )
    return Message(
        topic=dead_letter.topic,
        partition=dead_letter.partition,
        offset=dead_letter.offset,
        key=None if dead_letter.key is None else bytes(dead_letter.key),
        value=value,
        headers=decode_headers(dead_letter.headers),
    )


def find_dead_letters(subject: Subject, *, lock: bool = False, filed_only: bool = False) -> Found:
    """The dead letters about a customer, in any state. Call inside the tenant's context.

    ``lock`` keeps others from replaying them until the transaction ends: a replay locks its dead letter and then the
    customer, so an erasure comes to the customer afterwards. ``filed_only`` opens none.
    """
    found = Found()
    look = partial(_look, subject=subject, found=found, lock=lock, filed_only=filed_only)
    found.owned = [dead_letter_id for dead_letter_id, _ in look(subject.tenant.id)]
    slugs = list_slugs()
    with no_tenant_context():
        found.unowned = [
            dead_letter_id
            for dead_letter_id, slug in look(NO_TENANT)
            if judge_owner(slug, subject.tenant, slugs) is not Owner.OTHER
        ]
    return found


def judge_owner(slug: str, tenant: TenantRef, slugs: Mapping[UUID, str]) -> Owner:
    """Whose a dead letter is by the slug that it wrote; ``slugs`` are those of every tenant."""
    written = fold_slug(slug)
    if written == fold_slug(tenant.slug):
        return Owner.OWN
    return Owner.OTHER if written in map(fold_slug, slugs.values()) else Owner.UNKNOWN


def open_dead_letters(tenant_id: UUID, ids: Sequence[UUID]) -> Iterator[tuple[DeadLetter, Message | None]]:
    """Dead letters with their messages, in the order of their ids; None for one that cannot be read. Chunk by chunk."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), CHUNK):
        for dead_letter in DeadLetter.objects.filter(
            tenant_id=tenant_id, id__in=ordered[start : start + CHUNK]
        ).order_by("id"):
            try:
                yield dead_letter, read_message(dead_letter)
            except cipher.Undecryptable:
                yield dead_letter, None


def _look(
    tenant_id: UUID, *, subject: Subject, found: Found, lock: bool, filed_only: bool
) -> Iterator[tuple[UUID, str]]:
    """Id and slug of the dead letters among a tenant's rows, or those of no tenant: by their hashes, and by opening
    those that have none.
    """
    dead_letters = DeadLetter.objects.filter(tenant_id=tenant_id).order_by("id")
    chosen = list(dead_letters.filter(subjects__overlap=subject.hashes(tenant_id)).values_list("id", "tenant_slug"))
    if not filed_only:
        holds_something = Q(value__isnull=False) | Q(key__isnull=False)
        unfiled = list(dead_letters.filter(holds_something, subjects=None).values_list("id", flat=True))
        for start in range(0, len(unfiled), CHUNK):
            opened = dead_letters.filter(id__in=unfiled[start : start + CHUNK])
            chosen += [
                (dead_letter.id, dead_letter.tenant_slug)
                for dead_letter in opened
                if _is_about(dead_letter, subject, found)
            ]
    if lock:
        ids = sorted(dead_letter_id for dead_letter_id, _ in chosen)
        list(dead_letters.filter(id__in=ids).select_for_update().values_list("id"))
    yield from chosen


def _is_about(dead_letter: DeadLetter, subject: Subject, found: Found) -> bool:
    try:
        message = read_message(dead_letter)
    except cipher.Undecryptable:
        # Its key and headers lie open.
        found.unreadable += 1
        key = None if dead_letter.key is None else bytes(dead_letter.key)
        message = Message(
            dead_letter.topic, dead_letter.partition, dead_letter.offset, key, None, decode_headers(dead_letter.headers)
        )
    return not subject.names.isdisjoint(find_candidates(message).ids) or names_person(message, subject.people)
