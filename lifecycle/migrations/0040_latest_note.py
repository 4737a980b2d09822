"""When the latest note about a customer was written is kept with its status, by the database: a process of the former
release, which runs on beside this migration, keeps it too. The next migration fills it for the notes that there are.
"""

from django.db import migrations, models

from storage.rls import APP_ROLE

KEEP = [
    # The statuses first, in the order in which every writer locks them: what is asked next sees each note that those who
    # held them have committed. So of two notes at once the later one is kept, whichever comes first.
    """
    CREATE FUNCTION renew_latest_notes(whose uuid, customers uuid[]) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        renewed bigint;
    BEGIN
        PERFORM FROM customer_lifecycle_status s WHERE s.tenant_id = whose AND s.customer_id = ANY(customers)
          ORDER BY s.customer_id FOR NO KEY UPDATE;
        UPDATE customer_lifecycle_status s SET noted_at = n.latest
          FROM unnest(customers) AS c(customer_id)
         CROSS JOIN LATERAL (
               SELECT (SELECT created_at FROM lifecycle_note
                        WHERE tenant_id = whose AND customer_id = c.customer_id AND deleted_at IS NULL
                        ORDER BY created_at DESC LIMIT 1) AS latest) n
         WHERE s.tenant_id = whose AND s.customer_id = c.customer_id AND s.noted_at IS DISTINCT FROM n.latest;
        GET DIAGNOSTICS renewed = ROW_COUNT;
        RETURN renewed;
    END $$
    """,
    "REVOKE ALL ON FUNCTION renew_latest_notes(uuid, uuid[]) FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION renew_latest_notes(uuid, uuid[]) TO {APP_ROLE}",
    """
    CREATE FUNCTION keep_latest_notes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM renew_latest_notes(tenant_id, array_agg(DISTINCT customer_id)) FROM changed GROUP BY tenant_id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION keep_latest_note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM renew_latest_notes(NEW.tenant_id, ARRAY[NEW.customer_id]);
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER notes_were_written AFTER INSERT ON lifecycle_note"
    " REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keep_latest_notes()",
    "CREATE TRIGGER notes_are_gone AFTER DELETE ON lifecycle_note"
    " REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keep_latest_notes()",
    "CREATE TRIGGER note_was_deleted AFTER UPDATE OF deleted_at, created_at ON lifecycle_note FOR EACH ROW"
    " WHEN ((OLD.deleted_at IS NULL) IS DISTINCT FROM (NEW.deleted_at IS NULL) OR OLD.created_at <> NEW.created_at)"
    " EXECUTE FUNCTION keep_latest_note()",
]
UNDO = [
    *(
        f"DROP TRIGGER {name} ON lifecycle_note"
        for name in ("notes_were_written", "notes_are_gone", "note_was_deleted")
    ),
    "DROP FUNCTION keep_latest_notes",
    "DROP FUNCTION keep_latest_note",
    "DROP FUNCTION renew_latest_notes",
]


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0039_stays_of_lists")]

    operations = [
        migrations.AddField(
            model_name="customerlifecyclestatus",
            name="noted_at",
            field=models.DateTimeField(help_text="When the latest note that is kept was written.", null=True),
        ),
        migrations.RunSQL(KEEP, UNDO),
    ]
