"""A client that others wrote (Authlib) gets its own tokens by client credentials, and works with them."""

import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session


@pytest.fixture
def address(server, monkeypatch):
    # Authlib speaks to addresses of the public internet by HTTPS only; this is the machine itself.
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    return f"http://127.0.0.1:{server.port}/api/v1"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_s_session_reads_customers_and_renews_its_token(address, users, api_key, customers, method):
    endpoint = f"{address}/auth/oauth/token"
    session = OAuth2Session(
        users.service.username,
        api_key,
        grant_type="client_credentials",
        token_endpoint=endpoint,
        token_endpoint_auth_method=method,
    )
    token = session.fetch_token(endpoint, grant_type="client_credentials")
    assert (token["token_type"], token["scope"]) == ("Bearer", "view_lifecycle")
    listed = session.get(f"{address}/customers").json()["results"]
    assert {row["id"] for row in listed} == {str(customer.id) for customer in customers}
    # Its token is over: it asks for another one by itself.
    session.token = {**token, "expires_at": 1, "access_token": "over"}
    assert session.get(f"{address}/customers").status_code == 200
    assert session.token["access_token"] not in ("over", token["access_token"])
    with pytest.raises(OAuthError, match="invalid_scope"):
        session.fetch_token(endpoint, grant_type="client_credentials", scope="update_lifecycle")
