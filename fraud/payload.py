"""One number that says whether two payments under the same id are the same: what memory keeps of them, mixed.

Computed from columns, so that a payment read from the wire and from Parquet has the same one. Fields that memory does not keep
(names, cities) do not enter: a redelivery that only spells the city differently is still the same payment.
"""

import numpy as np

from fraud.columns import Floats, Hashes, Ints
from fraud.kernels import kernel


@kernel
def payloads(  # pragma: no cover
    amount: Floats,
    currency: Ints,
    marks: Ints,
    utc_offset: Ints,
    card: Hashes,
    merchant: Hashes,
    device: Hashes,
    country: Ints,
    mcc: Ints,
    latitude: Ints,
    longitude: Ints,
) -> Hashes:
    """uint64, shape (n,). `amount` is in major units and `currency` 0 where the payment named none, whatever the default was then.

    The mixer is SplitMix64's finalizer (Steele, Lea, Flood 2014).
    """
    bits = amount.view(np.uint64)
    mixed = np.empty(len(amount), np.uint64)
    for row in range(len(amount)):
        value = np.uint64(0x9E3779B97F4A7C15)
        for part in (
            bits[row],
            np.uint64(currency[row])
            | (np.uint64(marks[row]) << np.uint64(16))
            | (np.uint64(mcc[row]) << np.uint64(32)),
            np.uint64(utc_offset[row]) ^ (np.uint64(country[row]) << np.uint64(32)),
            card[row],
            merchant[row],
            device[row],
            np.uint64(latitude[row]),
            np.uint64(longitude[row]),
        ):
            value = (value ^ part) + np.uint64(0x9E3779B97F4A7C15)
            value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            value = value ^ (value >> np.uint64(31))
        mixed[row] = value
    return mixed
