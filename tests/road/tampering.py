"""What somebody at the store's console may do to flags: delete one, alter one, add one."""

from dataclasses import dataclass
from typing import Any

import pymongo


@dataclass(frozen=True, slots=True)
class Tampered:
    """Flag ids."""

    deleted: str
    altered: str
    added: str


def tamper(url: str) -> Tampered:
    """Do all three to flags of a MongoDB database."""
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        flags = client.get_default_database()["flags"]
        deleted, altered, copied = flags.find().sort("_id", 1).limit(3)
        flags.delete_one({"_id": deleted["_id"]})
        flags.update_one({"_id": altered["_id"]}, {"$set": {"severity": "critical", "hits": []}})
        flags.insert_one({**copied, "_id": "by-hand"})
    return Tampered(deleted["_id"], altered["_id"], "by-hand")
