"""What the demo's CRM calls lines of business and roles of people, in the language of each tenant."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_GERMAN: Final = MappingProxyType(
    {
        "Manufacturing": "Fertigung",
        "Logistics": "Logistik",
        "Software": "Software",
        "Healthcare": "Gesundheitswesen",
        "Financial Services": "Finanzdienstleistungen",
        "Retail": "Handel",
        "Energy": "Energie",
        "Construction": "Bau",
        "Food & Beverage": "Lebensmittel",
        "Professional Services": "Dienstleistungen",
        "Media": "Medien",
        "Travel": "Reisen",
        "Head of Operations": "Betriebsleitung",
        "Finance Director": "Leitung Finanzen",
        "IT Manager": "Leitung IT",
        "Procurement Lead": "Leitung Einkauf",
        "Managing Director": "Geschäftsführung",
        "Customer Service Manager": "Leitung Kundendienst",
        "Chief Technology Officer": "Technische Leitung",
        "Office Manager": "Büroleitung",
    }
)
TERMS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({"en": MappingProxyType({}), "de": _GERMAN})
