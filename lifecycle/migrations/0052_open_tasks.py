"""When the open tasks about a customer are due is kept with its status, by the database: a process of the former release,
which runs on beside this migration, keeps it too. The next migration fills it for the tasks that there are.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

from storage.rls import APP_ROLE

KEEP = [
    # The statuses first, in the order in which every writer locks them, as for notes (migration 0040): of two tasks at
    # once both are kept, whichever comes first.
    """
    CREATE FUNCTION renew_open_tasks(whose uuid, customers uuid[]) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        renewed bigint;
    BEGIN
        PERFORM FROM customer_lifecycle_status s WHERE s.tenant_id = whose AND s.customer_id = ANY(customers)
          ORDER BY s.customer_id FOR NO KEY UPDATE;
        UPDATE customer_lifecycle_status s SET open_due = n.due
          FROM unnest(customers) AS c(customer_id)
         CROSS JOIN LATERAL (
               SELECT array_agg(due_key ORDER BY due_key) AS due FROM lifecycle_task
                WHERE tenant_id = whose AND customer_id = c.customer_id AND done_at IS NULL
                  AND due_key < date '9999-12-31') n
         WHERE s.tenant_id = whose AND s.customer_id = c.customer_id AND s.open_due IS DISTINCT FROM n.due;
        GET DIAGNOSTICS renewed = ROW_COUNT;
        RETURN renewed;
    END $$
    """,
    "REVOKE ALL ON FUNCTION renew_open_tasks(uuid, uuid[]) FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION renew_open_tasks(uuid, uuid[]) TO {APP_ROLE}",
    """
    CREATE FUNCTION keep_open_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM renew_open_tasks(tenant_id, array_agg(DISTINCT customer_id)) FROM changed
          WHERE done_at IS NULL AND due_key < date '9999-12-31' GROUP BY tenant_id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION keep_open_task() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM renew_open_tasks(NEW.tenant_id, ARRAY[NEW.customer_id]);
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER tasks_were_written AFTER INSERT ON lifecycle_task"
    " REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keep_open_tasks()",
    "CREATE TRIGGER tasks_are_gone AFTER DELETE ON lifecycle_task"
    " REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keep_open_tasks()",
    "CREATE TRIGGER task_was_changed AFTER UPDATE OF done_at, due_key ON lifecycle_task FOR EACH ROW"
    " WHEN ((OLD.done_at IS NULL) IS DISTINCT FROM (NEW.done_at IS NULL) OR OLD.due_key <> NEW.due_key)"
    " EXECUTE FUNCTION keep_open_task()",
]
UNDO = [
    *(
        f"DROP TRIGGER {name} ON lifecycle_task"
        for name in ("tasks_were_written", "tasks_are_gone", "task_was_changed")
    ),
    "DROP FUNCTION keep_open_tasks",
    "DROP FUNCTION keep_open_task",
    "DROP FUNCTION renew_open_tasks",
]


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0051_episodes_of_period")]

    operations = [
        migrations.AddField(
            model_name="customerlifecyclestatus",
            name="open_due",
            field=ArrayField(
                models.DateField(),
                help_text="When the open tasks that have a date are due, the first one first.",
                null=True,
            ),
        ),
        migrations.RunSQL(KEEP, UNDO),
    ]
