"""Whom a message is about: every customer that it may name, in whatever form, for messages that could not be applied.

Their key may be missing, quoted or someone else's; their value may be no valid event, or no JSON at all. One candidate
too many costs little, one too few leaves a person behind.
"""

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import orjson

from lifecycle.rules.envelopes import Message
from tenants.rules.texts import UNSEEN, is_refused, normalize_text
from tenants.rules.values import LONGEST_ID, InvalidValue, read_external_id

# Values of a document that are looked at, and ids that are taken from it.
MOST_VALUES: Final = 50_000
MOST_IDS: Final = 20_000
# JSON within texts of JSON.
DEEPEST: Final = 3
# Names that say "this is the customer's id", without case and signs.
_NAMES: Final = frozenset(
    f"{whose}{what}"
    for whose in ("customer", "external", "client", "account", "company", "customerexternal", "externalcustomer")
    for what in ("id", "key", "no", "number", "ref", "reference")
) | {"customer", "client", "account", "subject", "cesubject", "externalid"}
# In these, ``id`` is the customer's as well.
_PARENTS: Final = frozenset({"customer", "client", "account", "company", "data", "payload", "before", "after"})
_SIGNS: Final = re.compile(r"[^a-z0-9]")
# The same names in what is not JSON, or not any more: external_id: "c1", customerId=c1, <external_id>c1<.
_IN_TEXT: Final = re.compile(
    r"(?:(?:customer|external|client|account|company)[_\s.-]?(?:id|key|no|number|ref|reference)|subject)"
    r"\\*[\"']?\s*[:=>]\s*\\*[\"']?([^\"'\\,;{}\[\]<>\r\n]{1,200})",
    re.IGNORECASE,
)
_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_BETWEEN: Final = re.compile(r"[:|/;#,\s]+")
# What is around an id that was quoted once too often.
_QUOTES: Final = "\"'`\\ \t\r\n"


@dataclass(frozen=True, slots=True)
class Candidates:
    """The external ids that a message may be about, as ``read_external_id`` gives them.

    ``is_certain``: the value itself says whose it is. Otherwise it may be about others as well.
    """

    ids: frozenset[str]
    is_certain: bool


def find_candidates(message: Message, *, largest: int | None = None) -> Candidates:
    """Every customer that the message may be about. Never raises, whatever the bytes are.

    Takes time in proportion to the value, about half a millisecond a kilobyte at worst; one with more bytes than
    ``largest`` is not looked into.
    """
    found: set[str] = set()
    is_certain = True
    if message.value and largest is not None and len(message.value) > largest:
        is_certain = False
    elif message.value:
        text = _as_text(message.value)
        document = _parse(text)
        said, is_complete = _walk(document) if isinstance(document, dict | list) else (set(), False)
        is_certain = bool(said) and is_complete
        found |= said
        for match in _IN_TEXT.finditer(text):
            found |= {form for part in {match[1], match[1].partition("&")[0]} for form in _forms(part)}
            if len(found) > MOST_IDS:
                is_certain = False
                break
    for name, value in message.headers:
        if value is not None and _fold(name) in _NAMES:
            found |= set(_forms(_as_text(value)))
    if message.key is not None:
        found |= _ids_of_key(_as_text(message.key))
    return Candidates(frozenset(found), is_certain)


def names_person(message: Message, people: Collection[str]) -> bool:
    """Whether any of these names, addresses or numbers is anywhere in the message, in any case."""
    wanted = [folded for one in people if (folded := _fold_person(one))]
    if not wanted:
        return False
    parts = [message.key, message.value, *(value for _, value in message.headers)]
    texts = [_fold_person(_unescape(_as_text(part))) for part in parts if part]
    return any(one in text for one in wanted for text in texts)


def fold_slug(slug: str) -> str:
    """The slug that was probably meant: without case, quotes and blanks around it."""
    return unicodedata.normalize("NFKC", slug).strip(_QUOTES).casefold()


def _walk(document: object) -> tuple[set[str], bool]:
    """The ids that a document gives by their names, and whether all of it was looked at. Without recursion."""
    found: set[str] = set()
    ahead: list[tuple[Any, str, int]] = [(document, "", 0)]
    for _ in range(MOST_VALUES):
        if not ahead or len(found) > MOST_IDS:
            break
        value, name, depth = ahead.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                folded = _fold(key)
                if not isinstance(inner, dict | list) and (
                    folded in _NAMES or (folded in ("id", "key", "number") and name in _PARENTS)
                ):
                    found |= set(_forms(inner))
                ahead.append((inner, folded, depth))
        elif isinstance(value, list):
            ahead += [(inner, name, depth) for inner in value]
        elif isinstance(value, str) and depth < DEEPEST:
            inner = _parse(_from_base64(value) if name == "database64" else value)
            if isinstance(inner, dict | list):
                ahead.append((inner, name, depth + 1))
    return found, not ahead


def _ids_of_key(text: str) -> set[str]:
    """A key is an id and nothing else, however it was written: alone, quoted, after a prefix, or in JSON."""
    found = set(_forms(text))
    document = _parse(text)
    if isinstance(document, dict | list):
        found |= _walk(document)[0]
        values = document.values() if isinstance(document, dict) else document
        found |= {form for value in values for form in _forms(value)}
    else:
        parts = _BETWEEN.split(text)[:10]
        found |= {form for part in parts for form in _forms(part)} if len(parts) > 1 else set()
    return found


def _forms(value: object) -> Iterator[str]:
    """The ids that a scalar may mean."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e18:
        yield str(int(value))
    text = str(value) if not isinstance(value, int) or abs(value) < 10**30 else ""
    for form in {text, text.strip(_QUOTES), unquote(text)}:
        if len(form) <= 4 * LONGEST_ID:
            for readable in (form, "".join(one for one in form if not _is_hidden(one))):
                try:
                    yield read_external_id(readable)
                    break
                except InvalidValue:
                    continue


def _is_hidden(character: str) -> bool:
    return is_refused(character) or character in UNSEEN or unicodedata.category(character) in ("Cf", "Cn", "Co")


def _parse(text: str) -> object:
    """The JSON object or array in a text, None for anything else; a text of JSON within JSON is opened."""
    for _ in range(DEEPEST):
        if text.lstrip()[:1] not in ("{", "[", '"'):
            return None
        try:
            found: object = orjson.loads(text)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            try:
                # Half surrogates, NaN and numbers of any length, which other senders' libraries write.
                found = json.loads(text)
            except (ValueError, RecursionError):
                return None
        if not isinstance(found, str):
            return found
        text = found
    return None


def _from_base64(text: str) -> str:
    try:
        return _as_text(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return ""


def _as_text(raw: bytes) -> str:
    """Bytes as the text they most likely are."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    if len(raw) > 3 and raw[1::2].count(0) > len(raw) // 3:
        return raw.decode("utf-16-le", errors="replace")
    if len(raw) > 3 and raw[::2].count(0) > len(raw) // 3:
        return raw.decode("utf-16-be", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "\\u" in text else text


def _fold_person(text: str) -> str:
    return " ".join(normalize_text(text).casefold().split())


def _fold(name: object) -> str:
    return _SIGNS.sub("", str(name).casefold())
