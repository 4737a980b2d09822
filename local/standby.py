"""A standby of an embedded PostgreSQL: a base backup of it that follows its log. For tests and the failover drill."""

import shutil
from dataclasses import dataclass

from local.postgresql import PostgreSQL
from local.trouble import CannotStart


@dataclass(slots=True)
class Standby(PostgreSQL):
    """The server that follows ``primary``, under ``name``; promoted, it is an ordinary server."""

    primary: PostgreSQL | None = None

    def _create_data(self) -> None:
        """As initdb of another server: beside the final place, and renamed."""
        assert self.primary is not None
        new = self.data.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._hand_over(new)
        self._open_data(new)
        address = (
            f"host=127.0.0.1 port={self.primary.port} user=postgres password={self.password} "
            f"application_name={self.name}"
        )
        options = [f"--dbname={address}", "--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream"]
        options += ["--no-sync"] if self.fast else []
        child = self._run("pg_basebackup", [f"--pgdata={self._data_argument()}", *options], log="pg_basebackup")
        if child.wait() != 0:
            raise CannotStart(f"pg_basebackup {child.describe_end()}: {child.last_words(3)}")
        new.rename(self.data)
