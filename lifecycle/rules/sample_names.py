"""Believable names of companies and people, from word lists: the same index gives the same name, everywhere.

Company names are distinct for the first 280,000 indexes: three ways of naming a company, each a front and a line of
business, walked through in a scattered order that meets every combination once.
"""

import unicodedata
from math import gcd
from random import Random
from typing import NamedTuple


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


# Line of business -> words that a company of it puts behind its name. No word is there twice.
BUSINESSES = {
    "Manufacturing": "Industries|Precision|Castings|Tooling|Machine Works|Components|Fabrication|Plastics|Metals",
    "Logistics": "Freight|Logistics|Shipping|Haulage|Cargo|Forwarding|Transport|Warehousing",
    "Software": "Software|Systems|Labs|Cloud|Analytics|Digital|Data|Robotics|Interactive",
    "Healthcare": "Health|Medical|Diagnostics|Clinics|Pharma|Care Group|Therapeutics|Dental",
    "Financial Services": "Capital|Insurance|Leasing|Advisors|Payments|Wealth|Brokerage|Credit",
    "Retail": "Retail|Stores|Outfitters|Markets|Home|Trading|Supply|Interiors",
    "Energy": "Energy|Power|Solar|Renewables|Utilities|Grid|Hydro",
    "Construction": "Construction|Builders|Engineering|Contracting|Infrastructure|Surveying|Roofing",
    "Food & Beverage": "Foods|Provisions|Brewing|Bakeries|Dairy|Orchards|Coffee|Catering",
    "Professional Services": "Consulting|Partners|Legal|Staffing|Accounting|Research|Training|Translation",
    "Media": "Media|Studios|Publishing|Print|Broadcasting|Design|Events",
    "Travel": "Travel|Hotels|Aviation|Cruises|Resorts|Rail",
}
_LINES = [(industry, word) for industry, words in BUSINESSES.items() for word in words.split("|")]

_HEADS = _split(
    "Nor Vel Alt Bran Cor Dor Elm Fen Gal Hal Ver Kel Lan Mar Nov Or Pel Quin Ros Sel Tor Ul Var Wes Yar Zen Ar Ber "
    "Cal Den Er Far Gren Hol Ir Jor Kin Lum Mer Sol"
)
_TAILS = _split(
    "vale mark dane tech via wick mont ford stead tria lane bridge field den more port gate holm crest line well point "
    "wood ridge ton ix onic era axis logic nova quest"
)
_ADJECTIVES = (
    *_split(
        "Northern Silver Atlantic Cedar Golden Summit Pioneer Harbor Crescent Granite Amber Baltic Pacific Highland "
        "River Maple Iron Coastal Meridian Sterling Alpine Crystal Eastern Union Copper Royal Prairie Emerald Falcon "
        "Liberty Orchard Lakeside Stone Western Central Blue Evergreen Nordic Capital"
    ),
    "São Paulo",
)
_NOUNS = _split(
    "Ridge Bay Oak Valley Gate Peak Bridge Star Field Crown Anchor Point Harbor Spring Arrow Mill Cove Forge Grove "
    "Hill Lantern Compass Meadow Pine Rock Shore Sky Tower Water Wind Beacon Canyon Delta Eagle Fox Heron Island "
    "Key Otter Willow"
)
_FAMILIES = _split(
    "Halvorsen Kline Marsh Okafor Lindqvist Ferrante Novak Delgado Whitaker Osei Brandt Castellan Duarte Ellison "
    "Fontaine Grigor Haddad Iwata Janssen Kowalski Larkin Mercer Nakamura Oduya Pemberton Quist Romano Sandoval Thorne "
    "Ueda Vance Weiss Yilmaz Zeller Abbott Bergmann Carver Dufour Esposito Farrow Garland Hewitt Ingram Jardine Keller "
    "Lomax Moreau Nyberg Ortega Prescott Rahman Sørensen Tran Vásquez Winslow Yates Ashford Straßer Chandra Drummond "
    "Müller Lefèvre Núñez Dvořák Łukasik Åkesson Çelik Hübner"
)
_ENDINGS = ("", "", "", "", " Ltd", " Inc", " GmbH", " Group", " LLC", " AG", " SA", " BV", " Corp")
# The legal form says where a company is at home; without one that does, it is of the tenant's own country.
_COUNTRY_OF = {"Ltd": "GB", "Inc": "US", "LLC": "US", "Corp": "US", "GmbH": "DE", "AG": "DE", "SA": "FR", "BV": "NL"}

_COINED = [head + tail for head in _HEADS for tail in _TAILS if head[-1].lower() != tail[0]]
_PLACED = [f"{adjective} {noun}" for adjective in _ADJECTIVES for noun in _NOUNS if adjective != noun]
_FOUNDED = [
    f"{one} & {other}" if (i + j) % 3 else f"{one} {other}"
    for i, one in enumerate(_FAMILIES)
    for j, other in enumerate(_FAMILIES)
    if one != other
]
# Of ten companies four have a coined name, three one of a place, three that of their founders.
_WAYS = (_COINED, _PLACED, _FOUNDED, _COINED, _PLACED, _COINED, _FOUNDED, _COINED, _PLACED, _FOUNDED)

# Names of people by country; elsewhere they come from everywhere.
_PEOPLE = {
    "DE": (
        _split("Jürgen Anna Björn Katharina Günter Sönke Änne Lukas Käthe Stefan Friederike Jörg"),
        _split("Müller Schäfer Weiß Krüger Böhm Köhler Lindner Groß Jäger Hübner Schröder Brandt"),
    ),
    "FR": (
        _split("Hélène François Zoé Jérôme Camille Benoît Élodie Mathieu Anaïs Thérèse Gaël Noémie"),
        _split("Lefèvre Dubois Béranger Moreau Fontaine Gérard Léger Rousseau Garçon Dufour Chrétien Hervé"),
    ),
    "NL": (
        _split("Daniël Anouk Joost Saskia Noël Femke Ruben Maaike Thijs Zoë Jeroen Renée"),
        _split("Jansen Bakker Visser Smit Meijer Mulder Dekker Brouwer Vermeulen Hoekstra Postma Kuipers"),
    ),
}
# Numbers that ring nowhere: kept for films and examples, where the country has such.
_PHONES = {
    "US": "+1 202 555 {:04d}",
    "GB": "+44 20 7946 0{:03d}",
    "DE": "+49 30 23125 {:03d}",
    "FR": "+33 1 99 00 00 {:02d}",
    "NL": "+31 20 555 0{:03d}",
}
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "ß": "ss", "æ": "ae", "ı": "i"})

_GIVEN = _split(
    "Anna Ben Clara Daniel Elena Farid Grace Henrik Ines Jonas Katarina Liam Maya Noah Olivia Pedro Quentin Rosa "
    "Samuel Tara Uma Victor Wei Ximena Yusuf Zoe Amara Bruno Chiara David Emeka Freya Giulia Hassan Ingrid Javier "
    "Keiko Lena Marco Nadia Oscar Priya Rafael Sofia Tomas Ulrike Vera William Yuki Zara"
)
ROLES = (
    "Head of Operations",
    "Finance Director",
    "IT Manager",
    "Procurement Lead",
    "Managing Director",
    "Customer Service Manager",
    "Chief Technology Officer",
    "Office Manager",
)


class Company(NamedTuple):
    """A company's name, its line of business, the domain of its e-mail addresses, its country ('': not said)."""

    name: str
    industry: str
    domain: str
    country: str


class Person(NamedTuple):
    """A person who works at a company."""

    name: str
    email: str
    phone: str
    role: str


def name_company(index: int) -> Company:
    """The company of an index; names are distinct up to 280,000."""
    fronts = _WAYS[index % 10]
    turn = index // 10 * _WAYS.count(fronts) + _WAYS[: index % 10].count(fronts)
    size = len(fronts) * len(_LINES)
    scattered = (turn * _step(size) + len(fronts)) % size
    front = fronts[scattered // len(_LINES)]
    industry, line = _LINES[scattered % len(_LINES)]
    domain = "".join(letter for letter in _plain(f"{front}{line}") if letter.isalnum())
    ending = _ENDINGS[(index * 7 + scattered) % len(_ENDINGS)]
    return Company(f"{front} {line}{ending}", industry, f"{domain}.example", _COUNTRY_OF.get(ending.strip(), ""))


def name_person(random: Random, domain: str, country: str = "US") -> Person:
    """A person at a company; the address cannot receive mail and the number cannot ring."""
    givens, families = _PEOPLE.get(country, (_GIVEN, _FAMILIES))
    given, family = random.choice(givens), random.choice(families)
    number = random.randrange(10, 100) if country == "FR" else random.randrange(100, 200)
    return Person(
        name=f"{given} {family}",
        email=f"{_plain(given)}.{_plain(family)}@{domain}",
        phone=_PHONES[country].format(number),
        role=random.choice(ROLES),
    )


def _plain(name: str) -> str:
    """A name as addresses have it: lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", name.lower().translate(_LETTERS))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _step(size: int) -> int:
    """A stride without a divisor in common with ``size``: walking by it meets every number below once."""
    step = int(size * 0.618) | 1
    while gcd(step, size) != 1:
        step += 2
    return step
