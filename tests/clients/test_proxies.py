"""A version that was read through a compressing proxy is good for the next change, whatever the proxy made of it."""

import http.client
import json

import pytest

from tenants.services.accounts.tokens import issue_access
from tests.clients.proxies import Proxy
from tests.factories import SAAS

# What each really makes of the tag "1", so that the test cannot pass because nothing was compressed.
REWRITTEN = [
    pytest.param("caddy", "gzip", '"{}-gzip"'),
    pytest.param("caddy", "zstd", '"{}-zstd"'),
    pytest.param("nginx", "gzip", 'W/"{}"', marks=pytest.mark.needs("nginx")),
    pytest.param("apache2", "gzip", '"{}-gzip"', marks=pytest.mark.needs("apache2")),
    pytest.param("apache2", "br", '"{}-br"', marks=pytest.mark.needs("apache2")),
]


class Caller:
    """A client that takes compressed answers."""

    def __init__(self, port, user, coding):
        self.port = port
        self.headers = {"Authorization": f"Bearer {issue_access(user).token}", "Accept-Encoding": coding}

    def __call__(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        content = {} if body is None else {"Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {**self.headers, **content, **headers})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer


@pytest.mark.parametrize(("name", "coding", "tag"), REWRITTEN)
def test_what_was_got_through_a_proxy_can_be_sent_back(server, users, customers, tmp_path, name, coding, tag):
    lifecycle = f"/api/v1/customers/{customers[0].id}/lifecycle"
    configuration = "/api/v1/configuration"
    tmp_path.chmod(0o755)
    with Proxy(name, server.port, tmp_path) as proxy:
        call = Caller(proxy.port, users.tenant_admin, coding)
        for path, method, body in (
            (lifecycle, "PATCH", {"stage": "Live"}),
            (configuration, "PUT", SAAS | {"max_days": {"Trial": 90}}),
        ):
            seen = call("GET", path)
            assert (seen.status, seen.headers["ETag"]) == (200, tag.format(1)), "compressed, so rewritten"
            assert call("GET", path, **{"If-None-Match": seen.headers["ETag"]}).status == 304
            several = f'"77", {seen.headers["ETag"]}'
            assert call(method, path, body, **{"If-Match": several}).status == 200
            stale = call(method, path, body, **{"If-Match": seen.headers["ETag"]})
            assert stale.status == 412
            now = call("GET", path)
            assert now.headers["ETag"] == tag.format(2)
            assert call(method, path, body, **{"If-Match": now.headers["ETag"]}).status == 200
            assert call(method, path, body, **{"If-Match": "*"}).status == 200
