"""The unit of work: n transactions as columns, in arrival order, from the wire or from Parquet alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Protocol

from fraud.columns import Bools, Hashes, Ints, NumberColumn, TextColumn
from fraud.schema import Transaction


class Mark(IntFlag):
    """What is true of one transaction; bits of `Batch.marks`. The HAS_ bits are the masks of the optional columns."""

    ATTEMPT = 1
    """Purchase, cash, transfer or verification: counted, and judged by the built-in rules."""
    SPEND = 2
    """An approved purchase, cash or transfer: enters sums, means and maxima."""
    DECLINED = 4
    CARD_PRESENT = 8
    """Channel pos or atm: its UTC offset gives the local hour where the card is."""
    REMOTE = 16
    """Channel online or transfer: its hour uses the offset of the last card-present payment."""
    PHYSICAL = 32
    """Approved, customer-initiated pos or atm with a place (MCCs that move are left out later, by the policy)."""
    HAS_CARD = 64
    HAS_MERCHANT = 128
    HAS_DEVICE = 256
    HAS_COUNTRY = 512
    HAS_MCC = 1024


class Rows(Protocol):
    """Where everything that is not needed for every payment comes from, column by column or one by one."""

    def __len__(self) -> int:
        """How many transactions."""
        ...

    def transaction(self, row: int) -> Transaction:
        """One transaction whole, for a flag."""
        ...

    def text(self, name: str) -> TextColumn:
        """A text field of `Transaction` by name."""
        ...

    def number(self, name: str) -> NumberColumn:
        """A number field of `Transaction` by name; `account_opened_on` as days since the epoch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """n transactions in arrival order within each partition; every column has length n."""

    rows: Rows
    partition: Ints
    offset: Ints
    received_at: Ints
    """The log's append time in microseconds since the epoch, as its running maximum per partition."""
    event_time: Ints
    """Microseconds since the epoch, UTC."""
    utc_offset: Ints
    """Minutes east of UTC that `event_time` was written with."""
    user: Hashes
    """xxh3 of the user id."""
    transaction: Hashes
    """xxh3 of the transaction id."""
    payload: Hashes
    """What memory keeps of it, mixed (`fraud.payload`): tells a redelivery from a conflict."""
    amount: Ints
    """What the user is billed, in minor units of `currency`."""
    currency: Ints
    """ISO 4217 number; an absent one is already the policy's default."""
    marks: Ints
    """Bits of `Mark`."""
    card: Hashes
    merchant: Hashes
    device: Hashes
    country: Ints
    """The two letters as 256 * first + second; 0 where absent."""
    mcc: Ints
    latitude: Ints
    """Degrees x 1e7; meaningful where PHYSICAL."""
    longitude: Ints

    def __len__(self) -> int:
        """Rows."""
        return len(self.event_time)

    def has(self, mark: Mark) -> Bools:
        """Where a mark is set: bool, shape (n,)."""
        mask: Bools = (self.marks & int(mark)) != 0
        return mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """n raw records of one poll, in arrival order within each partition, as the log gave them."""

    partition: Ints
    offset: Ints
    received_at: Ints
    """Microseconds since the epoch. As the log says; the loop takes the running maximum."""
    values: Sequence[bytes | None]

    def __len__(self) -> int:
        """Rows."""
        return len(self.offset)
