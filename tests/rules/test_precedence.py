"""Of the values that sources offer the pinned one holds, else that of the source that goes first, else the newest."""

import itertools

import pytest

from lifecycle.rules.precedence import FOR_GOOD, MOST_OVERRULED, Offer, override, rank_by, resettle, settle

NEWEST = rank_by(())
CRM_FIRST = rank_by(("/crm", "/import"))
CRM, FILE = "/crm", "/import"


def test_the_newest_holds_and_the_former_value_is_kept_as_the_loser():
    settled = settle(Offer("ann", 10, CRM), {}, Offer("bob", 20, FILE), rank=NEWEST)
    assert (settled.holds, settled.overruled, settled.lost) == (Offer("bob", 20, FILE), {CRM: ("ann", 10)}, None)


def test_an_older_value_of_another_source_loses_by_its_age_and_is_kept():
    settled = settle(Offer("ann", 20, CRM), {}, Offer("bob", 10, FILE), rank=NEWEST)
    assert (settled.holds.value, settled.overruled, settled.lost) == ("ann", {FILE: ("bob", 10)}, "age")


def test_an_older_value_of_the_same_source_is_not_kept():
    settled = settle(Offer("ann", 20, CRM), {}, Offer("bob", 10, CRM), rank=NEWEST)
    assert (settled.holds.value, settled.overruled, settled.is_noted) == ("ann", {}, False)
    lost = {FILE: ("x", 15)}
    assert not settle(Offer("ann", 20, CRM), lost, Offer("old", 14, FILE), rank=NEWEST).is_noted


def test_of_the_same_moment_the_later_to_come_holds():
    assert settle(Offer("ann", 20, CRM), {}, Offer("bob", 20, CRM), rank=NEWEST).holds.value == "bob"
    assert settle(Offer("ann", 20, CRM), {}, Offer("bob", 20, FILE), rank=NEWEST).holds.value == "bob"


def test_a_source_that_goes_first_holds_though_it_is_older():
    settled = settle(Offer("bob", 20, FILE), {}, Offer("ann", 10, CRM), rank=CRM_FIRST)
    assert (settled.holds.value, settled.overruled, settled.lost) == ("ann", {FILE: ("bob", 20)}, None)
    settled = settle(Offer("ann", 10, CRM), {}, Offer("bob", 20, FILE), rank=CRM_FIRST)
    assert (settled.holds.value, settled.overruled, settled.lost) == ("ann", {FILE: ("bob", 20)}, "priority")


def test_a_pinned_value_holds_whatever_others_say_and_each_latest_word_is_kept():
    pinned = override(Offer("ann", 10, CRM), {}, Offer("eve", 30, "/people"))
    assert pinned.overruled == {CRM: ("ann", 10)}
    settled = settle(pinned.holds, pinned.overruled, Offer("bob", 40, CRM), rank=CRM_FIRST, pinned=True)
    assert (settled.holds.value, settled.overruled, settled.lost) == ("eve", {CRM: ("bob", 40)}, "pinned")


def test_when_the_pin_goes_the_newest_that_has_come_takes_its_place():
    settled = resettle(Offer("eve", 30, "/people"), {CRM: ("bob", 40), FILE: ("kim", 35)}, rank=NEWEST)
    assert settled.holds == Offer("bob", 40, CRM)
    assert settled.overruled == {FILE: ("kim", 35), "/people": ("eve", 30)}
    kept = resettle(Offer("eve", 30, "/people"), {CRM: ("ann", 10)}, rank=NEWEST)
    assert (kept.holds.value, kept.overruled) == ("eve", {CRM: ("ann", 10)})


def test_what_was_erased_takes_no_value_and_keeps_no_loser():
    settled = settle(Offer("", FOR_GOOD, CRM), {}, Offer("Acme", 10, FILE), rank=NEWEST)
    assert (settled.holds.value, settled.overruled, settled.is_noted) == ("", {}, False)


@pytest.mark.parametrize("rank", [NEWEST, CRM_FIRST])
def test_the_order_in_which_messages_come_does_not_matter(rank):
    offers = [Offer("a", 10, CRM), Offer("b", 20, FILE), Offer("c", 30, "/billing"), Offer("d", 15, CRM)]
    ends = set()
    for order in itertools.permutations(offers):
        held, lost = None, {}
        for offer in order:
            settled = settle(held, lost, offer, rank=rank)
            held, lost = settled.holds, settled.overruled
        ends.add((held, tuple(sorted(lost.items()))))
    assert len(ends) == 1


def test_the_losers_are_bounded_and_the_oldest_gives_way():
    held, lost = Offer("x", 1000, CRM), {}
    for number in range(30):
        settled = settle(held, lost, Offer(number, number, f"/crm/{number}"), rank=NEWEST)
        held, lost = settled.holds, settled.overruled
    assert sorted(value for value, _ in lost.values()) == list(range(30 - MOST_OVERRULED, 30))


def test_a_listed_source_speaks_for_those_below_it():
    rank = rank_by(("/crm/eu-1", "/import", "/crm"))
    assert [rank(one) for one in ("/crm/eu-1", "/import", "/crm/us-2", "/crm", "/people")] == [0, 1, 2, 2, 3]
