"""How far ahead is asked what became of customers: whether they were lost, or recovered, within so many days."""

from typing import Final

HORIZON_DAYS: Final = 90
