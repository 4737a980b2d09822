"""Comparing names in PostgreSQL as ``sort_key`` compares them: for lists that keep no key of their own."""

from typing import Any

from django.db.models import CharField, F, Func, Q
from django.db.models.lookups import Contains

from tenants.rules.values import ACCENTS, PLAIN_LETTERS, sort_key


class SortKey(Func):
    """``sort_key`` of a column. No index serves it: for the rows of one tenant."""

    function = "casefold"
    output_field = CharField()

    def as_postgresql(self, compiler: Any, connection: Any, **options: Any) -> Any:
        """Step by step what ``sort_key`` does, by the same table of letters."""
        inner, params = compiler.compile(self.source_expressions[0])
        plain = f'casefold({inner} COLLATE "pg_unicode_fast")'
        one_for_one = {letter: other for letter, other in PLAIN_LETTERS.items() if len(other) == 1}
        plain = f"translate({plain}, {_quote(''.join(one_for_one))}, {_quote(''.join(one_for_one.values()))})"
        for letter, others in PLAIN_LETTERS.items():
            if letter not in one_for_one:
                plain = f"replace({plain}, {_quote(letter)}, {_quote(others)})"
        plain = f"regexp_replace(normalize({plain}, NFKD), {_quote(ACCENTS)}, '', 'g')"
        return f"normalize(casefold({plain}), NFC)", params


def is_called(text: str, *columns: str) -> Q:
    """Whether one of the columns has ``text`` in it, whatever its case and accents. A text without letters: no row."""
    key = sort_key(text)
    wanted = Q(pk__in=())
    if key.strip():
        for column in columns:
            wanted |= Q(Contains(SortKey(F(column)), key))
    return wanted


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
