"""Names are compared in PostgreSQL by the key that Python makes of them."""

import pytest
from django.db import connection
from django.db.models import Value
from hypothesis import given
from hypothesis import strategies as st

from audit.models import FormerName
from tenants.context import tenant_context
from tenants.rules.values import PLAIN_LETTERS, sort_key
from tenants.services.folding import SortKey, is_called
from tests.factories import utc_now

NAMES = (
    "Jörg Müller",
    "MU\u0308LLER",
    "Straße",
    "São João da Conceição",
    "Łódź",
    "Þórður Ægisson",
    "İstanbul Işık",
    "Ναύπλιο",
    "ΟΔΟΣ",
    "Ёлкин й",
    "ﬁnance ① Ⅳ",
    "한국 회사",
    "が株式会社",
    "देवनागरी",
    "d’Été – “x” 'y'",
    "100% a_b\\c",
    "".join(PLAIN_LETTERS),
    "".join(PLAIN_LETTERS).upper(),
    "",
)


def fold(texts):
    compiler = FormerName.objects.all().query.get_compiler("default")
    folded, params = [], []
    for text in texts:
        sql, values = compiler.compile(SortKey(Value(text)).resolve_expression(compiler.query))
        folded.append(sql)
        params += values
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(folded)}", params)
        return list(cursor.fetchone())


def test_postgresql_makes_the_same_key_of_a_name(db):
    assert fold(NAMES) == [sort_key(name) for name in NAMES]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=30), min_size=1))
def test_and_of_any_text(django_db_setup, django_db_blocker, texts):
    with django_db_blocker.unblock():
        assert fold(texts) == [sort_key(text) for text in texts]


@pytest.mark.parametrize(
    ("looked_for", "found"),
    [
        ("muller", ["Jörg Müller", "MU\u0308LLER"]),
        ("JÖRG mü", ["Jörg Müller"]),
        ("lodz", ["Łódź"]),
        ("strasse", ["Straße"]),
        ("0% A_B\\", ["100% a_b\\c"]),
        ("%", ["100% a_b\\c"]),
        ("\u0301", []),
        (" ", []),
    ],
)
def test_a_name_is_found_by_a_part_of_it_whatever_its_case_and_accents(tenant, customer, looked_for, found):
    with tenant_context(tenant.id):
        for name in NAMES[:16]:
            FormerName.objects.create(tenant_id=tenant.id, subject_id=customer.id, name=name, until=utc_now())
        rows = FormerName.objects.filter(is_called(looked_for, "name"), tenant_id=tenant.id)
        assert sorted(rows.values_list("name", flat=True)) == found
