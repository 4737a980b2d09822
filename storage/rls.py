"""Row-level security as migration operations: one line a table, the same policy everywhere."""

from collections.abc import Sequence

from django.db.migrations.operations import RunSQL

APP_ROLE = "c360_app"
PLATFORM_ROLE = "c360_platform"
RELAY_ROLE = "c360_relay"
AUDIT_ROLE = "c360_audit"
SEARCH_ROLE = "c360_search"

# The sub-select makes it an InitPlan: evaluated once a statement, and a prepared statement never carries one
# tenant's plan to another. After a commit the variable reads '' and not NULL, hence NULLIF.
CURRENT_TENANT = "(SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid)"
CURRENT_USER_ID = "(SELECT NULLIF(current_setting('app.user_id', true), '')::uuid)"


def protect_table_sql(
    table: str,
    *,
    tenant_column: str = "tenant_id",
    using: str | None = None,
    check: str | None = None,
    app_may: str = "SELECT, INSERT, UPDATE, DELETE",
    readers: Sequence[str] = (PLATFORM_ROLE,),
) -> list[str]:
    """The statements that put a table behind the tenant policy, forced for its owner too, default deny.

    ``using``/``check`` replace the plain comparison. ``readers`` are roles that may read every tenant's rows.
    """
    visible = using or f"{tenant_column} = {CURRENT_TENANT}"
    writable = check or visible
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant_rows ON {table} USING ({visible}) WITH CHECK ({writable})",
        f"REVOKE ALL ON {table} FROM PUBLIC, {APP_ROLE}, {PLATFORM_ROLE}, {RELAY_ROLE}",
        f"GRANT {app_may} ON {table} TO {APP_ROLE}",
        *(
            statement
            for reader in readers
            for statement in (
                f"CREATE POLICY {reader}_reads ON {table} FOR SELECT TO {reader} USING (true)",
                f"GRANT SELECT ON {table} TO {reader}",
            )
        ),
    ]


class ProtectTenantTable(RunSQL):
    """Migration operation: ``ProtectTenantTable("lifecycle_customer")``. Undone by dropping the table."""

    def __init__(self, table: str, **options: object) -> None:
        self.table = table
        self.options = options
        super().__init__(
            sql=protect_table_sql(table, **options),  # type: ignore[arg-type]
            reverse_sql=[
                f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
                f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
            ],
        )

    def deconstruct(self) -> tuple[str, list[object], dict[str, object]]:
        """Name the operation by its table and options, for squashing."""
        return (self.__class__.__name__, [self.table], dict(self.options))

    def describe(self) -> str:
        """One line for ``migrate --plan``."""
        return f"Protect {self.table} with row-level security"


class KeyByTenant(RunSQL):
    """Migration operation: the table's primary key begins with its tenant, and is what replication knows a row by.

    Row-level security adds the tenant to every condition, so a look by id alone finds its row by this key; and the rows
    of one tenant can be recognized, and moved to another server, by it. Anyone who points at a row of the table, by a
    ``CompositeForeignKey``, names the tenant too. To be done while the table is empty.
    """

    def __init__(self, table: str, column: str = "id", *, tenant_column: str = "tenant_id") -> None:
        self.arguments = (table, column)
        self.tenant_column = tenant_column
        key = f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, ADD CONSTRAINT {table}_pkey PRIMARY KEY"
        super().__init__(sql=f"{key} ({tenant_column}, {column})", reverse_sql=f"{key} ({column})")

    def deconstruct(self) -> tuple[str, list[object], dict[str, object]]:
        """Name the operation by its arguments, for squashing."""
        return (self.__class__.__name__, list(self.arguments), {"tenant_column": self.tenant_column})

    def describe(self) -> str:
        """One line for ``migrate --plan``."""
        return f"Let the key of {self.arguments[0]} begin with its tenant"


class CompositeForeignKey(RunSQL):
    """Migration operation: a foreign key that carries the tenant, so that no row can point at another tenant's.

    A plain foreign key bypasses row-level security. The target needs a unique constraint on its columns.
    """

    def __init__(
        self, table: str, columns: Sequence[str], target: str, target_columns: Sequence[str], *, action: str = ""
    ) -> None:
        self.arguments = (table, tuple(columns), target, tuple(target_columns))
        self.action = action
        name = f"{table}_{'_'.join(columns)}_fk"[:63]
        super().__init__(
            sql=(
                f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({', '.join(columns)}) "
                f"REFERENCES {target} ({', '.join(target_columns)}) {action}"
            ),
            reverse_sql=f"ALTER TABLE {table} DROP CONSTRAINT {name}",
        )

    def deconstruct(self) -> tuple[str, list[object], dict[str, object]]:
        """Name the operation by its arguments, for squashing."""
        return (self.__class__.__name__, list(self.arguments), {"action": self.action})
