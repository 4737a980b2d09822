"""Keys of requests that may be repeated: claimed with the change, answered from what was kept."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from lifecycle.models import IdempotentRequest
from lifecycle.services.transitions.idempotency import LIFETIME, KeptResponse, KeyReused, claim_key, keep_answer
from tenants.context import tenant_context
from tests.factories import utc_now

ANSWER = KeptResponse(200, {"ETag": '"2"'}, b'{"success":true}')


def claim(tenant, *, key="k", principal="ann", fingerprint=b"f", now=None):
    return claim_key(key, principal=principal, fingerprint=fingerprint, tenant=tenant, now=now or utc_now())


def answer(tenant, **asked):
    """A whole request: what it was answered before, or ANSWER for the first time."""
    with tenant_context(tenant.id):
        taken = claim(tenant, **asked)
        if taken.answer is None:
            keep_answer(taken, ANSWER)
        return taken.answer


def test_the_first_request_has_no_answer_yet_and_the_second_gets_the_first_ones(tenant):
    assert answer(tenant) is None
    assert answer(tenant) == ANSWER


def test_the_same_key_for_something_else_is_refused(tenant):
    answer(tenant)
    with pytest.raises(KeyReused), tenant_context(tenant.id):
        claim(tenant, fingerprint=b"g")


def test_keys_of_different_callers_and_tenants_do_not_meet(tenant, other_tenant):
    answer(tenant)
    assert answer(tenant, principal="bob") is None
    assert answer(tenant, key="K") is None
    assert answer(other_tenant) is None


def test_what_was_rolled_back_was_never_claimed(tenant):
    with pytest.raises(ZeroDivisionError), tenant_context(tenant.id):
        claim(tenant)
        raise ZeroDivisionError
    assert answer(tenant, fingerprint=b"other") is None


def test_an_answer_is_kept_for_a_day_to_the_second(tenant):
    now = utc_now()
    answer(tenant, now=now)
    assert answer(tenant, now=now + LIFETIME - timedelta(seconds=1)) == ANSWER
    assert answer(tenant, now=now + LIFETIME, fingerprint=b"new") is None
    assert answer(tenant, now=now + LIFETIME, fingerprint=b"new") == ANSWER


def test_an_answer_under_a_master_key_that_is_gone_is_not_guessed(tenant, settings):
    answer(tenant)
    settings.MASTER_KEYS = {99: b"k" * 32}
    with pytest.raises(KeyReused, match="cannot be read any more"), tenant_context(tenant.id):
        claim(tenant)


def test_an_answer_outlives_a_rotation_of_the_master_key(tenant, settings):
    answer(tenant)
    settings.MASTER_KEYS = {99: b"k" * 32, **settings.MASTER_KEYS}
    assert answer(tenant) == ANSWER


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_second_request_waits_for_the_first_to_end(tenant, django_db_blocker, ends_well):
    claimed, go_on = threading.Event(), threading.Event()

    def first():
        with django_db_blocker.unblock():
            try:
                with tenant_context(tenant.id):
                    keep_answer(claim(tenant), ANSWER)
                    claimed.set()
                    assert go_on.wait(60)
                    if not ends_well:
                        transaction.set_rollback(True)
            finally:
                connections.close_all()

    def end_soon():
        go_on.set()

    thread = threading.Thread(target=first)
    thread.start()
    assert claimed.wait(60)
    threading.Timer(0.3, end_soon).start()
    assert answer(tenant) == (ANSWER if ends_well else None)
    thread.join(60)


def test_a_claim_costs_two_statements_and_so_does_a_repetition(tenant):
    for _ in range(2):
        with tenant_context(tenant.id), CaptureQueriesContext(connection) as statements:
            taken = claim(tenant)
        assert len(statements) == 2
        with tenant_context(tenant.id):
            if taken.answer is None:
                keep_answer(taken, ANSWER)


def test_outdated_answers_go_a_few_at_a_time_and_never_another_tenants(tenant, other_tenant):
    long_ago = utc_now() - LIFETIME - timedelta(hours=1)
    for one in (tenant, other_tenant):
        with tenant_context(one.id):
            IdempotentRequest.objects.bulk_create(
                IdempotentRequest(
                    tenant_id=one.id, principal="ann", key=f"old-{number}", fingerprint=b"f", created_at=long_ago
                )
                for number in range(25)
            )
    answer(tenant)
    with tenant_context(tenant.id):
        assert IdempotentRequest.objects.count() == 6
    answer(tenant, key="again")
    with tenant_context(tenant.id):
        assert IdempotentRequest.objects.count() == 2
    with tenant_context(other_tenant.id):
        assert IdempotentRequest.objects.count() == 25
