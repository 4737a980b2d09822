"""With the asyncio functions of the package of ``make sdk``: list, look, change, and what is refused, many at once.

python sdk_async_story.py http://127.0.0.1:8000 TOKEN. Prints what became of it as JSON.
"""

import asyncio
import json
import sys
from typing import Any

from customer360_client import Policy, connect
from customer360_client.generated.api.customers import list_customers
from customer360_client.generated.api.lifecycle import get_lifecycle, move_customer, move_customers
from customer360_client.generated.models import BatchRequest, ChangeRequest, ItemRequest


async def tell(url: str, token: str) -> dict[str, Any]:
    """What the story tells."""
    # A refusal for now is an answer here and not tried again. A busy machine may answer late.
    async with connect(url, token, policy=Policy(retries=0), timeout=600.0) as client:
        page = await list_customers.asyncio(client=client, limit=10)
        ids = [str(one.customer_id) for one in page.results]
        looked = await asyncio.gather(*(get_lifecycle.asyncio_detailed(one, client=client) for one in ids))
        first, tag = ids[0], looked[0].headers["ETag"]

        async def move(customer: str, stage: str, **options: Any) -> Any:
            return await move_customer.asyncio_detailed(
                customer, client=client, body=ChangeRequest(stage=stage), **options
            )

        # Two with the same tag at once: one of them is too late.
        both = await asyncio.gather(move(first, "Rollout", if_match=tag), move(first, "Rollout", if_match=tag))
        stale = await move(first, "Live", if_match=tag)
        items = [ItemRequest(customer_id=one, stage="Rollout") for one in ids[1:]]
        bulk = await move_customers.asyncio_detailed(client=client, body=BatchRequest(items=items, confirm_effects=7))
        # Its budget is three an hour: one is used.
        rest = await asyncio.gather(*(move(one, "Rollout") for one in ids[1:]))
        over = next(answer for answer in rest if answer.status_code == 429)
    return {
        "listed": len(ids),
        "stages": sorted({one.parsed.stage for one in looked}),
        "same_tag": sorted(int(answer.status_code) for answer in both),
        "stale": [int(stale.status_code), stale.parsed.code],
        "unconfirmed": [int(bulk.status_code), bulk.parsed.code],
        "moved": sorted(int(answer.status_code) for answer in rest),
        "over": [over.parsed.code, int(over.headers["Retry-After"]) > 0, over.headers["RateLimit"].split(";")[:2]],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(tell(*sys.argv[1:]))))
