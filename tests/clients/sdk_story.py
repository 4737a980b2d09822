"""With the package of ``make sdk``: move a customer, list them all, make a key. Prints what became of it as JSON.

python sdk_story.py http://127.0.0.1:8000 TOKEN CUSTOMER
"""

import json
import sys

import httpx
from customer360_client import Policy, connect, every
from customer360_client.generated.api.customers import list_customers
from customer360_client.generated.api.keys import create_key
from customer360_client.generated.api.lifecycle import get_lifecycle, move_customer
from customer360_client.generated.models import ChangeRequest, KeyRequest, ScopesEnum


def main(url: str, token: str, customer: str) -> None:
    """What the story tells."""
    # What is lost on the way is lost on purpose, and not because the server is slow on a busy machine.
    client = connect(url, token, policy=Policy(first_delay=0.01), timeout=600.0)
    transitions = get_lifecycle.sync_detailed(customer, client=client).parsed.transitions
    stage = next(one.stage for one in transitions if one.allowed and not one.reason_required)
    moved = move_customer.sync_detailed(customer, client=client, body=ChangeRequest(stage=stage))
    try:
        key = KeyRequest(account="x", name="x", scopes=[ScopesEnum.VIEW_LIFECYCLE])
        create_key.sync_detailed(client=client, body=key)
        made = "answered"
    except httpx.TransportError as error:
        made = type(error).__name__
    reported = {
        "moved": moved.status_code,
        "replayed": moved.headers.get("Idempotency-Replayed"),
        "customers": len({one.customer_id for one in every(list_customers, client=client, limit=1)}),
        "key_made": made,
    }
    sys.stdout.write(json.dumps(reported))


if __name__ == "__main__":
    main(*sys.argv[1:])
