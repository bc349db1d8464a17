"""One colour per severity, for charts, chips and tables alike, in the light and in the dark theme.

Each keeps a contrast of 3:1 or more to both backgrounds (WCAG 2.2, 1.4.11), and all four stay apart for people who see no
red, no green or no blue. `tests/dashboard/test_colours.py` measures both.
"""

from fraud.decision import Severity

COLOUR_BY_SEVERITY = {
    Severity.LOW.word: "#3C88C4",
    Severity.MEDIUM.word: "#BF8A08",
    Severity.HIGH.word: "#C33A1D",
    Severity.CRITICAL.word: "#B32B89",
}
SEVERITIES = tuple(severity.word for severity in sorted(Severity, reverse=True))
"""From the worst to the mildest, the order of every legend and list."""
NEUTRAL = "#7C8797"
"""What is counted without being judged: seen payments, approved spend."""
BACKGROUNDS = ("#FFFFFF", "#12161C")
"""Light and dark, as in `.streamlit/config.toml`."""


def colour(severity: str) -> str:
    """The severity's colour; the neutral one for a word we do not know."""
    return COLOUR_BY_SEVERITY.get(severity, NEUTRAL)
