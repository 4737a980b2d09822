"""The README's story with the client that openapi-python-client generates. Typed as strictly as mypy can.

    python python_story.py http://127.0.0.1:8000 admin@acme.example demo c360_sk_...

It prints what it did as one JSON object. ``c360`` is the generated package.
"""

import json
import sys
from typing import Any, TypeVar

from c360 import AuthenticatedClient, Client
from c360.api.auth import create_token, refresh_token
from c360.api.configuration import get_configuration, publish_configuration
from c360.api.customers import get_customer, list_customers
from c360.api.lifecycle import get_lifecycle, get_tenant_summary, list_history, move_customer, move_customers
from c360.models import (
    BatchRequest,
    BatchResponse,
    ChangeRequest,
    Configuration,
    ConfigurationMaxDays,
    CustomerPageResponse,
    HistoryPageResponse,
    ItemRequest,
    LifecycleResponse,
    ListCustomersAtRisk,
    LoginRequest,
    MovedResponse,
    ProblemResponse,
    ProfileResponse,
    RefreshRequest,
    TenantSummaryResponse,
    TokenPair,
)
from c360.types import Response

Wanted = TypeVar("Wanted")


def got(kind: type[Wanted], answer: Response[Wanted | ProblemResponse]) -> Wanted:
    """The answer, if it is of this kind."""
    assert isinstance(answer.parsed, kind), (answer.status_code, answer.content)
    return answer.parsed


def refused(answer: Response[Any]) -> ProblemResponse:
    """The refusal."""
    assert isinstance(answer.parsed, ProblemResponse), (answer.status_code, answer.content)
    return answer.parsed


def main(url: str, username: str, password: str, api_key: str) -> None:
    """Log in, find who is at risk, move one, look at its history, try many, publish, stay logged in."""
    anonymous = Client(base_url=url, raise_on_unexpected_status=True)
    body = LoginRequest(username=username, password=password)
    pair = got(TokenPair, create_token.sync_detailed(client=anonymous, body=body))
    client = AuthenticatedClient(base_url=url, token=pair.access, raise_on_unexpected_status=True)

    page = got(CustomerPageResponse, list_customers.sync_detailed(client=client, at_risk=ListCustomersAtRisk.TRUE))
    customer = page.results[0].customer_id
    profile = got(ProfileResponse, get_customer.sync_detailed(customer, client=client))

    answer = get_lifecycle.sync_detailed(customer, client=client)
    before = got(LifecycleResponse, answer)
    open_stage = next(option.stage for option in before.transitions if option.allowed and not option.reason_required)
    change = ChangeRequest(stage=open_stage, note="Reported by a generated client")
    tag = answer.headers["ETag"]
    moved = move_customer.sync_detailed(customer, client=client, body=change, if_match=tag, idempotency_key="story-1")
    assert got(MovedResponse, moved).success
    stale = refused(move_customer.sync_detailed(customer, client=client, body=change, if_match=tag))

    rows = got(HistoryPageResponse, list_history.sync_detailed(customer, client=client)).results
    tried = BatchRequest(
        dry_run=True, items=[ItemRequest(stage=stage, customer_id=customer) for stage in ("Lost", "?")]
    )
    results = got(BatchResponse, move_customers.sync_detailed(client=client, body=tried)).results

    kept = get_configuration.sync_detailed(client=client)
    configuration = got(Configuration, kept)
    configuration.max_days = ConfigurationMaxDays.from_dict({configuration.stages[0]: 90})
    put = publish_configuration.sync_detailed(client=client, body=configuration, if_match=kept.headers["ETag"])
    published = got(Configuration, put)

    refreshed = got(TokenPair, refresh_token.sync_detailed(client=anonymous, body=RefreshRequest(refresh=pair.refresh)))
    later = AuthenticatedClient(base_url=url, token=refreshed.access, raise_on_unexpected_status=True)
    by_key = AuthenticatedClient(base_url=url, token=api_key, raise_on_unexpected_status=True)
    totals = [got(TenantSummaryResponse, get_tenant_summary.sync_detailed(client=each)) for each in (later, by_key)]
    reported = {
        "at_risk": [str(row.customer_id) for row in page.results],
        "name_is_known": bool(profile.company.name),
        "from": before.stage,
        "to": open_stage,
        "etag": moved.headers["ETag"],
        "stale": [stale.status, stale.code],
        "history": [[row.from_stage, row.to_stage, row.source] for row in rows],
        "dry_run": [result.status for result in results],
        "published": [put.headers["ETag"], published.to_dict()["max_days"]],
        "customers": [total.total.customers for total in totals],
    }
    sys.stdout.write(json.dumps(reported))


if __name__ == "__main__":
    main(*sys.argv[1:])
