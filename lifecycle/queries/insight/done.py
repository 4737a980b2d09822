"""What was done about customers at risk: by whom, and when. ``p`` is the stay in which it counts from ``began``."""

from typing import Final

OWNER: Final = """
LEFT JOIN tenants_user u ON u.tenant_id = c.tenant_id AND u.username = c.owner_key AND c.owner_key <> ''"""


def done_until(end: str) -> str:
    """The columns noted, tasked, messaged and contacted, of what was done from ``p.began`` until the moment ``end``.

    ``u`` is the owner (``OWNER``). Messages are what reached the customer, mail to its contacts and requests for a
    campaign, and not what reached colleagues.
    """
    of_customer = "a.tenant_id = p.tenant_id AND a.customer_id = p.customer_id"

    def within(moment: str) -> str:
        return f"{moment} >= p.began AND {moment} < {end}"

    notes = f"lifecycle_note a WHERE {of_customer} AND a.deleted_at IS NULL AND {within('a.created_at')}"
    tasks = f"lifecycle_task a WHERE {of_customer} AND {within('a.created_at')}"
    finished = f"lifecycle_task a WHERE {of_customer} AND {within('a.done_at')}"
    messages = f"""
lifecycle_effect a WHERE {of_customer} AND a.state = 'done'
   AND (a.kind = 'email' AND a.recipient LIKE 'contact:%%' OR a.recipient = 'renewal.campaign.requested')
   AND {within("a.finished_at")}"""
    return f"""
EXISTS (SELECT FROM {notes}) AS noted, EXISTS (SELECT FROM {tasks}) AS tasked,
EXISTS (SELECT FROM {messages}) AS messaged,
EXISTS (SELECT FROM {notes} AND a.created_by = u.id::text)
OR EXISTS (SELECT FROM {finished} AND a.done_by = u.id::text) AS contacted"""
