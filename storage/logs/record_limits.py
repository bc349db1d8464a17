"""What no log takes, refused before it is sent: on Kafka such a record would ruin the client for all others."""

from fraud.errors import LogError
from storage.logs.log import MAX_RECORD_BYTES


def check_record(topic: str, key: bytes | None, value: bytes | None) -> int:
    """Size of a record; raises LogError when it is over the limit, or has neither key nor value."""
    size = (len(key) if key is not None else 0) + (len(value) if value is not None else 0)
    if size > MAX_RECORD_BYTES:
        raise LogError(f"a record of {size} bytes for topic {topic} is over the limit of {MAX_RECORD_BYTES}: not sent")
    if key is None and value is None:
        raise LogError(f"a record for topic {topic} has neither key nor value: not sent")
    return size
