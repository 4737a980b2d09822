"""Telling the open pages of people that their notifications are others now."""

from collections.abc import Collection
from contextlib import suppress
from functools import partial
from uuid import UUID

import orjson
from django.db import transaction
from redis.exceptions import RedisError

from lifecycle.services.cache.cache_keys import live_channel
from storage.redis import ask


def announce_bell(tenant_id: UUID, user_ids: Collection[UUID]) -> None:
    """After the commit, have the open pages of these people count again. One round trip.

    Losing it costs only time: a page asks by itself when it connects again, and while it is not connected.
    """
    transaction.on_commit(partial(_publish, tenant_id, [str(user_id) for user_id in user_ids]), robust=True)


def _publish(tenant_id: UUID, user_ids: list[str]) -> None:
    message = orjson.dumps({"changed": {}, "bell": user_ids})
    # Reported by ``ask``.
    with suppress(RedisError):
        ask(lambda client: client.publish(live_channel(tenant_id), message))
