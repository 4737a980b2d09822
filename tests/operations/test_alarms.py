"""The alarms, played on and off by promtool, and the dashboard: on the series that the processes really export."""

import json
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from lifecycle.messaging import metrics
from tests.messaging.kafka import Broker, await_that
from tests.operations.conftest import Product
from tests.operations.test_metrics import ask

DEPLOY = Path(settings.BASE_DIR) / "docs" / "deploy"
RULES = DEPLOY / "alerts.yml"
# Named by Prometheus itself, for every target.
SYNTHETIC = {"up": {"job", "instance"}}
SELECTOR = re.compile(r"\b(?P<name>(?:customer360|django|process)_\w+|up)\b(?:\{(?P<labels>[^}]*)\})?")
GROUPING = re.compile(r"\b(?:by|on) \(([^)]*)\)")


@dataclass(frozen=True)
class Play:
    """One alarm in a play: series by the minute (promtool's notation), when it rings, and when it does not."""

    series: dict[str, str]
    rings_at: str
    silent_at: tuple[str, ...]


CONSUMER = 'job="customer360-consumer",instance="consumer:9100"'
RELAY = 'job="customer360-relay",instance="relay:9100"'
SECOND = 'job="customer360-relay",instance="relay2:9100"'
# Of another database server.
ELSEWHERE = 'job="customer360-relay-b",instance="relay-b:9100"'
MOVER = 'job="customer360-mover",instance="mover:9100"'
EFFECTS = 'job="customer360-effects",instance="effects:9100"'
FORECAST = 'job="customer360-forecast",instance="forecast:9100"'
SANDBOX = 'job="customer360-sandbox",instance="sandbox:9100"'
WEB = 'job="customer360-web",instance="web:8000"'
STREAM = 'job="customer360-stream",instance="stream:8001"'
GONE = "1 1 1 stale _x4 1x10"
STATUS = "django_http_responses_total_by_status_total"
LATENCY = "django_http_requests_latency_including_middlewares_seconds_bucket"


def clock(name: str, labels: str, *, stops: int, goes_on: int) -> dict[str, str]:
    """A timestamp that follows the clock, stands still from one minute to another, and follows it again."""
    still = " ".join([str(60 * stops)] * (goes_on - stops))
    return {f"{name}{{{labels}}}": f"0+60x{stops} {still} {60 * goes_on}+60x20"}


PLAYS = {
    "Customer360TargetDown": Play({f"up{{{RELAY}}}": "1 1 0x5 1x5"}, "5m", ("2m", "3m", "9m")),
    "Customer360ProcessRestarts": Play(
        {f"process_start_time_seconds{{{CONSUMER}}}": "1x5 200 300 400 400x40"}, "9m", ("5m", "40m")
    ),
    "Customer360WebDown": Play({f"django_http_requests_before_middlewares_total{{{WEB}}}": GONE}, "6m", ("2m", "10m")),
    "Customer360WebErrors": Play(
        {f'{STATUS}{{{WEB},status="200"}}': "0+600x60", f'{STATUS}{{{WEB},status="503"}}': "0x5 60+60x14 900x40"},
        "15m",
        ("5m", "40m"),
    ),
    "Customer360WebSlow": Play(
        {
            f'{LATENCY}{{{WEB},le="1.0"}}': "0+60x5 300x20 360+60x40",
            f'{LATENCY}{{{WEB},le="5.0"}}': "0+60x90",
            f'{LATENCY}{{{WEB},le="+Inf"}}': "0+60x90",
        },
        "22m",
        ("5m", "60m"),
    ),
    "Customer360WithoutRedis": Play(
        {
            f"customer360_redis_failures_total{{{WEB}}}": "0x3 5 10 15 20 20x30",
        },
        "7m",
        ("2m", "30m"),
    ),
    "Customer360ReplicaOff": Play({f"customer360_replica_off{{{WEB}}}": "0x3 1x10 0x10"}, "10m", ("2m", "6m", "15m")),
    "Customer360StreamDown": Play({f"customer360_stream_connections{{{STREAM}}}": GONE}, "7m", ("2m", "10m")),
    "Customer360ConsumerDown": Play(
        {f"customer360_consumer_last_success_timestamp{{{CONSUMER}}}": "0 60 120 stale _x4 480+60x9"},
        "6m",
        ("2m", "10m"),
    ),
    "Customer360ConsumerStandsStill": Play(
        clock("customer360_consumer_last_success_timestamp", CONSUMER, stops=3, goes_on=10), "9m", ("4m", "12m")
    ),
    "Customer360ConsumerLag": Play(
        {
            f'customer360_consumer_lag{{{CONSUMER},topic="customer.created",partition="0"}}': "0x3 30000x15 0x10",
            f'customer360_consumer_lag{{{CONSUMER},topic="customer.updated",partition="1"}}': "0x3 30000x15 0x10",
        },
        "16m",
        ("2m", "10m", "25m"),
    ),
    "Customer360DeadLetters": Play(
        {
            f"customer360_events_dead_total{{{CONSUMER}}}": "0x5 1x60",
            f"customer360_dead_letters_open{{{CONSUMER}}}": "0x5 1x60",
        },
        "7m",
        ("4m", "40m"),
    ),
    "Customer360EventsWait": Play(
        {f"customer360_events_parked{{{CONSUMER}}}": "0x3 1500x15 3x10"}, "16m", ("2m", "8m", "25m")
    ),
    "Customer360RelayDown": Play(
        {f"customer360_relay_last_success_timestamp{{{RELAY}}}": "0 60 120 stale _x4 480+60x9"}, "6m", ("2m", "10m")
    ),
    "Customer360RelayStandsStill": Play(
        clock("customer360_relay_last_success_timestamp", RELAY, stops=3, goes_on=10), "9m", ("4m", "12m")
    ),
    "Customer360NoRelayLeads": Play(
        {f"customer360_relay_leading{{{RELAY}}}": "1x3 0x5 1x5", f"customer360_relay_leading{{{ELSEWHERE}}}": "1x20"},
        "7m",
        ("3m", "10m"),
    ),
    "Customer360SeveralRelaysLead": Play(
        {
            f"customer360_relay_leading{{{RELAY}}}": "1x20",
            f"customer360_relay_leading{{{SECOND}}}": "0x3 1x5 0x5",
            f"customer360_relay_leading{{{ELSEWHERE}}}": "1x20",
        },
        "7m",
        ("3m", "12m"),
    ),
    "Customer360OutboxAges": Play(
        {f"customer360_outbox_oldest_seconds{{{RELAY}}}": "0x3 60+60x6 0x5"}, "8m", ("3m", "12m")
    ),
    "Customer360TopicStopped": Play(
        {f'customer360_relay_topic_stopped{{{RELAY},topic="lifecycle.dead-letter"}}': "0x3 1x10 0x10"},
        "10m",
        ("3m", "7m", "20m"),
    ),
    "Customer360ProducerRebuilds": Play(
        {f'customer360_relay_producer_rebuilds_total{{{RELAY},reason="_TIMED_OUT"}}': "0x3 0+3x7 21x30"},
        "10m",
        ("3m", "30m"),
    ),
    "Customer360MoverDown": Play(
        {f"customer360_mover_last_success_timestamp{{{MOVER}}}": "0 60 120 stale _x9 780+60x9"}, "12m", ("6m", "20m")
    ),
    "Customer360MoverStandsStill": Play(
        clock("customer360_mover_last_success_timestamp", MOVER, stops=3, goes_on=15), "12m", ("7m", "17m")
    ),
    "Customer360EffectsDown": Play(
        {f"customer360_effects_last_success_timestamp{{{EFFECTS}}}": "0 60 120 stale _x9 780+60x9"},
        "12m",
        ("6m", "20m"),
    ),
    "Customer360EffectsStandStill": Play(
        clock("customer360_effects_last_success_timestamp", EFFECTS, stops=3, goes_on=15), "12m", ("7m", "17m")
    ),
    "Customer360EffectsLate": Play(
        {f"customer360_effects_oldest_seconds{{{EFFECTS}}}": "0x3 60+60x20 0x5"}, "22m", ("10m", "29m")
    ),
    "Customer360EffectsBreakerOpen": Play(
        {f"customer360_effects_breaker_open{{{EFFECTS}}}": "0x3 1x10 0x10"}, "5m", ("2m", "15m")
    ),
    "Customer360EffectsFail": Play(
        {f'customer360_effects_total{{{EFFECTS},kind="webhook",outcome="failed"}}': "0x3 0+5x7 35x40"},
        "11m",
        ("3m", "40m"),
    ),
    "Customer360ForecastDown": Play(
        {f"customer360_forecast_last_success_timestamp{{{FORECAST}}}": "0 600 1200 stale _x29 1980+60x9"},
        "25m",
        ("15m", "40m"),
    ),
    # Made at 0, and again only 40 hours later.
    "Customer360ForecastOld": Play(
        {f"customer360_forecast_oldest_timestamp{{{FORECAST}}}": "0x2400 144000x60"},
        "2200m",
        ("2100m", "2410m"),
    ),
    "Customer360SandboxDown": Play(
        {f"customer360_sandbox_last_success_timestamp{{{SANDBOX}}}": "0 600 1200 stale _x29 1980+60x9"},
        "25m",
        ("15m", "40m"),
    ),
    # Reset 80,000 seconds before 0, and again only five hours after it.
    "Customer360SandboxOld": Play(
        {f"customer360_sandbox_oldest_timestamp{{{SANDBOX}}}": "-80000x300 18000x60"},
        "250m",
        ("220m", "310m"),
    ),
}


def load_rules() -> dict[str, dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text())
    return {rule["alert"]: rule for group in document["groups"] for rule in group["rules"]}


def dashboard_expressions() -> list[str]:
    document = json.loads((DEPLOY / "dashboard.json").read_text())
    return [target["expr"] for panel in document["panels"] for target in panel.get("targets", ())]


def run(*command: str | Path) -> str:
    """What a program says; it must be content."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- by promtool ------------------------------------------------------------------------------------------------------


def test_promtool_accepts_rules_and_configuration(promtool: str) -> None:
    assert f"SUCCESS: {len(load_rules())} rules found" in run(promtool, "check", "rules", RULES)
    assert "SUCCESS" in run(promtool, "check", "config", DEPLOY / "prometheus.yml")


def test_every_alarm_is_played() -> None:
    assert set(PLAYS) == set(load_rules())


def stage(name: str, play: Play) -> dict[str, Any]:
    """A play as promtool reads it."""
    firing = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    expected = [(play.rings_at, [{"labels": "{}", "value": 1}]), *((timestamp, []) for timestamp in play.silent_at)]
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in play.series.items()],
        "promql_expr_test": [
            {"expr": firing, "eval_time": timestamp, "exp_samples": samples} for timestamp, samples in expected
        ],
    }


def write_play(folder: Path, group: dict[str, Any], plays: dict[str, Play]) -> Path:
    """What promtool plays of a group of rules, as they are shipped: without those of other groups, which it would judge
    in every minute of every play.
    """
    rules = folder / f"{group['name']}.rules.yml"
    rules.write_text(json.dumps({"groups": [group]}))
    file = folder / f"{group['name']}.play.yml"
    tests = [stage(name, play) for name, play in plays.items()]
    file.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}))
    return file


def test_each_alarm_rings_and_stops(promtool: str, tmp_path: Path) -> None:
    """Each has a play of its own, and all are played in one start of promtool, which names those that fail."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    named = [{rule["alert"] for rule in group["rules"]} for group in groups]
    assert set().union(*named) == PLAYS.keys()
    files = [
        write_play(tmp_path, group, {name: play for name, play in PLAYS.items() if name in names})
        for group, names in zip(groups, named, strict=True)
    ]
    assert run(promtool, "test", "rules", *files).count("SUCCESS") == len(groups)
    # And it does look: an alarm that is said to be silent while it rings is found.
    name, play = next(iter(PLAYS.items()))
    wrong = write_play(tmp_path, groups[0], {name: replace(play, silent_at=(play.rings_at,))})
    with pytest.raises(AssertionError, match=name):
        run(promtool, "test", "rules", wrong)


def test_promtool_reads_every_expression_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    expressions = dashboard_expressions()
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions)]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"SUCCESS: {len(expressions)} rules found" in run(promtool, "check", "rules", file)


# --- against what is exported -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(product: Product) -> dict[str, set[str]]:
    """The name of each sample that any process exports, with the labels it has."""
    broker = Broker()
    broker.prefix = product.prefix
    ask(product.web, "/login")
    ask(product.web, "/api/v1/customers")
    ask(product.web, "/invitation/MQ/x")
    broker.send(b"no event", topic="customer.created")
    broker.flush()
    await_that(lambda: _has_stored(product))
    known: dict[str, set[str]] = {}
    for process in product.processes:
        for family in process.scrape().values():
            for sample in family.samples:
                known.setdefault(sample.name, set()).update(sample.labels, ("job", "instance"))
    for name, labels in labelled_metrics().items():
        # Nothing has been counted yet, and nothing is shown: the code says which labels there will be.
        known.setdefault(name, {*labels, "job", "instance"})
    return known | SYNTHETIC


def _has_stored(product: Product) -> bool:
    (sample, *_) = product.consumer.scrape()["customer360_events_dead"].samples
    return sample.value > 0


def labelled_metrics() -> dict[str, tuple[str, ...]]:
    """Those of the commands that have labels: they are shown once there is a value."""
    found = {}
    for metric in vars(metrics).values():
        if getattr(metric, "_labelnames", ()):
            found[metric._name + ("_total" if metric._type == "counter" else "")] = metric._labelnames
    return found


def used(expression: str) -> list[tuple[str, set[str]]]:
    """Each metric of an expression with the labels that are matched."""
    return [
        (match["name"], set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", match["labels"] or "")))
        for match in SELECTOR.finditer(expression)
    ]


def unknown_parts(expression: str, exported: dict[str, set[str]]) -> list[str]:
    wrong, labels = [], set()
    for name, matched in used(expression):
        if name not in exported:
            wrong.append(name)
        else:
            labels |= exported[name]
            wrong += [f"{name}{{{label}}}" for label in sorted(matched - exported[name])]
    grouped = {label.strip() for group in GROUPING.findall(expression) for label in group.split(",")}
    return wrong + sorted(grouped - labels)


def test_the_rules_use_only_what_is_exported(exported: dict[str, set[str]]) -> None:
    expressions = {name: rule["expr"] for name, rule in load_rules().items()}
    assert all(used(expression) for expression in expressions.values())
    assert {name: wrong for name, text in expressions.items() if (wrong := unknown_parts(text, exported))} == {}


def test_the_dashboard_uses_only_what_is_exported(exported: dict[str, set[str]]) -> None:
    expressions = dashboard_expressions()
    assert len(expressions) > 30
    assert {text: wrong for text in expressions if (wrong := unknown_parts(text, exported))} == {}


def test_the_plays_use_the_series_as_they_are_exported(exported: dict[str, set[str]]) -> None:
    for name, play in PLAYS.items():
        for series in play.series:
            ((metric, labels),) = used(series)
            assert labels == exported[metric], f"{name}: {series}"


def test_a_misspelt_metric_or_label_would_be_found(exported: dict[str, set[str]]) -> None:
    assert unknown_parts("sum(customer360_consumer_lags)", exported) == ["customer360_consumer_lags"]
    assert unknown_parts('up{jobb="x"} == 0', exported) == ["up{jobb}"]
    assert unknown_parts("sum by (tpic) (customer360_consumer_lag)", exported) == ["tpic"]


# --- against the page ------------------------------------------------------------------------------------------


def test_every_alarm_leads_to_its_paragraph() -> None:
    page = (Path(settings.BASE_DIR) / "docs" / "operations.md").read_text()
    for name, rule in load_rules().items():
        notes = rule["annotations"]
        assert notes["summary"] and notes["description"], name
        file, _, anchor = notes["runbook_url"].partition("#")
        assert file == "docs/operations.md"
        assert f'<a id="{anchor}"></a>`{name}`' in page, f"{name}: the page has no place for it"
        assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(re.findall(r"`(Customer360\w+)`", page)) == set(load_rules())
