"""Which store a URL names."""

from storage.flags.flag_store import FlagStore
from storage.flags.sql_store import SqlStore


def open_store(url: str, timeout_s: float = 10.0) -> FlagStore:
    """The store; nothing is connected yet, and no answer may take longer than `timeout_s`.

    StoreError for a URL that no store understands.
    """
    if url.startswith(("mongodb://", "mongodb+srv://")):
        from storage.flags.mongo_store import MongoStore  # its driver takes a while to load

        return MongoStore(url, timeout_s)
    return SqlStore(url, timeout_s)
