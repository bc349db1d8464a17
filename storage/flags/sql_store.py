"""The flag store in SQL: SQLite for the embedded way to run, PostgreSQL for those who have one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from fraud.decision import Severity
from fraud.errors import StoreError
from fraud.schema import User
from storage.failpoints import reached
from storage.flags import frames
from storage.flags.documents import KEEP_HEARTBEATS, decode, distinct, from_ms, newest, to_ms
from storage.flags.encoded import Encoded
from storage.flags.flag_store import FlagFilter, Heartbeat, Minute, Place
from storage.flags.sql_database import Database
from storage.flags.sql_queries import oldest_first, page, stored_text, values_present
from storage.flags.sql_rows import flag_row, heartbeat_row, minute_row, places_of, rule_rows
from storage.flags.sql_summaries import HOUR_MS, MINUTE_MS, count_in, counts, user_counts
from storage.flags.sql_tables import FLAG_RULES, FLAGS, HEARTBEATS, META, METADATA, MINUTES, SCHEMA_VERSION, USERS

if TYPE_CHECKING:
    import pandas as pd

TIMEOUT_S = 10.0
IDS_AT_ONCE = 1_000
FLAGS_AT_ONCE = 500
"""Whole flags of one read: a few tens of kilobytes each."""
_PREPARE_LOCK = 0x667261756466


class SqlStore:
    """`FlagStore` on one SQLite file or one PostgreSQL database."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        """Describe the store; nothing is opened yet. StoreError for a URL that is none."""
        self.database = Database(url, timeout_s)
        self._insert: Any = sqlite.insert if self.database.is_sqlite else postgresql.insert
        self._is_checked = False
        self.embedded = self.database.is_sqlite

    def prepare(self) -> None:
        """Create tables and indexes; safe to repeat. StoreError, also for a store of a newer release."""
        if self.database.is_sqlite:
            self._make_folder(Path(self.database.url.database or "").parent)
        with self.database.writing() as connection:
            if not self.database.is_sqlite:
                # Two processes that create the same table at once would fail one of them.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PREPARE_LOCK)))
            if sa.inspect(connection).has_table(META.name):
                self._check_version(connection)
            METADATA.create_all(connection)
            row = {"name": "schema_version", "value": str(SCHEMA_VERSION)}
            connection.execute(self._insert(META).on_conflict_do_nothing(), row)

    def store(self, flags: Sequence[Encoded], minutes: Sequence[Minute]) -> None:
        """Insert new flags with their summary rows, replace older minutes, all in one transaction."""
        if flags or minutes:
            with self._writing() as connection:
                self._insert_flags(connection, distinct(flags))
                reached("inside_store")
                self._replace_minutes(connection, minutes)

    def beat(self, heartbeat: Heartbeat) -> None:
        """Replace this process's heartbeat, and forget processes that are silent for a week."""
        row = heartbeat_row(heartbeat)
        with self._writing() as connection:
            self._upsert(connection, HEARTBEATS, [row])
            connection.execute(sa.delete(HEARTBEATS).where(HEARTBEATS.c.at < to_ms(heartbeat.at - KEEP_HEARTBEATS)))

    def put_users(self, users: Sequence[User]) -> None:
        """Upsert users; of several of one id the last one stays."""
        rows = {stored_text(user.user_id): msgspec.json.encode(user).decode() for user in users}
        if rows:
            with self._writing() as connection:
                self._upsert(
                    connection, USERS, [{"user_id": user_id, "document": rows[user_id]} for user_id in sorted(rows)]
                )

    def flags(self, wanted: FlagFilter, limit: int, skip: int = 0) -> list[dict[str, Any]]:
        """Flags as documents, newest first, then by `_id`."""
        return [decode(document, verdict) for document, verdict in self._rows(page(wanted, limit, skip))]

    def flag(self, flag_id: str) -> dict[str, Any] | None:
        """One flag."""
        rows = self._rows(sa.select(FLAGS.c.document, FLAGS.c.verdict).where(FLAGS.c.id == stored_text(flag_id)))
        return decode(*rows[0]) if rows else None

    def flags_by_id(self, flag_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Those of these flags that are stored."""
        rows = self._among(FLAGS.c.id, [stored_text(one) for one in flag_ids], FLAGS.c.document, FLAGS.c.verdict)
        return {found["_id"]: found for found in (decode(*row) for row in rows)}

    def decided(self, log_id: str, group: str, since: datetime, until: datetime) -> Iterator[Place]:
        """Where every flag of one log and group in the period lies, the oldest first."""
        last: tuple[int, str] | None = None
        while rows := self._rows(oldest_first(since, until, last).limit(FLAGS_AT_ONCE)):
            last = rows[-1].received_at, rows[-1].id
            yield from places_of(rows, log_id, group)

    def flag_count(self, wanted: FlagFilter) -> int:
        """How many flags the filter finds."""
        return int(self._rows(sa.select(sa.func.sum(counts(wanted, HOUR_MS).c.flags)))[0][0] or 0)

    def flags_per_bucket(self, wanted: FlagFilter, seconds: int) -> "pd.DataFrame":
        """Flags and amounts per bucket, severity and currency."""
        width = seconds * 1000
        spans = [span for span in (HOUR_MS, MINUTE_MS) if width % span == 0]
        rows = counts(wanted, spans[0] if spans else None).c
        bucket = rows.start - rows.start % width
        sums = (sa.func.sum(rows.flags), sa.func.sum(rows.amount))
        query = sa.select(bucket, rows.severity, rows.currency, *sums).group_by(bucket, rows.severity, rows.currency)
        return frames.buckets((int(row[0]), row[1], row[2], int(row[3]), row[4]) for row in self._rows(query))

    def top_users(self, wanted: FlagFilter, limit: int) -> "pd.DataFrame":
        """Users with the most flags."""
        rows = user_counts(wanted).c
        flags = sa.func.sum(rows.flags)
        sums = (rows.user_id, flags, sa.func.sum(rows.amount), sa.func.max(rows.severity), sa.func.max(rows.last))
        query = sa.select(*sums).group_by(rows.user_id).order_by(flags.desc(), rows.user_id).limit(limit)
        return frames.users((row[0], int(row[1]), row[2], row[3], row[4]) for row in self._rows(query))

    def choices(self, wanted: FlagFilter) -> dict[str, list[str]]:
        """Severities (mildest first), rules and countries of the period."""
        clock = FLAGS.c[wanted.time]
        ranks = self._rows(values_present(FLAGS.c.severity, clock, wanted))
        rules = self._rows(values_present(FLAG_RULES.c.rule, FLAG_RULES.c[wanted.time], wanted))
        countries = self._rows(values_present(FLAGS.c.country, clock, wanted))
        return {
            "severities": [Severity(row[0]).word for row in ranks],
            "rules": [row[0] for row in rules],
            "countries": [row[0] for row in countries],
        }

    def minutes(self, since: datetime, until: datetime) -> "pd.DataFrame":
        """Minute counters that start in the period."""
        period = (MINUTES.c.minute >= to_ms(since), MINUTES.c.minute < to_ms(until))
        rows = self._rows(sa.select(MINUTES.c.minute, MINUTES.c.document).where(*period))
        return frames.minutes(msgspec.json.decode(document) | {"minute": from_ms(minute)} for minute, document in rows)

    def heartbeats(self) -> list[Heartbeat]:
        """The latest of every process, by name."""
        rows = self._rows(sa.select(HEARTBEATS.c.document).order_by(HEARTBEATS.c.process))
        return [msgspec.json.decode(row[0], type=Heartbeat) for row in rows]

    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """What is known of these users."""
        rows = self._among(USERS.c.user_id, [stored_text(user_id) for user_id in user_ids], USERS.c.document)
        known = [msgspec.json.decode(row[0], type=User) for row in rows]
        return {user.user_id: user for user in known}

    def existing(self, flag_ids: Sequence[str]) -> set[str]:
        """Which of these flags are stored."""
        return {row[0] for row in self._among(FLAGS.c.id, flag_ids, FLAGS.c.id)}

    def problems(self) -> list[str]:
        """What is wrong with this store, one line each."""
        try:
            with self._reading() as connection:
                if self.database.is_sqlite:
                    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
                    return [] if found == "ok" else [f"{self.database.name} is damaged: {found}; restore a backup"]
                if connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "off":
                    return [
                        f"{self.database.name}: synchronous_commit is off, so a crash may lose stored flags; set it to on"
                    ]
        except StoreError as error:
            return [str(error)]
        return []

    def close(self) -> None:
        """Let go of every connection."""
        self.database.close()

    def _insert_flags(self, connection: sa.Connection, encoded: Sequence[Encoded]) -> None:
        if not encoded:
            return
        statement = self._insert(FLAGS).on_conflict_do_nothing().returning(FLAGS.c.id)
        inserted = set(connection.execute(statement, [flag_row(flag) for flag in encoded]).scalars())
        new = [flag for flag in encoded if flag.document["_id"] in inserted]
        rules = [row for flag in new for row in rule_rows(flag)]
        if rules:
            connection.execute(sa.insert(FLAG_RULES), rules)
        if new:
            count_in(connection, self._insert, new)

    def _replace_minutes(self, connection: sa.Connection, minutes: Sequence[Minute]) -> None:
        if not minutes:
            return
        statement = self._insert(MINUTES)
        new = statement.excluded
        older = MINUTES.c.up_to_offset < new.up_to_offset
        changes = {"up_to_offset": new.up_to_offset, "document": new.document}
        statement = statement.on_conflict_do_update(index_elements=list(MINUTES.primary_key), set_=changes, where=older)
        connection.execute(statement, [minute_row(minute) for minute in newest(minutes)])

    def _upsert(self, connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        statement = self._insert(table)
        keys = list(table.primary_key)
        changes = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes), rows)

    def _rows(self, query: sa.Select[Any]) -> Sequence[Any]:
        with self._reading() as connection:
            return connection.execute(query).all()

    def _among(self, column: sa.Column[Any], values: Sequence[str], *found: sa.Column[Any]) -> list[Any]:
        with self._reading() as connection:
            rows: list[Any] = []
            for start in range(0, len(values), IDS_AT_ONCE):
                query = sa.select(*found).where(column.in_(values[start : start + IDS_AT_ONCE]))
                rows.extend(connection.execute(query).all())
            return rows

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self.database.reading() as connection:
            self._check_version(connection)
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self.database.writing() as connection:
            self._check_version(connection)
            yield connection

    def _check_version(self, connection: sa.Connection) -> None:
        if self._is_checked:
            return
        found = connection.execute(sa.select(META.c.value).where(META.c.name == "schema_version")).scalar()
        if found is not None and int(found) > SCHEMA_VERSION:
            newer = f"schema {found}, this release knows {SCHEMA_VERSION}"
            raise StoreError(f"{self.database.name} was written by a newer release ({newer}): upgrade fraudstream")
        self._is_checked = True

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.database.name}: its folder cannot be made ({error.strerror})") from error
