"""What the long-running commands count and measure, in a registry for each: no process exports another's figures.

A gauge that a process exports as 0 because it never sets it makes an alarm ring for ever, or never. One list, so that
``docs/operations.md``, the alarms and the dashboard can be held to it.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from storage.redis import failures


def _make_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


CONSUMER: Final = _make_registry()
RELAY: Final = _make_registry()
MOVER: Final = _make_registry()
EFFECTS: Final = _make_registry()
FORECAST: Final = _make_registry()
SANDBOX: Final = _make_registry()
for _registry in (CONSUMER, RELAY, MOVER):
    _registry.register(failures)

consumed = Counter("customer360_events_consumed_total", "Messages read from Kafka.", ["topic"], registry=CONSUMER)
dealt_with = Counter(
    "customer360_events_total",
    "Events by outcome; dead letters with their code.",
    ["type", "outcome", "code"],
    registry=CONSUMER,
)
# Without labels: it is exported as 0 before the first, and Prometheus sees the first as an increase.
dead = Counter("customer360_events_dead_total", "Events that became dead letters.", registry=CONSUMER)
moved = Counter(
    "customer360_events_moved_total", "Customers that events have moved to another stage.", ["type"], registry=CONSUMER
)
retries = Counter(
    "customer360_consumer_retries_total", "Batches postponed: a service was unavailable.", ["reason"], registry=CONSUMER
)
splits = Counter(
    "customer360_consumer_splits_total", "Batches halved to find the message that fails.", registry=CONSUMER
)
fields_rejected = Counter(
    "customer360_event_fields_rejected_total",
    "Invalid values left out of events that were applied without them.",
    ["type"],
    registry=CONSUMER,
)
batch_seconds = Histogram(
    "customer360_consumer_batch_seconds",
    "Time of one batch in the database.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=CONSUMER,
)
lag = Gauge(
    "customer360_consumer_lag",
    "Messages not read yet, as the client sees them.",
    ["topic", "partition"],
    registry=CONSUMER,
)
rebalances = Counter("customer360_consumer_rebalances_total", "Assignments of partitions.", registry=CONSUMER)
parked = Gauge("customer360_events_parked", "Events that wait for the creation of their customer.", registry=CONSUMER)
open_dead_letters = Gauge(
    "customer360_dead_letters_open", "Dead letters that have not been replayed or discarded.", registry=CONSUMER
)
last_batch = Gauge(
    "customer360_consumer_last_success_timestamp",
    "When a batch last went well, or a round with nothing to read in a group that has come together.",
    registry=CONSUMER,
)
forgotten = Counter(
    "customer360_events_periods_dropped_total", "Periods of the inbox dropped after their retention.", registry=CONSUMER
)

# Of each of the two, in its own process.
restarts = Gauge(
    "customer360_process_restarts",
    "How often this process died of a signal and was started again.",
    registry=CONSUMER,
)
RELAY.register(restarts)

outbox_pending = Gauge(
    "customer360_outbox_pending", "Messages promised to Kafka and not delivered yet.", registry=RELAY
)
outbox_age = Gauge("customer360_outbox_oldest_seconds", "Age of the oldest message not delivered yet.", registry=RELAY)
published = Counter("customer360_outbox_published_total", "Messages delivered to Kafka.", ["topic"], registry=RELAY)
publish_seconds = Histogram(
    "customer360_outbox_publish_seconds",
    "From the writing transaction to the broker's acknowledgement.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 60, 600),
    registry=RELAY,
)
leading = Gauge("customer360_relay_leading", "1 for the relay that publishes, 0 for those on standby.", registry=RELAY)
rebuilds = Counter(
    "customer360_relay_producer_rebuilds_total", "Producers replaced after an error.", ["reason"], registry=RELAY
)
topic_stopped = Gauge(
    "customer360_relay_topic_stopped",
    "1 while nothing can be published to the topic; the others go on.",
    ["topic"],
    registry=RELAY,
)
dropped = Counter(
    "customer360_outbox_periods_dropped_total", "Periods of the outbox dropped after a while.", registry=RELAY
)
last_look = Gauge(
    "customer360_relay_last_success_timestamp",
    "When the relay, leading or on standby, last looked at the outbox.",
    registry=RELAY,
)

customers_moved = Counter(
    "customer360_mover_customers_total", "Customers moved after a configuration change.", registry=MOVER
)
last_round = Gauge(
    "customer360_mover_last_success_timestamp", "When a round of the mover last went well.", registry=MOVER
)
effects = Counter(
    "customer360_effects_total", "Effects by what became of an attempt.", ["kind", "outcome"], registry=EFFECTS
)
effect_seconds = Histogram(
    "customer360_effect_seconds",
    "Time of one attempt.",
    ["kind"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60),
    registry=EFFECTS,
)
effects_oldest = Gauge(
    "customer360_effects_oldest_seconds",
    "For how long the oldest effect that may run has been due.",
    registry=EFFECTS,
)
effects_breaker_open = Gauge(
    "customer360_effects_breaker_open",
    "Tenants whose effects the breaker has paused.",
    registry=EFFECTS,
)
effects_round = Gauge(
    "customer360_effects_last_success_timestamp",
    "When a round of the effects' worker last went well.",
    registry=EFFECTS,
)
forecast_round = Gauge(
    "customer360_forecast_last_success_timestamp",
    "When a round of the forecasts' process last went well.",
    registry=FORECAST,
)
forecast_oldest = Gauge(
    "customer360_forecast_oldest_timestamp",
    "When the oldest forecasts of any tenant were made, or since when a tenant waits for its first.",
    registry=FORECAST,
)
sandbox_round = Gauge(
    "customer360_sandbox_last_success_timestamp",
    "When a round of the sandboxes' process last went well.",
    registry=SANDBOX,
)
sandbox_oldest = Gauge(
    "customer360_sandbox_oldest_timestamp",
    "When the sandbox that waits longest was last reset, or made.",
    registry=SANDBOX,
)
