"""What the two commands count and measure. One list, so that ``docs/operations.md`` can be held to it."""

from prometheus_client import Counter, Gauge, Histogram

consumed = Counter("customer360_events_consumed_total", "Messages read from Kafka.", ["topic"])
dealt_with = Counter(
    "customer360_events_total", "Events by what became of them; dead ones with their code.", ["type", "outcome", "code"]
)
fields_rejected = Counter(
    "customer360_event_fields_rejected_total", "Values left out of events that were applied without them.", ["type"]
)
moved = Counter("customer360_events_moved_total", "Customers that events have moved to another stage.", ["type"])
retries = Counter("customer360_consumer_retries_total", "Batches put off because something was away.", ["reason"])
splits = Counter("customer360_consumer_splits_total", "Batches halved to find the message that fails.")
batch_seconds = Histogram(
    "customer360_consumer_batch_seconds",
    "Time of one batch in the database.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
lag = Gauge("customer360_consumer_lag", "Messages not read yet, as the client sees it.", ["topic", "partition"])
rebalances = Counter("customer360_consumer_rebalances_total", "Assignments of partitions.")
parked = Gauge("customer360_events_parked", "Events that wait for the creation of their customer.")
open_letters = Gauge("customer360_dead_letters_open", "Dead letters that nobody has replayed or discarded.")
forgotten = Counter("customer360_events_forgotten_total", "Ids of events forgotten after their time.")
last_batch = Gauge("customer360_consumer_last_success_timestamp", "When a batch or an idle round last went well.")

restarts = Gauge("customer360_process_restarts", "How often this process died of a signal and was started again.")

outbox_pending = Gauge("customer360_outbox_pending", "Messages promised to Kafka and not delivered yet.")
outbox_age = Gauge("customer360_outbox_oldest_seconds", "Age of the oldest message not delivered yet.")
published = Counter("customer360_outbox_published_total", "Messages delivered to Kafka.", ["topic"])
publish_seconds = Histogram(
    "customer360_outbox_publish_seconds",
    "From the writing transaction to the broker's acknowledgement.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 60, 600),
)
leading = Gauge("customer360_relay_leading", "1 for the relay that publishes, 0 for those that stand by.")
rebuilds = Counter("customer360_relay_producer_rebuilds_total", "Producers replaced after an error.", ["reason"])
topic_stopped = Gauge(
    "customer360_relay_topic_stopped", "1 while nothing can be published to the topic; the others go on.", ["topic"]
)
deleted = Counter("customer360_outbox_deleted_total", "Published messages deleted after their time.")
