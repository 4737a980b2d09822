"""What the tests of the shape need beside the rest: a look at the database as its superuser."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections


@pytest.fixture
def superuser(db: None) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection to the test database. Whatever is done over it is rolled back."""
    name = connections["default"].settings_dict["NAME"]
    with psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name) as connection:
        yield connection
        connection.rollback()
