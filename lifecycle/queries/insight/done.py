"""What was done about customers at risk: by whom, and when. ``p`` is the stay in which it counts from ``began``."""

from typing import Final

OWNER: Final = """
LEFT JOIN tenants_user u ON u.tenant_id = c.tenant_id AND u.username = c.owner_key AND c.owner_key <> ''"""


# What reached a customer: mail to its contacts and requests for a campaign, and not what reached colleagues.
REACHED: Final = """
 state = 'done' AND (kind = 'email' AND recipient LIKE 'contact:%%' OR recipient = 'renewal.campaign.requested')"""
_OF_CUSTOMER: Final = "a.tenant_id = p.tenant_id AND a.customer_id = p.customer_id"


def _rows(end: str) -> tuple[str, str, str, str]:
    """Notes, tasks, tasks that were done, and messages, from ``p.began`` until ``end``."""

    def within(timestamp: str) -> str:
        return f"{timestamp} >= p.began AND {timestamp} < {end}"

    return (
        f"lifecycle_note a WHERE {_OF_CUSTOMER} AND a.deleted_at IS NULL AND {within('a.created_at')}",
        f"lifecycle_task a WHERE {_OF_CUSTOMER} AND {within('a.created_at')}",
        f"lifecycle_task a WHERE {_OF_CUSTOMER} AND {within('a.done_at')}",
        f"""
(
    SELECT a.finished_at AS at FROM lifecycle_effect a WHERE {_OF_CUSTOMER} AND {REACHED}
     UNION ALL
    SELECT unnest(a.reached) FROM lifecycle_insight_state a WHERE {_OF_CUSTOMER}) a WHERE {within("a.at")}""",
    )


def _done(notes: str, tasks: str, messages: str) -> str:
    return f"""
EXISTS (SELECT FROM {notes}) AS noted, EXISTS (SELECT FROM {tasks}) AS tasked,
EXISTS (SELECT FROM {messages}) AS messaged"""


def done_until(end: str) -> str:
    """The columns noted, tasked, messaged and contacted, of what was done from ``p.began`` until the moment ``end``.

    ``u`` is the owner (``OWNER``). Messages are what reached the customer, also after their record was forgotten.
    """
    notes, tasks, finished, messages = _rows(end)
    return f"""{_done(notes, tasks, messages)},
EXISTS (SELECT FROM {notes} AND a.created_by = u.id::text)
OR EXISTS (SELECT FROM {finished} AND a.done_by = u.id::text) AS contacted"""


def who_until(end: str) -> str:
    """The same, with ``contacts`` for contacted: the ids of everyone who did something."""
    notes, tasks, finished, messages = _rows(end)
    return f"""{_done(notes, tasks, messages)},
ARRAY(SELECT a.created_by FROM {notes} UNION SELECT a.done_by FROM {finished}) AS contacts"""
