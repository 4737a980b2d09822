"""What amounts in different currencies are worth beside each other: for ranking only, never for adding them up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

REFERENCE_CURRENCY: Final = "USD"
# Units of each currency for one US dollar, roughly (2025): what ranks customers until a tenant says its own rates.
# Those that are billed in most come first: they are looked for in this order.
REFERENCE_RATES: Final[Mapping[str, float]] = MappingProxyType(
    {
        "USD": 1.0, "EUR": 0.88, "GBP": 0.75, "JPY": 148.0, "CHF": 0.81, "CAD": 1.38, "AUD": 1.53, "CNY": 7.18,
        "INR": 86.5, "BRL": 5.5, "MXN": 18.7, "SEK": 9.6, "NOK": 10.1, "DKK": 6.57, "PLN": 3.75, "CZK": 21.8,
        "HUF": 352.0, "RON": 4.45, "BGN": 1.72, "TRY": 40.5, "ILS": 3.5, "AED": 3.6725, "SAR": 3.75, "QAR": 3.64,
        "KWD": 0.306, "BHD": 0.376, "OMR": 0.385, "JOD": 0.709, "EGP": 48.5, "ZAR": 17.8, "NGN": 1530.0, "KES": 129.0,
        "MAD": 9.1, "TND": 2.9, "SGD": 1.29, "HKD": 7.83, "TWD": 30.0, "KRW": 1390.0, "THB": 32.5, "MYR": 4.25,
        "IDR": 16300.0, "PHP": 57.2, "VND": 26200.0, "PKR": 284.0, "BDT": 122.0, "LKR": 302.0, "NZD": 1.68,
        "ARS": 1300.0, "CLP": 965.0, "COP": 4050.0, "PEN": 3.55, "UYU": 40.0, "UAH": 41.5, "ISK": 123.0, "KZT": 535.0,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exchange:
    """A tenant's currency (empty: it has named none) and what one unit of other currencies is worth in it."""

    currency: str = ""
    rates: Mapping[str, float] = field(default_factory=dict)

    @property
    def own(self) -> str:
        """The currency in which values are compared."""
        return self.currency or REFERENCE_CURRENCY

    def rate(self, currency: str) -> float | None:
        """The worth of one unit of ``currency``; None if nothing is known. What names none is in the tenant's own."""
        if currency in ("", self.own):
            return 1.0
        said = self.rates.get(currency)
        if said is not None:
            return said
        units, own_units = REFERENCE_RATES.get(currency), REFERENCE_RATES.get(self.own)
        return None if units is None or own_units is None else own_units / units

    def table(self) -> dict[str, float]:
        """Every currency with a known worth, the tenant's own first."""
        names = dict.fromkeys(("", self.own, *self.rates, *REFERENCE_RATES))
        return {name: worth for name in names if (worth := self.rate(name)) is not None}
