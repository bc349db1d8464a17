"""The tables of the SQL store. Moments are whole milliseconds since the epoch; summary rows keep counts quick at a million flags.

A change of these tables raises `SCHEMA_VERSION`.
"""

import sqlalchemy as sa

SCHEMA_VERSION = 1

# Code points in order, as Python, SQLite and MongoDB compare text: PostgreSQL would use the database's language.
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

METADATA = sa.MetaData()

META = sa.Table("meta", METADATA, sa.Column("name", Text, primary_key=True), sa.Column("value", Text, nullable=False))

FLAGS = sa.Table(
    "flags",
    METADATA,
    sa.Column("id", Text, primary_key=True),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Column("event_time", sa.BigInteger, nullable=False),
    sa.Column("user_id", Text, nullable=False),
    sa.Column("severity", sa.SmallInteger, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("currency", Text, nullable=False),
    sa.Column("country", Text),
    sa.Column("verdict", Text),
    sa.Column("search", Text, nullable=False),
    sa.Column("document", Text, nullable=False),
)

FLAG_RULES = sa.Table(
    "flag_rules",
    METADATA,
    sa.Column("rule", Text, primary_key=True),
    sa.Column("flag_id", Text, primary_key=True),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Column("event_time", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

for _clock in ("received_at", "event_time"):
    # The summaries' edges and the narrow filters are answered from these alone, without reading the fat rows.
    sa.Index(f"flags_by_{_clock}", *(FLAGS.c[name] for name in (_clock, "user_id", "severity", "currency", "amount")))
    sa.Index(f"flags_by_user_{_clock}", FLAGS.c.user_id, FLAGS.c[_clock])
    sa.Index(f"flags_by_country_{_clock}", FLAGS.c.country, FLAGS.c[_clock])
    sa.Index(f"flags_by_severity_{_clock}", FLAGS.c.severity, FLAGS.c[_clock])
    sa.Index(f"flag_rules_by_{_clock}", FLAG_RULES.c.rule, FLAG_RULES.c[_clock])

# Sums are doubles: exact up to 9e11 major units, and never out of range, which would stop all storing.
SPAN_COUNTS = sa.Table(
    "span_counts",
    METADATA,
    sa.Column("clock", Text, primary_key=True),
    sa.Column("span", sa.BigInteger, primary_key=True, comment="milliseconds: a minute or an hour"),
    sa.Column("start", sa.BigInteger, primary_key=True),
    sa.Column("severity", sa.SmallInteger, primary_key=True),
    sa.Column("currency", Text, primary_key=True),
    sa.Column("flags", sa.BigInteger, nullable=False),
    sa.Column("amount", sa.Double, nullable=False),
    sqlite_with_rowid=False,
)

USER_DAYS = sa.Table(
    "user_days",
    METADATA,
    sa.Column("clock", Text, primary_key=True),
    sa.Column("start", sa.BigInteger, primary_key=True),
    sa.Column("user_id", Text, primary_key=True),
    sa.Column("severity", sa.SmallInteger, primary_key=True),
    sa.Column("flags", sa.BigInteger, nullable=False),
    sa.Column("amount", sa.Double, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

MINUTES = sa.Table(
    "minutes",
    METADATA,
    sa.Column("log_id", Text, primary_key=True),
    sa.Column("group", Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("minute", sa.BigInteger, primary_key=True, index=True),
    sa.Column("up_to_offset", sa.BigInteger, nullable=False),
    sa.Column("document", Text, nullable=False, comment="every counter of the minute, JSON"),
)

HEARTBEATS = sa.Table(
    "heartbeats",
    METADATA,
    sa.Column("process", Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("document", Text, nullable=False),
)

USERS = sa.Table(
    "users",
    METADATA,
    sa.Column("user_id", Text, primary_key=True),
    sa.Column("document", Text, nullable=False),
)
