"""The statistics of the churn forecast on made-up tenants: do intervals cover, and is a worthless forecast hidden?

BENCH_RUNS (2000) runs a figure. It says nothing of speed, takes a quarter of an hour, and is run when it is named.
"""

import sys
from typing import Any

from bench.churn import SIZES, count_shown, measure_coverage
from bench.report import Figure
from bench.world import read_size
from lifecycle.rules.forecast.tables import wilson

LEAST, MOST = 0.93, 0.97
MOST_SHOWN = 0.05


def say_interval(share: float, count: int) -> str:
    """The share with the interval of 95 % (Wilson) of so many."""
    low, high = wilson(share, count)
    return f"{share:.1%} ({low:.1%}–{high:.1%})"


def measure(_world: Any) -> list[Figure]:
    """Coverage by size of the tenant, and how often the gate lets a forecast through that is worth nothing."""
    runs = read_size("BENCH_RUNS", 2000)
    figures = []
    for customers in SIZES:
        found = measure_coverage(runs, seed=1, customers=customers)
        figures.append(
            Figure(
                "forecast",
                f"intervals of 95% that cover, {customers:,} customers",
                say_interval(found.clustered, found.intervals),
                f"naive: {found.naive:.1%}",
                f"{found.clustered:.3f}",
                f"{LEAST} to {MOST}",
                met=LEAST <= found.clustered <= MOST,
            )
        )
        shown = count_shown(runs, seed=2, effect=0.0, customers=customers) / runs
        figures.append(
            Figure(
                "forecast",
                f"forecasts worth nothing that are shown, {customers:,} customers",
                say_interval(shown, runs),
                "",
                f"{shown:.3f}",
                f"<= {MOST_SHOWN}",
                met=shown <= MOST_SHOWN,
            )
        )
        print(f"bench: forecast: {customers:,} customers done", file=sys.stderr, flush=True)
    return figures
