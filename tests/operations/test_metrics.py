"""What Prometheus reads: each process its own figures, and of several workers the sum."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from config.metrics import PREFIX, VARIABLE
from lifecycle.management.commands.move_customers import Command
from lifecycle.management.stopping import StopRequest
from lifecycle.messaging import metrics
from lifecycle.messaging.process import HealthFile
from tenants.actors import TenantRef
from tenants.rules.configuration.effect_kinds import EFFECT_KINDS
from tests.messaging.kafka import await_that
from tests.operations.conftest import Product
from tests.operations.processes import PROXY_HEADERS, Process, workers_of

REQUESTS = "django_http_requests_before_middlewares"


def ask(process: Process, path: str, method: str = "GET", **headers: str) -> int:
    """The status of one request on a connection of its own, so that any worker may get it."""
    host, port = process.probe.split("/")[2].split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=120)
    connection.request(method, path, headers=PROXY_HEADERS | headers)
    status = connection.getresponse().status
    connection.close()
    return status


def total(process: Process, family: str) -> float:
    return sum(sample.value for sample in process.scrape()[family].samples if not sample.name.endswith("_created"))


def own_families(process: Process) -> set[str]:
    families = {name for name in process.scrape() if name.startswith("customer360_")}
    return {name for name in families if not name.endswith("_created")}


def writers(product: Product) -> set[int]:
    """The processes of the server that have counted anything."""
    return {int(file.stem.rpartition("_")[2]) for file in product.folder.glob(f"{PREFIX}*/counter_*.db")}


def test_two_workers_give_the_sum_of_both(product: Product) -> None:
    # A connection goes to whichever worker takes it first, which may be the same one many times.
    await_that(lambda: ask(product.web, "/login") == 200 and {*workers_of(product.web)} <= writers(product))
    before = total(product.web, REQUESTS)
    for _ in range(40):
        assert ask(product.web, "/login") == 200
    # Each scrape is a request as well, and whichever worker gets it counts it before it adds up.
    assert [total(product.web, REQUESTS) - before for _ in range(10)] == [40 + number for number in range(1, 11)]
    assert len(workers_of(product.web)) == 2


def test_a_worker_that_was_killed_takes_nothing_out_of_the_sum(product: Product) -> None:
    for _ in range(20):
        assert ask(product.web, "/login") == 200
    before = total(product.web, REQUESTS)
    victim, *_ = workers_of(product.web)
    os.kill(victim, signal.SIGKILL)
    await_that(lambda: victim not in workers_of(product.web) and len(workers_of(product.web)) == 2)
    product.web.await_ready()
    assert total(product.web, REQUESTS) > before


def test_the_open_pages_of_a_dead_stream_worker_are_not_counted(tmp_path: Path) -> None:
    program = """
import os
from config.metrics import render_metrics
from prometheus_client import Counter, Gauge
streams = Gauge("streams", "Open.", multiprocess_mode="livesum")
hints = Counter("hints", "Sent.")
streams.set(3); hints.inc(5)
if os.environ.get("LAST"): print(render_metrics()[0].decode())
"""
    env = {**os.environ, VARIABLE: str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=env, check=True)
    page = subprocess.run(
        [sys.executable, "-c", program], env={**env, "LAST": "1"}, check=True, capture_output=True, text=True
    ).stdout
    assert "\nstreams 3.0\n" in page
    assert "\nhints_total 10.0\n" in page


def test_a_mover_gets_on_with_each_batch_of_a_job_that_takes_longer_than_its_alarm_waits() -> None:
    seen: list[float] = []

    def work(_: TenantRef) -> Iterator[str]:
        for batch in range(3):
            metrics.last_round.set(0)
            yield f"batch {batch}"
            seen.extend(sample.value for family in metrics.last_round.collect() for sample in family.samples)

    mover = Command()
    mover._put_off, mover._health = {}, HealthFile(None)
    assert mover._work_off("bulk change", [TenantRef(uuid4(), "acme")], work, StopRequest())
    assert len(seen) == 3 and all(seen)


def test_what_fails_is_counted_from_its_first_on(product: Product) -> None:
    """For Prometheus a series that begins with 100 has not increased: the alarm about what fails would not ring."""
    samples = product.effects.scrape()["customer360_effects"].samples
    shown = {(one.labels["kind"], one.labels["outcome"]) for one in samples if one.name.endswith("_total")}
    assert {
        (kind, outcome) for kind in (*EFFECT_KINDS, "escalation", "digest") for outcome in ("failed", "unknown")
    } <= (shown)


def test_no_process_exports_what_another_measures(product: Product) -> None:
    own = {process.name: own_families(process) for process in product.processes}
    redis = {"customer360_redis_failures"}
    assert {name.split("_")[1] for name in own["relay"]} == {"relay", "outbox", "process", "redis"}
    assert own["mover"] == {"customer360_mover_customers", "customer360_mover_last_success_timestamp", *redis}
    assert own["effects"] == {
        "customer360_effects",
        "customer360_effect_seconds",
        "customer360_effects_oldest_seconds",
        "customer360_effects_breaker_open",
        "customer360_effects_last_success_timestamp",
    }
    assert own["forecast"] == {
        "customer360_forecast_last_success_timestamp",
        "customer360_forecast_oldest_timestamp",
    }
    assert own["sandbox"] == {
        "customer360_sandbox_last_success_timestamp",
        "customer360_sandbox_oldest_timestamp",
    }
    # It hears from Redis which sessions have ended.
    stream = {f"customer360_stream_{name}" for name in ("connections", "hints", "unavailable")}
    assert own["stream"] == {*stream, *redis}
    assert {name.split("_")[1] for name in own["consumer"]} == {
        "consumer",
        "events",
        "event",
        "dead",
        "process",
        "redis",
    }
    # Known once a token of an identity provider was looked at, by whatever test.
    fetches = {"customer360_issuer_key_fetches"}
    replica = {f"customer360_replica_{name}" for name in ("off", "lag_seconds")}
    assert own["web"] - fetches == {"customer360_login_guard_fallback", *replica, *redis}


@pytest.mark.parametrize(
    ("name", "gauge"),
    [(name, name) for name in ("consumer", "relay", "mover", "effects", "forecast", "sandbox")],
)
def test_what_has_just_started_does_not_look_dead(product: Product, name: str, gauge: str) -> None:
    process: Process = getattr(product, name)
    (sample,) = process.scrape()[f"customer360_{gauge}_last_success_timestamp"].samples
    assert sample.value > 1_700_000_000
