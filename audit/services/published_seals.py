"""Seals as they were published, kept by someone else: read strictly, and judged before they are compared.

What was published cannot be taken back, so it can accuse the database. Hence nothing is believed that is not signed by
a key that is known here.
"""

import base64
import binascii
import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson

from audit.services.chain import EPOCH, MICROSECOND
from audit.services.seals import FORMAT, SealFacts, is_signed_by, key_id

TWICE, FORGED, UNKNOWN_KEY = "published_twice", "published_forged", "published_unknown_key"
LARGEST_NUMBER: Final = 2**31 - 1
LAST_MICROSECOND: Final = (dt.datetime.max.replace(tzinfo=dt.UTC) - EPOCH) // MICROSECOND


class NotASeal(ValueError):
    """These bytes are no published seal; the sentence says why."""


@dataclass(frozen=True, slots=True)
class PublishedSeal:
    """A seal as ``audit.services.seals.describe_seal`` describes it."""

    facts: SealFacts
    key_id: str
    signature: bytes


@dataclass(slots=True)
class PublishedSeals:
    """Published seals by tenant and number. Of two for one number the first is kept; ``twice`` names the number.

    ``unreadable``: places in the topic where something else than a seal lies.
    """

    by_tenant: dict[UUID, dict[int, PublishedSeal]] = field(default_factory=lambda: defaultdict(dict))
    twice: set[tuple[UUID, int]] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)

    def add(self, seal: PublishedSeal) -> None:
        """Note one. The same seal once more is no news: messages may be repeated."""
        facts = seal.facts
        if self.by_tenant[facts.tenant_id].setdefault(facts.number, seal) != seal:
            self.twice.add((facts.tenant_id, facts.number))

    def of(self, tenant_id: UUID) -> Mapping[int, PublishedSeal]:
        """Those of a tenant."""
        return self.by_tenant.get(tenant_id, {})

    def count(self) -> int:
        """How many there are."""
        return sum(map(len, self.by_tenant.values()))


@dataclass(frozen=True, slots=True)
class InvalidSeal:
    """Why a published seal proves nothing, or too much."""

    number: int
    code: str
    sentence: str


def read_seal(raw: bytes) -> PublishedSeal:
    """A seal from the JSON that was published. Raises NotASeal."""
    try:
        return _read(orjson.loads(raw))
    except (orjson.JSONDecodeError, binascii.Error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotASeal("this is not a seal.") from error


def judge_published(
    seals: PublishedSeals, tenant_id: UUID, public_keys: Collection[bytes]
) -> tuple[dict[int, PublishedSeal], list[InvalidSeal]]:
    """Those of a tenant's published seals that the database must have, and what is wrong with the others."""
    keys = {key_id(key): key for key in public_keys}
    good, errors = {}, []
    for number, seal in sorted(seals.of(tenant_id).items()):
        if (tenant_id, number) in seals.twice:
            errors.append(
                InvalidSeal(number, TWICE, f"Two different seals were published as number {number}: ask who signed.")
            )
        elif seal.key_id not in keys:
            sentence = f"Published seal {number} names the key {seal.key_id}, which is not known here."
            errors.append(InvalidSeal(number, UNKNOWN_KEY, sentence))
        elif not is_signed_by(keys[seal.key_id], seal.facts, seal.signature):
            sentence = f"The signature of published seal {number} is not over what it says."
            errors.append(InvalidSeal(number, FORGED, sentence))
        else:
            good[number] = seal
    return good, errors


def _read(reported: Any) -> PublishedSeal:
    if reported["format"] != FORMAT:
        raise ValueError(reported["format"])
    facts = SealFacts(
        tenant_id=UUID(reported["tenant_id"]),
        number=_whole(reported["number"], 1, LARGEST_NUMBER),
        sealed_at=EPOCH + _whole(reported["sealed_at"], 0, LAST_MICROSECOND) * MICROSECOND,
        leaves=_whole(reported["leaves"], 1, LARGEST_NUMBER),
        root=bytes.fromhex(reported["root"]),
        previous=bytes.fromhex(reported["previous"]),
    )
    return PublishedSeal(facts, str(reported["key_id"]), base64.b64decode(reported["signature"], validate=True))


def _whole(value: Any, first: int, last: int) -> int:
    if type(value) is not int or not first <= value <= last:
        raise ValueError(value)
    return value
