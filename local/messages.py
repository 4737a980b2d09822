"""``make messages``: the catalogs of the languages, from the sentences in the code.

Babel reads and writes them, so that no program beside Python is needed.

``locale/xx/LC_MESSAGES/django.po`` is what translators write; the ``.mo`` beside it is made from it, and kept, so that
an installation compiles nothing. English is the source and has none.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_python
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from local.folders import PROJECT
from local.services import say
from local.trouble import CannotStart

LOCALE: Final = PROJECT / "locale"
SOURCES: Final = ("audit", "config", "lifecycle", "storage", "tenants", "templates")
# The functions that mark a sentence, and which of their arguments it is: what makemessages looks for.
_LAZY_TOO: Final = {"gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2), "npgettext": ((1, "c"), 2, 3)}
KEYWORDS: Final = {
    "_": None,
    "gettext_noop": None,
    **_LAZY_TOO,
    **{f"{name}_lazy": arguments for name, arguments in _LAZY_TOO.items()},
}

_RENAMED: Final = re.compile(
    r"^from (?:django\.utils\.translation|tenants\.rules\.messages) import \w*gettext\w* as (\w+)", re.M
)


def update_messages(arguments: list[str]) -> int:
    """Bring every catalog up to the code, and say what is not translated; 1 when something is not."""
    if arguments not in ([], ["--check"]):
        raise CannotStart("messages takes no arguments but --check")
    check = bool(arguments)
    template = read_sentences()
    complaints = [*find_renamed()]
    for path in sorted(LOCALE.glob("*/LC_MESSAGES/django.po")):
        compiled, name = path.with_suffix(".mo"), path.relative_to(PROJECT)
        catalog = read_po(io.BytesIO(path.read_bytes()), locale=path.parents[1].name)
        before = {message.id for message in catalog}, _translations(catalog)
        catalog.update(template, no_fuzzy_matching=True, update_creation_date=False)
        catalog.obsolete.clear()
        after = {message.id for message in catalog}, _translations(catalog)
        is_stale = before != after or _read_compiled(compiled) != after[1]
        if check and is_stale:
            complaints.append(f"{name} or what is compiled of it is not what the code says; run make messages")
        elif is_stale:
            path.write_bytes(_write(write_po, catalog, no_location=True, sort_output=True, width=110))
            compiled.write_bytes(_write(write_mo, catalog))
        missing = [message.id for message in catalog if message.id and not _is_translated(message.string)]
        complaints += [f"{name}: not translated: {sentence!r}" for sentence in missing]
        say(f"{name}: {len(catalog)} sentences, {len(missing)} of them not translated")
    for complaint in complaints:
        say(complaint)
    return 1 if complaints else 0


def read_sentences() -> Catalog:
    """Every sentence that the code and the templates mark for translation."""
    catalog = Catalog(project="Customer 360", charset="utf-8", fuzzy=False)
    methods = [
        ("**.py", "python"),
        ("**.html", f"{__name__}:extract_template"),
        ("**.txt", f"{__name__}:extract_template"),
    ]
    for folder in SOURCES:
        found = extract_from_dir(PROJECT / folder, method_map=methods, keywords=KEYWORDS, directory_filter=bool)
        for _, _, sentence, _, context in found:
            catalog.add(sentence, context=context)
    return catalog


def find_renamed() -> Iterator[str]:
    """Each function that marks sentences and is imported under a name that this looks for in vain."""
    for folder in SOURCES:
        for path in sorted((PROJECT / folder).rglob("*.py")):
            for name in _RENAMED.findall(path.read_text()):
                if name not in KEYWORDS:
                    yield f"{path.relative_to(PROJECT)}: sentences in {name}() are not found: call it by its own name"


def extract_template(
    file: IO[bytes], keywords: dict[str, Any], comment_tags: list[str], options: dict[str, Any]
) -> Iterator[Any]:
    """The sentences of a Django template: Django makes it into a source that an extractor of Python reads."""
    source = templatize(file.read().decode())
    flat = "\n".join(line.strip() for line in source.splitlines())
    in_unicode: Any = {**options, "encoding": "utf-8"}
    return extract_python(io.BytesIO(flat.encode()), keywords, comment_tags, in_unicode)


def _write(write: Any, catalog: Catalog, **options: Any) -> bytes:
    buffer = io.BytesIO()
    write(buffer, catalog, **options)
    return buffer.getvalue()


def _translations(catalog: Catalog) -> dict[Any, Any]:
    """What is said by what; the head of a file also names the version of the program that wrote it."""
    return {
        (message.context or None, _fix(message.id)): _fix(message.string)
        for message in catalog
        if message.id and _is_translated(message.string)
    }


def _fix(text: Any) -> Any:
    return tuple(text) if isinstance(text, list) else text


def _read_compiled(path: Path) -> dict[Any, Any]:
    return _translations(read_mo(io.BytesIO(path.read_bytes()))) if path.exists() else {}


def _is_translated(string: Any) -> bool:
    return all(string) if isinstance(string, (tuple, list)) else bool(string)
