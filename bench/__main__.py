"""``python -m bench [PART ...]``: measure, print a table, write JSON. Exit status 1 when a figure misses its limit.

Sizes come from the environment, so that a quick run is possible: BENCH_CUSTOMERS (50000), BENCH_TENANTS (20),
BENCH_TRANSITIONS (100000), BENCH_EVENTS (100000), BENCH_LONG_RUN (300000 events), BENCH_SECONDS (20),
BENCH_SEEN (200), BENCH_PAGES (60, of Insight 20), BENCH_HISTORY (2000000 moves), BENCH_REPORTS (24 of each customer),
BENCH_EFFECTS (100000), BENCH_ROUNDS (9), BENCH_SLICE_MS (3000 over HTTP, 1500 for single changes),
BENCH_SCALE_TENANTS (3), BENCH_SCALE_CUSTOMERS (2000 of each), BENCH_SCALE_HISTORY (10 rows of each customer),
BENCH_SCALE_EVENTS (20000), BENCH_SCALE_FORGOTTEN (100000), BENCH_FORGET_ROWS (5000000), BENCH_FORGET_RATE (10000
events a second). ``http`` alone takes about four minutes, ``insight`` about six, all of it half an hour.
"""

import argparse
import gc
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.report import Figure, print_table, write_json
from bench.world import CannotMeasure, opened_world, read_size

# Those of the statistics need no customers, and say nothing of speed: they are measured when they are named.
NAMED = ("forecast",)
# Of the machine as a whole, and not said by a number of customers: measured when it is named.
ASKED = ("forgetting",)
PARTS = ("http", "single", "bulk", "events", "latency", "lists", "pages", "insight", "effects", "demo", "scale")
EVERY = (*PARTS, *NAMED, *ASKED)


def main(arguments: list[str]) -> int:
    """Measure the parts asked for, all by default."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", help=f"of {', '.join(EVERY)}; all but {' and '.join((*NAMED, *ASKED))} by default"
    )
    parser.add_argument("--json", type=Path, default=Path(".local/bench.json"), help="where the figures go as JSON")
    options = parser.parse_args(arguments)
    parts = options.parts or list(PARTS)
    if unknown := sorted(set(parts) - {*EVERY}):
        parser.error(f"there is no part {unknown[0]}; the parts are {', '.join(EVERY)}")
    figures: list[Figure] = []
    try:
        with opened_world():
            from bench.population import populate, settle

            for part in parts:
                begin = time.monotonic()
                populated = None
                if part not in NAMED:
                    _say(f"{part}: making {_customers():,} customers")
                    populated = populate(f"bench-{part}", _customers())
                    settle()
                # As the product's processes do when they begin.
                gc.freeze()
                _say(f"{part}: measuring")
                try:
                    figures += _load(part)(populated)
                except Exception as trouble:
                    # What the other parts have measured is not lost with it.
                    traceback.print_exc()
                    figures.append(Figure(part, "not measured", str(trouble)[:200], met=False))
                _say(f"{part}: {time.monotonic() - begin:.0f} s")
    except CannotMeasure as trouble:
        print(trouble, file=sys.stderr)
        return 2
    print_table(figures)
    write_json(figures, options.json, facts={"customers": _customers()})
    return 0 if all(figure.met is not False for figure in figures) else 1


def _load(part: str) -> Callable[[Any], list[Figure]]:
    from importlib import import_module

    measure: Callable[[Any], list[Figure]] = import_module(f"bench.{part}").measure
    return measure


def _customers() -> int:
    return read_size("BENCH_CUSTOMERS", 50_000)


def _say(sentence: str) -> None:
    print(f"bench: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
