"""A webhook is sent to a server of the tests."""

import json

from lifecycle.delivery.webhooks import send_webhook
from lifecycle.services.effects.addresses import check_url
from tests.delivery.conftest import NAME, SECRET

BODY = json.dumps({"type": "lifecycle.updated", "data": {"name": "Café Ünal ☕"}}, ensure_ascii=False)


# Longer than a busy machine needs for anything. Anyone who does not leave in time waits as long, or takes so much.
PATIENCE = 60.0


def send(server, *, path="/hooks", scheme="https", name=NAME, seconds=30.0, **options):
    endpoint = check_url(f"{scheme}://{name}:{server.port}{path}")
    return send_webhook(
        endpoint, **{"message_id": "msg_1", "body": BODY, "secrets": [SECRET], **options}, seconds=seconds
    )
