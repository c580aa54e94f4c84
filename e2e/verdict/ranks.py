"""Whether two sets of numbers differ by more than chance: ranks, so that no distribution has to be assumed.

The rank-sum test of Mann and Whitney (1947) with mid-ranks for ties; for up to `EXACT` numbers its p-value is that of
all ways to divide these ranks (counted, no table), else the normal approximation with correction for ties and
continuity (Lehmann, Nonparametrics, 1975, section 1.3). How far they are apart is the estimate of Hodges and Lehmann
(1963). Whether only the largest moved is asked by counting (`tail`). Several tests are judged together by the
procedure of Holm (1979).
"""

from collections import Counter
from collections.abc import Sequence
from math import comb, erfc, sqrt
from statistics import median

EXACT = 40
"""Numbers of both sides together, up to which the p-value is exact."""


def rank_sum(before: Sequence[float], after: Sequence[float]) -> float:
    """Two-sided p-value of the hypothesis that both come from one distribution; 1.0 where a side is empty."""
    n, total = len(before), len(before) + len(after)
    if not n or n == total:
        return 1.0
    ranks = _doubled_ranks([*before, *after])
    w = sum(ranks[:n])
    if total <= EXACT:
        at_most = _ways(ranks, n)
        lower, upper = sum(at_most[: w + 1]), sum(at_most[w:])
        return min(1.0, 2 * min(lower, upper) / comb(total, n))
    m = total - n
    ties = sum(t**3 - t for t in Counter(ranks).values())
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    away = max(0.0, abs(w / 2 - n * (total + 1) / 2) - 0.5)
    return erfc(away / sqrt(2 * variance))


def tail(before: Sequence[float], after: Sequence[float]) -> float:
    """Two-sided p-value of the hypothesis that the largest tenth of both together is made up as both together are.

    The quantile test (Johnson, Verrill and Moore 1987): of the `k` numbers above the 90th percentile of all, how many
    are of `after`? By chance that is hypergeometric, so nothing is approximated.
    """
    n, m = len(before), len(after)
    pooled = sorted([*before, *after])
    if not n or not m:
        return 1.0
    above = pooled[-(-9 * (n + m) // 10) - 1]
    k, seen = sum(value > above for value in pooled), sum(value > above for value in after)
    ways = [comb(m, r) * comb(n, k - r) for r in range(k + 1)]
    return min(1.0, 2 * min(sum(ways[: seen + 1]), sum(ways[seen:])) / comb(n + m, k))


def shift(before: Sequence[float], after: Sequence[float]) -> float:
    """By how much `after` is above `before`: the median of all differences of a number there and one here."""
    return median(b - a for a in before for b in after)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted so that, taken together, one at most `alpha` is by chance in at most that share of all comparisons."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, least = [1.0] * len(p_values), 0.0
    for k, i in enumerate(order):
        least = max(least, min(1.0, p_values[i] * (len(p_values) - k)))
        adjusted[i] = least
    return adjusted


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each: equal ones share the mean of their ranks, which may end in a half."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    ranks, at = [0] * len(values), 0
    while at < len(order):
        end = at
        while end < len(order) and values[order[end]] == values[order[at]]:
            end += 1
        for i in order[at:end]:
            ranks[i] = at + end + 1
        at = end
    return ranks


def _ways(ranks: Sequence[int], n: int) -> list[int]:
    """In how many ways `n` of the ranks add up to 0, 1, 2, ...

    The coefficients of a product of polynomials, which are kept side by side in the 64-bit digits of whole numbers:
    none gets larger than 40 over 20.
    """
    sums = [1] + [0] * n
    for rank in ranks:
        for k in range(n, 0, -1):
            sums[k] += sums[k - 1] << (64 * rank)
    digits = sum(ranks) + 1
    return list(memoryview(sums[n].to_bytes(8 * digits, "little")).cast("Q"))
