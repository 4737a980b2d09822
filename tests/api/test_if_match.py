"""Versions of a customer's stage: If-Match and If-None-Match."""

import pytest

from lifecycle.api.preconditions import IF_MATCH_FORM, IF_NONE_MATCH_HERE
from lifecycle.services.configuration.publication import publish_configuration
from tenants.context import tenant_context
from tests.api.lifecycles import address
from tests.api.tags import REWRITTEN
from tests.api.test_credentials import client_with, make_key
from tests.api.traces import nothing_changes, refused_attempts
from tests.factories import ADMIN_ACTOR, MINIMAL, utc_now


def test_who_has_the_present_version_is_not_sent_it_again(manager, customer):
    answer = manager.get(address(customer.id), headers={"If-None-Match": 'W/"1"'})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", '"1"')
    assert manager.get(address(customer.id), headers={"If-None-Match": '"2"'}).status_code == 200


def test_after_a_publication_who_has_the_present_version_is_sent_what_it_offers_now(manager, tenant, customer):
    seen = manager.get(address(customer.id))
    assert (seen.headers["ETag"], {way["stage"] for way in seen.json()["transitions"] if way["allowed"]}) == (
        '"1"',
        {"Onboarded", "Active", "At-Risk", "Churned"},
    )
    for ways in (["Onboarded"], ["Active"]):
        publish({**MINIMAL, "transitions": {"Prospect": ways}}, tenant)
        for known in ('"1"', 'W/"1"', '"1-gzip"', '"8", "1"', "*"):
            now = manager.get(address(customer.id), headers={"If-None-Match": known})
            assert (now.status_code, now.headers["ETag"]) == (200, '"1"'), known
            assert [way["stage"] for way in now.json()["transitions"] if way["allowed"]] == ways
            assert "judged_by" not in now.json()
    # Judged by what is live: the version says it all again.
    moved = manager.patch(address(customer.id), {"stage": "Active"}, headers={"If-Match": '"1"'})
    assert (moved.status_code, moved.headers["ETag"]) == (200, '"2"')
    assert manager.get(address(customer.id), headers={"If-None-Match": '"2"'}).status_code == 304


def test_who_may_no_longer_change_is_sent_that_and_has_the_version_as_everyone_who_sees_the_customer(
    tenant, users, customer
):
    """It was answered that nothing had changed, and the program kept offers that are refused."""
    reader = client_with(make_key(tenant, users, "view_lifecycle").secret)
    writer = client_with(make_key(tenant, users, "view_lifecycle", "update_lifecycle").secret)
    tags = {one.get(address(customer.id)).headers["ETag"] for one in (reader, writer)}
    assert tags == {'"1"'}
    (known,) = ({"If-None-Match": tag} for tag in tags)
    assert writer.get(address(customer.id), headers=known).status_code == 304
    now = reader.get(address(customer.id), headers=known)
    assert now.status_code == 200
    assert not any(way["allowed"] for way in now.json()["transitions"])


def publish(document, tenant):
    with tenant_context(tenant.id):
        publish_configuration(document, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())


@pytest.mark.parametrize("tag", ['"1"', "*", ' "1" ', '"0", "1"', '"1" , "7"', ',"7",,W/"1-gzip",', *REWRITTEN])
def test_a_change_goes_through_when_the_version_is_the_present_one(manager, customer, tag):
    answer = manager.patch(address(customer.id), {"stage": "Active"}, headers={"If-Match": tag})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')


def test_a_stale_version_learns_what_changed_in_the_meantime(manager, users, tenant, customer):
    moved = manager.patch(address(customer.id), {"stage": "Active"})
    with nothing_changes(tenant):
        answer = manager.patch(address(customer.id), {"stage": "Onboarded"}, headers={"If-Match": '"1"'})
    assert answer.status_code == 412
    assert answer.headers["ETag"] == '"2"'
    problem = answer.json()
    assert problem["code"] == "version_conflict"
    assert problem["current"] == {
        "stage": "Active",
        "version": 2,
        "updated_at": moved.json()["updated_at"],
        "updated_by": str(users.account_manager.id),
    }
    assert refused_attempts(tenant) == [("version_conflict", "Active", "Onboarded", "API")]


def test_a_stale_version_is_refused_even_if_the_stage_is_the_same(manager, customer):
    manager.patch(address(customer.id), {"stage": "Active"})
    answer = manager.patch(address(customer.id), {"stage": "Active"}, headers={"If-Match": '"1"'})
    assert answer.status_code == 412


@pytest.mark.parametrize(
    "tag",
    [
        *("1", '"one"', '"1', '"-1"', "", ",", '"' + "9" * 19 + '"', '"١"', '"01"', "'1'", '"1""2"', '"1" "2"'),
        *('"1-"', '"1-tar"', '"gzip"', '"-gzip"', '"1gzip"', '"1-gzip-and-more"', "W/1", 'X/"1"', 'W/W/"1"'),
        *('"1", *', '"1", "one"', '"1", 2', '"1,2"', "1-gzip"),
    ],
)
def test_a_malformed_if_match_is_a_bad_request(manager, tenant, customer, tag):
    with nothing_changes(tenant):
        answer = manager.patch(address(customer.id), {"stage": "Active"}, HTTP_IF_MATCH=tag)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["detail"] == IF_MATCH_FORM


@pytest.mark.parametrize("tag", ['"7"', 'W/"7"', '"7-gzip"', '"7;gzip"', '"0", "7-zstd"', '"11"', '"1-gzip"'])
def test_a_tag_of_another_version_is_stale_in_whatever_form(manager, tenant, customer, tag):
    assert manager.patch(address(customer.id), {"stage": "Onboarded"}).status_code == 200
    with nothing_changes(tenant):
        answer = manager.patch(address(customer.id), {"stage": "Active"}, headers={"If-Match": tag})
    assert (answer.status_code, answer.headers["ETag"]) == (412, '"2"')


@pytest.mark.parametrize("tag", ['W/"1", "7"', '"x,y", "1-gzip"', *REWRITTEN])
def test_what_is_known_under_a_rewritten_tag_is_known(manager, customer, tag):
    assert manager.get(address(customer.id), headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("tag", ['"2-gzip"', '"one"', "1", '"11"', '"x,1"', ""])
def test_what_is_not_known_is_sent(manager, customer, tag):
    assert manager.get(address(customer.id), headers={"If-None-Match": tag}).status_code == 200


def test_a_change_under_if_none_match_is_refused_and_says_what_to_send(manager, tenant, customer):
    with nothing_changes(tenant):
        answer = manager.patch(address(customer.id), {"stage": "Active"}, headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.json()["detail"]) == (400, IF_NONE_MATCH_HERE)


def test_a_version_far_away_is_simply_stale(manager, customer):
    answer = manager.patch(address(customer.id), {"stage": "Active"}, headers={"If-Match": f'"{10**17}"'})
    assert answer.status_code == 412
