"""Which known name was meant: one that is clearly the nearest, or none.

Two names that differ in meaning must never be taken for a misspelling of each other, however few
letters apart they are: `price_usd` is not `price_eur`, `sales_2023` is not `sales_2024`,
`start_day` is not `end_day`. So names are compared word by word, and only within a word by letters.
"""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

CLEAR = 0.12
"""By how much the best name must lead the next best."""
RENAMED = 0.72
"""Score of a name that keeps all the words of the other and adds some: `name`, `customer_name`."""
ABBREVIATED = 0.75
"""Score of an abbreviation: `cust`, `customer`."""
_OTHER_MEANING = frozenset(
    re.findall(
        r"\w+",
        """
        avg average max min mean median sum total count cnt num pct percent ratio rate share std var
        usd eur gbp chf jpy cents net gross tax vat old new prev previous next last first start end
        from to in out raw clean std hash key flag is not no has lat lon x y z year month week day
        hour minute second ms kg g km m cm mb gb test train valid prod production dev staging stage
        backup bak archive tmp
        """,
    )
)
"""Words that change what a column holds: never added, dropped or swapped without a person."""


def words(name: str) -> tuple[str, ...]:
    """Split `order_ID`, `orderId`, `Order Id` into their words, lower case; digits on their own."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return tuple(w.lower() for w in re.findall(r"[^\W\d_]+|\d+", apart))


def changes_meaning(word: str) -> bool:
    """Say whether a word more or less makes a name another thing's: digits, units, `raw`."""
    return any(part.isdigit() or part in _OTHER_MEANING for part in words(word))


def nearest(name: str, candidates: Iterable[str], *, renamed: bool = False) -> str | None:
    """Return the one candidate that is clearly meant by `name`, or None where there is a doubt.

    With `renamed`, a candidate that only adds or drops words counts too, as the weakest kind.
    """
    scores = sorted(((score(name, c, renamed=renamed), c) for c in set(candidates)), reverse=True)
    scores = [(s, c) for s, c in scores if c != name and s > 0]
    if not scores:
        return None
    if len(scores) > 1 and scores[0][0] - scores[1][0] < CLEAR:
        return None
    return scores[0][1]


def score(name: str, candidate: str, *, renamed: bool = False) -> float:
    """Return how surely `candidate` is what was meant: 1 = the same but for case and separators."""
    ours, theirs = words(name), words(candidate)
    if not ours or not theirs:
        return 0.0
    if "".join(ours) == "".join(theirs):
        return 1.0
    if [w for w in ours if w.isdigit()] != [w for w in theirs if w.isdigit()]:
        return 0.0
    if len(ours) == len(theirs):
        parts = [_word(a, b) for a, b in zip(ours, theirs, strict=True)]
        return 0.0 if 0.0 in parts else sum(parts) / len(parts)
    few, many = sorted((set(ours), set(theirs)), key=len)
    if (few ^ many) & _OTHER_MEANING:
        return 0.0
    if renamed and few < many:
        return RENAMED
    joined = _slip("".join(ours), "".join(theirs))
    return joined if min(len(ours), len(theirs)) == 1 else 0.0


def _word(one: str, two: str) -> float:
    """Compare two words: a slip of the finger or an abbreviation; 0 where they are other words."""
    if one == two:
        return 1.0
    if one in _OTHER_MEANING and two in _OTHER_MEANING:
        return 0.0
    short, long = sorted((one, two), key=len)
    if len(short) < 3:
        return 0.0
    if long == short + "s":
        return 0.95
    slip = _slip(one, two)
    if slip or short in _OTHER_MEANING:
        return slip
    return ABBREVIATED if long.startswith(short) or _abbreviates(short, long) else 0.0


def _slip(one: str, two: str) -> float:
    """Score one slip in a word of four letters or more, two in a word of nine; else 0."""
    short, long = sorted((len(one), len(two)))
    slips = distance(one, two)
    if short < (3 if sorted(one) == sorted(two) else 4) or slips > (2 if short >= 9 else 1):
        return 0.0
    if one[0] != two[0] and sorted(one[:2]) != sorted(two[:2]):
        return 0.0
    if long == short == 4 and sorted(one) != sorted(two):
        return 0.0
    return 0.8 + 0.2 * SequenceMatcher(None, one, two).ratio() - 0.04 * (slips - 1)


def _abbreviates(short: str, long: str) -> bool:
    """Say whether `qty` stands for `quantity`: same ends, letters in order."""
    rest = iter(long)
    return short[0] == long[0] and short[-1] == long[-1] and all(c in rest for c in short)


def distance(one: str, two: str) -> int:
    """Count the slips between two words: a letter more, less, other, or two neighbours swapped.

    Source: https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance
    """
    before: list[int] = []
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        earlier, before = before, row
        row = [i]
        for j, b in enumerate(two, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                best = min(best, earlier[j - 2] + 1)
            row.append(best)
    return row[-1]
