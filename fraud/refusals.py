"""What a condition may not do, each with the reason and what to write instead."""

from collections.abc import Callable

from sqlglot import exp

_ALLOWED = "columns, literals, comparisons, AND, OR, NOT, + - * / %, IN, BETWEEN, LIKE, IS NULL, CASE, COALESCE, ABS, LEAST, GREATEST"
_CLOCKS = frozenset(
    {
        "NOW",
        "SYSDATE",
        "GETDATE",
        "GETUTCDATE",
        "TODAY",
        "CLOCK_TIMESTAMP",
        "UNIX_TIMESTAMP",
        "CURDATE",
        "CURTIME",
        "AGE",
    }
)
_CLOCK = "reads a clock, and a replay would decide otherwise; use hour, weekday, seconds_since_last or history_days"
_WHY: tuple[tuple[tuple[type[exp.Expr], ...], str], ...] = (
    ((exp.Window,), "is a window over other payments; use the window features, such as count_1h or amount_sum_24h"),
    (
        (exp.Max, exp.Min),
        "is an aggregate over other payments; use GREATEST or LEAST, or window features such as amount_max_30d",
    ),
    (
        (exp.AggFunc,),
        "is an aggregate over other payments; use the window features, such as count_1h or amount_sum_24h",
    ),
    (
        (exp.Query, exp.In, exp.Exists, exp.Any, exp.All),
        "reads a table; a rule sees one payment and its features, nothing else",
    ),
    (
        (
            exp.CurrentTimestamp,
            exp.CurrentDate,
            exp.CurrentTime,
            exp.CurrentDatetime,
            exp.Localtime,
            exp.Localtimestamp,
        ),
        _CLOCK,
    ),
    ((exp.Rand, exp.Randn, exp.Uuid), "is random, and a replay would decide otherwise"),
    ((exp.ILike,), "ignores case; LIKE does not: name both spellings with OR"),
    ((exp.RegexpLike, exp.SimilarTo, exp.Glob), "matches patterns; use LIKE with % and _"),
    ((exp.Escape,), "escapes in LIKE; _ also matches itself, and = compares a whole text"),
    ((exp.Cast, exp.TryCast), "converts types; every column already has its type (docs/features.md)"),
    ((exp.Interval,), "is a duration; features count seconds, hours or days as plain numbers"),
    ((exp.Placeholder, exp.Parameter), "is a parameter; write the value itself"),
    ((exp.Null,), "stands alone; write IS NULL, IS NOT NULL, or leave ELSE out"),
    ((exp.IntDiv,), "divides whole numbers; use /"),
    ((exp.If,), "is not allowed; write CASE WHEN ... THEN ... ELSE ... END"),
)


def refusal(node: exp.Expr) -> str:
    """One line: which part is refused, why, and what to write instead."""
    return f"{shown(node)}: {_name(node)} {_why(node)}"


def shown(node: exp.Expr) -> str:
    """A node as SQL, cut to a readable length."""
    text = node.sql(comments=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _why(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous) and node.name.upper() in _CLOCKS:
        return _CLOCK
    if isinstance(node, exp.Column):
        return "names a table; write the column alone"
    if isinstance(node, exp.In) and not node.args.get("query"):
        return "takes values in parentheses, such as IN ('DE', 'FR')"
    for kinds, why in _WHY:
        if isinstance(node, kinds):
            return why
    return f"is not allowed here; allowed: {_ALLOWED}"


def _name(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return node.name.upper()
    if isinstance(node, exp.Func) and not isinstance(node, exp.Query):
        name: Callable[[], str] = node.sql_name
        return name()
    return _NAMES.get(node.key, node.key.upper())


_NAMES = {
    "dpipe": "||",
    "column": "a column",
    "nullsafeeq": "<=>",
    "nullsafeneq": "IS DISTINCT FROM",
    "similarto": "SIMILAR TO",
}
