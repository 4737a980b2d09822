"""What endpoints get is what the description of the API says of it, and the public package accepts its signature."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from rest_framework.test import APIClient
from standardwebhooks import Webhook

from lifecycle.api.docs import build_schema
from lifecycle.delivery import samples, senders
from tests.conftest import make_people
from tests.delivery.conftest import NAME, Names
from tests.delivery.endpoints import OK, Authority, Server, answering
from tests.delivery.sending import PATIENCE
from tests.effects.alerts import run_all
from tests.factories import CustomerFactory, TenantFactory
from tests.late import Late

jsonschema = Late("jsonschema")

EFFECT = {"name": "Tell", "on": "enter", "stages": ["At-Risk"], "kind": "webhook"}


@pytest.mark.parametrize("sends", ["a change", "a test"])
def test_a_message_is_as_it_is_described(
    db: None,
    api_client: Callable[..., APIClient],
    serve: Callable[..., Server],
    names: Names,
    trusted: Authority,
    monkeypatch: pytest.MonkeyPatch,
    sends: str,
) -> None:
    # It answers as soon as it has a processor.
    monkeypatch.setattr(samples, "SECONDS", PATIENCE)
    monkeypatch.setattr(senders, "WEBHOOK_SECONDS", PATIENCE)
    server = serve(answering(OK), tls=trusted.context(NAME))
    url = f"https://{NAME}:{server.port}/hook"
    tenant = TenantFactory(configuration={"stages": ["Prospect", "At-Risk"], "effects": [{**EFFECT, "to": [url]}]})
    client, body = api_client(make_people(tenant).tenant_admin), {"name": "crm", "url": url}
    made = client.post("/api/v1/webhooks/endpoints", body, format="json").json()
    if sends == "a test":
        assert client.post(f"/api/v1/webhooks/endpoints/{made['id']}/test").json()["outcome"] == "done"
    else:
        path = f"/api/v1/customers/{CustomerFactory(tenant=tenant).id}/lifecycle"
        assert client.patch(path, {"stage": "At-Risk"}, format="json").status_code == 200
        run_all()
    (request,) = server.requests
    message = Webhook(made["secret"]).verify(request.body, request.headers)
    assert message == orjson.loads(request.body)

    described: dict[str, Any] = build_schema()
    webhook = described["webhooks"][message["type"]]["post"]
    content = webhook["requestBody"]["content"]["application/json"]["schema"]
    component = described["components"]["schemas"][content["$ref"].rpartition("/")[2]]
    jsonschema.validate(message, component, cls=jsonschema.Draft202012Validator)
    for header in webhook["parameters"]:
        jsonschema.validate(request.headers[header["name"]], header["schema"])
