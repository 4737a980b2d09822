"""A client of the API."""

import pytest


@pytest.fixture
def manager(api_client):
    return api_client("account_manager")
