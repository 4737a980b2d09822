"""How sure a share is that was counted over customers who were each looked at several times."""

from dataclasses import dataclass

from lifecycle.rules.forecast.tables import wilson


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``rows`` looks at ``customers``; with the bounds of its 95% interval, None without any look."""

    rows: int
    customers: int
    hits: int
    low: float | None
    high: float | None

    @property
    def value(self) -> float | None:
        """The share itself."""
        return self.hits / self.rows if self.rows else None


def measure_share(rows: int, customers: int, hits: int, *, squares: int, products: int, hit_squares: int) -> Share:
    """A share with the interval of Wilson, of as many independent looks as those of the customers are worth.

    Looks at one customer say nearly the same: counted as independent they make intervals that cover far too rarely.
    ``squares``, ``products``, ``hit_squares``: the sums over customers of n², n·y and y², of n looks and y hits each.
    The variance of a ratio over clusters is their sum (y − p n)² / rows², times c / (c − 1).
    """
    if not rows:
        return Share(0, 0, 0, None, None)
    share = hits / rows
    worth = float(customers)
    if 0 < hits < rows and customers > 1:
        spread = hit_squares - 2 * share * products + share * share * squares
        variance = spread / rows**2 * customers / (customers - 1)
        if variance > 0:
            worth = min(float(rows), share * (1 - share) / variance)
    return Share(rows, customers, hits, *wilson(share, worth))
