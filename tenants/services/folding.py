"""Comparing names in PostgreSQL as ``sort_key`` compares them: for lists that keep no key of their own."""

from django.db.models import CharField, F, Func, Q
from django.db.models.lookups import Contains

from tenants.rules.values import sort_key


class SortKey(Func):
    """``sort_key`` of a column, by the database's function of that name. For the rows of one tenant: the policies keep
    comparisons of text away from indexes.
    """

    function = "sort_key"
    output_field = CharField()


def is_called(text: str, *columns: str) -> Q:
    """Whether one of the columns has ``text`` in it, whatever its case and accents. A text without letters: no row."""
    key = sort_key(text)
    wanted = Q(pk__in=())
    if key.strip():
        for column in columns:
            wanted |= Q(Contains(SortKey(F(column)), key))
    return wanted
