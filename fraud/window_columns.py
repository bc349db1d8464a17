"""What the windows say of each payment: how far they reach, and the columns of their output."""

from typing import Final

import numpy as np

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
LATENESS: Final = 7 * DAY
"""A payment older than this behind the newest one is judged on what is there and not remembered."""
REACH: Final = 30 * DAY
"""Every feature is a function of this much."""
SPANS: Final = np.array([5 * MINUTE, HOUR, DAY, 7 * DAY, REACH, 2**62])
"""The windows, and an end that no age reaches."""

DECIDED, DUPLICATE, CONFLICT = range(3)
INCOMPLETE, TOO_LATE, REUSED = 1, 2, 4

# Columns of the output, int64; -1 is absent.
STATUS, NOTES = 0, 1
COUNT, DECLINED, SPENT, SPENDS, LARGEST = 2, 7, 12, 17, 22
HOUR_OF_DAY, WEEKDAY, HOUR_SAME, HOUR_KNOWN = 27, 28, 29, 30
SINCE_LAST, SINCE_PLACE, METRES, COUNTRIES, MERCHANTS, OLDEST = 31, 32, 33, 34, 35, 36
SEEN_MERCHANT, SEEN_DEVICE, SEEN_COUNTRY = 37, 38, 39
OUTPUTS: Final = 40
