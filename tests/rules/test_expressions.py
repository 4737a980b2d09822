"""Filters that are put together: what is read, in which spelling it is kept, and what is refused."""

import pytest

from lifecycle.rules.expressions import (
    DEEPEST,
    LONGEST,
    Condition,
    Group,
    InvalidExpression,
    Negation,
    join,
    parse_expression,
    read_values,
    write_expression,
)

ANN, LOW, TRIAL = Condition("owner", ":", ("ann",)), Condition("health", "<=", ("40",)), Condition("stage", ":", ("T",))


@pytest.mark.parametrize(
    ("text", "tree", "spelled"),
    [
        ("owner:ann", ANN, "owner:ann"),
        ("OWNER:ann", ANN, "owner:ann"),
        ("  ( owner:ann )  ", ANN, "owner:ann"),
        ("owner:ann and owner:ann", ANN, "owner:ann"),
        (
            'stage:"At Risk" , Trial',
            Condition("stage", ":", ("At Risk", "Trial")),
            'stage:"At Risk",Trial',
        ),
        ('owner:""', Condition("owner", ":", ("",)), 'owner:""'),
        ('owner:"a ""b"""', Condition("owner", ":", ('a "b"',)), 'owner:"a ""b"""'),
        ("owner:ann@x.example", Condition("owner", ":", ("ann@x.example",)), "owner:ann@x.example"),
        ("owner:or", Condition("owner", ":", ("or",)), "owner:or"),
        (
            "owner:ann or health<=40 AND stage:T",
            Group("or", (ANN, Group("and", (LOW, TRIAL)))),
            "owner:ann or (health<=40 and stage:T)",
        ),
        (
            "(owner:ann or health<=40)and stage:T",
            Group("and", (Group("or", (ANN, LOW)), TRIAL)),
            "(owner:ann or health<=40) and stage:T",
        ),
        ("owner:ann and (health<=40 and stage:T)", Group("and", (ANN, LOW, TRIAL)), None),
        ("not (owner:ann or health<=40)", Negation(Group("or", (ANN, LOW))), "not (owner:ann or health<=40)"),
        ("not not owner:ann", Negation(Negation(ANN)), "not not owner:ann"),
    ],
)
def test_an_expression_is_read_and_has_one_spelling(text, tree, spelled):
    assert parse_expression(text) == tree
    assert write_expression(tree) == (spelled or "owner:ann and health<=40 and stage:T")
    assert parse_expression(write_expression(tree)) == tree


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("", "incomplete", ""),
        ("owner:ann and", "incomplete", ""),
        ("(owner:ann", "incomplete", ""),
        ("owner:ann)", "unexpected", ")"),
        ("owner:ann health<=40", "unexpected", "health<=40"),
        ("owner:ann & health<=40", "unexpected", "& health<=40"),
        ("and owner:ann", "unexpected", "and owner:ann"),
        ("ann", "unexpected", "ann"),
        ("owner=ann", "unexpected", "owner=ann"),
        ("owner:", "no_value", "owner:"),
        ("owner:ann,", "no_value", "owner:"),
        ('owner:"ann', "no_value", "owner:"),
        ("a:1" + "x" * LONGEST, "too_long", "2000"),
        (" and ".join(f"a:{number}" for number in range(31)), "too_many", "30"),
        ("a:" + ",".join("1" * 51), "too_many_values", "50"),
        ("(" * (DEEPEST + 1) + "a:1" + ")" * (DEEPEST + 1), "too_deep", "8"),
        ("not " * 400 + "a:1", "too_deep", "8"),
    ],
)
def test_what_is_not_well_formed_is_refused_with_its_place(text, code, where):
    with pytest.raises(InvalidExpression) as refused:
        parse_expression(text)
    assert (refused.value.code, refused.value.text) == (code, where)


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("ann", ("ann",)),
        (" At Risk , Trial ", ("At Risk", "Trial")),
        ('"A, b" , c', ("A, b", "c")),
        ("", ("",)),
        (",Live,2026-11-01", ("", "Live", "2026-11-01")),
        ("Trial,,", ("Trial", "", "")),
        ('5" disk', ('5" disk',)),
    ],
)
def test_values_are_typed_with_commas_between_them(typed, values):
    assert read_values(typed) == values


def test_parts_are_joined_without_needless_brackets():
    assert join("and", join("and", ANN, LOW), TRIAL) == Group("and", (ANN, LOW, TRIAL))
    assert join("or", join("and", ANN, LOW), TRIAL) == Group("or", (Group("and", (ANN, LOW)), TRIAL))
