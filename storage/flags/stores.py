"""Which store a URL names."""

from storage.flags.flag_store import FlagStore


def open_store(url: str, timeout_s: float = 10.0) -> FlagStore:
    """The store; nothing is connected yet, and no answer may take longer than `timeout_s`.

    StoreError for a URL that no store understands.
    """
    # Either one's driver takes a while to load: a consumer that is started again is back sooner without the other's.
    if url.startswith(("mongodb://", "mongodb+srv://")):
        from storage.flags.mongo_store import MongoStore

        return MongoStore(url, timeout_s)
    from storage.flags.sql_store import SqlStore

    return SqlStore(url, timeout_s)
