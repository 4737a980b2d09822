"""``lifecycle.rules.urgency`` as SQL, for sorting more customers than anyone fetches.

The formula is in the rules and its numbers are taken from there; a test holds the two to the same result for any
figures. The health in it is the tenant's own: ``queries.health`` fills it in. Aliases are those of ``list_statements``.
"""

from typing import Final

from lifecycle.queries.health import PENALTY
from lifecycle.rules import urgency

_RATE: Final = (
    # Most are billed in one currency: for those nothing is looked for.
    "CASE WHEN b.currency = %(own_currency)s::text THEN 1"
    " ELSE (%(rates)s::{type}[])[array_position(%(currencies)s::text[], b.currency::text)] END"
)
# Exact, for the order by revenue; NULL for a currency of which nothing is known.
WORTH: Final = f"(b.arr * {_RATE.format(type='numeric')})"
BALANCE: Final = f"(b.balance_overdue * {_RATE.format(type='numeric')})"
_REVENUE: Final = (
    f"CASE WHEN w.is_lost THEN {urgency.LEAST_REVENUE}::float8"
    f" ELSE least({urgency.MOST_REVENUE}::float8, greatest({urgency.LEAST_REVENUE}::float8,"
    f" COALESCE(b.arr::float8 * {_RATE.format(type='float8')}, {urgency.LEAST_REVENUE}::float8))) END"
)
_RISK: Final = f"(({urgency.LEAST_RISK}::float8 + {urgency.RISK_PER_POINT}::float8 * {PENALTY}) / 100.0::float8)"
_DAYS: Final = (
    f"CASE WHEN b.renewal_on IS NULL THEN {urgency.DAYS_WITHOUT_RENEWAL}"
    " WHEN b.renewal_on >= %(today)s::date THEN b.renewal_on - %(today)s::date"
    f" ELSE (%(today)s::date - b.renewal_on) * {urgency.PAST_FACTOR} END"
)
_TIME: Final = f"({urgency.HALF_TIME_DAYS}::float8 / ({urgency.HALF_TIME_DAYS}::float8 + ({_DAYS})::float8))"

# Who has nothing at stake, or nothing that is known.
IS_NOTHING: Final = (
    f"(w.is_lost OR b.arr IS NULL OR b.arr < {urgency.LEAST_REVENUE} OR ({_RATE.format(type='float8')}) IS NULL)"
)
URGENCY: Final = f"round({_REVENUE} * {_RISK} * {_TIME} * 100.0::float8)::bigint"
