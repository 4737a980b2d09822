"""``lifecycle.rules.health`` and ``lifecycle.rules.urgency`` as SQL, for sorting more customers than anyone fetches.

The formulas are in the rules and their numbers are taken from there; a test holds the two to the same result for any
figures.
"""

from typing import Final

from lifecycle.rules import health, urgency
from tenants.rules.configuration.policy import Policy

# Aliases: s is the status row, b and u the figures (NULL where there are none), w the stage with its own numbers.
_CLOSENESS: Final = (
    f"COALESCE(least(1.0::float8, greatest(0.0::float8,"
    f" ({health.RENEWAL_DAYS} - (b.renewal_on - %(today)s::date)) / {health.RENEWAL_DAYS}.0::float8)), 0.0::float8)"
)
_LATE: Final = (
    "CASE WHEN w.max_days IS NULL THEN 0.0::float8"
    # date_part, not extract: as numeric the days would be the dearest part of the formula.
    f" ELSE least({health.LATE_PENALTY}.0::float8, greatest(0, floor(date_part('epoch', %(now)s::timestamptz"
    f" - s.stage_entered_at) / 86400)::int - w.max_days) / {health.LATE_DAYS_PER_POINT}.0::float8) END"
)
_ARREARS: Final = (
    "CASE WHEN b.balance_overdue IS NULL OR b.balance_overdue <= 0 THEN 0.0::float8"
    f" WHEN b.arr IS NULL OR b.arr <= 0 THEN {health.ARREARS_PENALTY}.0::float8"
    f" ELSE least(1.0::float8, b.balance_overdue::float8 / b.arr::float8 / {health.ARREARS_SHARE}::float8)"
    f" * {health.ARREARS_PENALTY} END"
)
_CSAT: Final = (
    f"COALESCE(least(1.0::float8, greatest(0.0::float8, ({health.CSAT_CONTENT}::float8 - u.csat::float8)"
    f" / {health.CSAT_CONTENT - health.CSAT_UNHAPPY}::float8)) * {health.CSAT_PENALTY}, 0.0::float8)"
)
# least() passes over NULL instead of giving NULL.
_ISSUES: Final = f"least({health.ISSUES_PENALTY}, COALESCE(u.open_issues, 0)::bigint * {health.PENALTY_PER_ISSUE})"
_PENALTY: Final = (
    f"least(100.0::float8, ceil(w.penalty + {_LATE} + {_ARREARS} + {_CSAT} + {_ISSUES}"
    f" + {_CLOSENESS} * {health.RENEWAL_PENALTY} - {health.NOTHING}::float8))"
)
# The points that figures alone take, whatever the stage and the days in it.
FIGURES_PENALTY: Final = f"({_ARREARS} + {_CSAT} + {_ISSUES} + {_CLOSENESS} * {health.RENEWAL_PENALTY})"
HEALTH: Final = (
    "CASE WHEN b.balance_overdue IS NULL AND b.renewal_on IS NULL AND u.csat IS NULL AND u.open_issues IS NULL"
    f" THEN NULL ELSE (100 - {_PENALTY})::int END"
)

_RATE: Final = (
    # Most are billed in one currency: for those nothing is looked for.
    "CASE WHEN b.currency = %(own_currency)s::text THEN 1"
    " ELSE (%(rates)s::{type}[])[array_position(%(currencies)s::text[], b.currency::text)] END"
)
# Exact, for the order by revenue; NULL for a currency of which nothing is known.
WORTH: Final = f"(b.arr * {_RATE.format(type='numeric')})"
BALANCE: Final = f"(b.balance_overdue * {_RATE.format(type='numeric')})"
_REVENUE: Final = (
    # Of the categories only a lost customer has this penalty.
    f"CASE WHEN w.penalty = {health.CATEGORY_PENALTIES['lost']} THEN {urgency.LEAST_REVENUE}::float8"
    f" ELSE least({urgency.MOST_REVENUE}::float8, greatest({urgency.LEAST_REVENUE}::float8,"
    f" COALESCE(b.arr::float8 * {_RATE.format(type='float8')}, {urgency.LEAST_REVENUE}::float8))) END"
)
_RISK: Final = f"(({urgency.LEAST_RISK}::float8 + {urgency.RISK_PER_POINT}::float8 * {_PENALTY}) / 100.0::float8)"
_DAYS: Final = (
    f"CASE WHEN b.renewal_on IS NULL THEN {urgency.DAYS_WITHOUT_RENEWAL}"
    " WHEN b.renewal_on >= %(today)s::date THEN b.renewal_on - %(today)s::date"
    f" ELSE (%(today)s::date - b.renewal_on) * {urgency.PAST_FACTOR} END"
)
_TIME: Final = f"({urgency.HALF_TIME_DAYS}::float8 / ({urgency.HALF_TIME_DAYS}::float8 + ({_DAYS})::float8))"

URGENCY: Final = f"round({_REVENUE} * {_RISK} * {_TIME} * 100.0::float8)::bigint"


def penalty_of(policy: Policy, stage: str) -> int:
    """What the stage alone takes from a customer's health."""
    return health.CATEGORY_PENALTIES.get(policy.category(stage), 0)
