"""The fields of a customer: one entry each, read by everything that takes, keeps or shows them.

An entry says to which part of the customer the field belongs (and so who may write it: ``ownership``), what its
values are, what it is called in files, and whether the list shows it. Columns, events and their JSON Schema, imports,
merging, the API, exports and the warnings of a configuration follow from it. A new field: its entry here, a migration,
and the pages that show it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, partial
from typing import Any, Final

from tenants.rules import values
from tenants.rules.values import LONGEST_EMAIL, LONGEST_PHONE, LONGEST_URL, MOST_ISSUES, MOST_SCORE, TOO_MUCH

COMPANY, CONTACTS, BILLING, SUPPORT = "company", "contacts", "billing", "support"

_AMOUNT_HELP: Final = (
    "A number, or a text that spells it, with at most as many decimals as the currency has (two, where it is not said)."
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What the values of a field are. ``read`` reads one as events and the API bring it, and raises InvalidValue.

    ``schema`` is the JSON Schema of a value that is there. ``longest``: the characters of a text; ``is_text``: nothing
    known is '' and not NULL. ``least``: of amounts.
    """

    name: str
    read: Callable[[Any], Any]
    schema: Mapping[str, Any]
    longest: int = 0
    least: Decimal | None = None

    @property
    def is_text(self) -> bool:
        """Whether the column holds '' where nothing is known."""
        return self.name in ("line", "url", "email", "currency")

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.name in ("amount", "count", "score")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a customer.

    ``columns``: names of columns in files, without case, blanks and punctuation; the preferred ones first.
    ``in_profile``: events about the whole customer bring it, and not only one of its own. ``is_required``: an empty
    value does not clear it. ``is_listed``: every row of the list has it. ``names_company``: it goes with the company's
    name when that is erased, and is not taken again. ``has_past``: of the company's, its former values are kept, as
    those of every figure are.
    """

    name: str
    part: str
    kind: Kind
    description: str
    columns: tuple[str, ...] = ()
    in_profile: bool = True
    is_required: bool = False
    is_listed: bool = False
    names_company: bool = False
    has_past: bool = False

    @property
    def path(self) -> str:
        """Its name in a file's mapping, and in the data of an event about the whole customer."""
        if self.part == COMPANY:
            return self.name
        return f"contact.{self.name}" if self.part == CONTACTS else f"{self.part}.{self.name}"

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema in the data of an event."""
        kind = self.kind
        help_ = f"{self.description} {_AMOUNT_HELP}" if kind.name == "amount" else self.description
        if self.is_required:
            return {"description": help_, **kind.schema, "minLength": 1}
        types = kind.schema["type"]
        nullable = [*types, "null"] if isinstance(types, list) else [types, "null"]
        return {"description": help_, **kind.schema, "type": nullable}


def line(longest: int) -> Kind:
    """One line of text."""
    read = partial(values.read_line, longest=longest)
    return Kind("line", read, {"type": "string", "maxLength": longest}, longest)


def amount(least: Decimal | None) -> Kind:
    """A sum of money in the customer's currency, as text without loss."""
    sign, bound = ("", {"minimum": 0}) if least is not None else ("-?", {"exclusiveMinimum": -int(TOO_MUCH)})
    schema = {
        "type": ["number", "string"],
        "exclusiveMaximum": int(TOO_MUCH),
        "pattern": rf"^{sign}[0-9]{{1,12}}(\.[0-9]{{1,4}})?$",
        **bound,
    }
    return Kind("amount", partial(values.read_amount, least=least), schema, least=least)


def _day(value: Any) -> str:
    return values.read_day(value).isoformat()


def _timestamp(value: Any) -> str:
    return values.read_timestamp(value).isoformat()


EMAIL: Final = Kind(
    "email", values.read_email, {"type": "string", "maxLength": LONGEST_EMAIL, "format": "email"}, LONGEST_EMAIL
)
URL: Final = Kind("url", values.read_url, {"type": "string", "maxLength": LONGEST_URL, "format": "uri"}, LONGEST_URL)
CURRENCY: Final = Kind("currency", values.read_currency, {"type": "string"}, 3)
DAY: Final = Kind("day", _day, {"type": "string", "format": "date"})
TIMESTAMP: Final = Kind("timestamp", _timestamp, {"type": "string", "format": "date-time"})
COUNT: Final = Kind("count", values.read_count, {"type": "integer", "minimum": 0, "maximum": MOST_ISSUES})
SCORE: Final = Kind("score", values.read_score, {"type": "number", "minimum": 0, "maximum": int(MOST_SCORE)})

FIELDS: Final[tuple[Field, ...]] = (
    Field(
        "name",
        COMPANY,
        line(200),
        "Name of the company.",
        (
            *("name", "customername", "companyname", "accountname", "organizationname", "organisationname"),
            *("customer", "company", "account", "organization", "firma", "firmenname"),
        ),
        is_required=True,
        is_listed=True,
        names_company=True,
    ),
    Field(
        "industry",
        COMPANY,
        line(100),
        "Industry of the company.",
        ("industry", "companyindustry", "accountindustry", "sector", "branche"),
        is_listed=True,
        has_past=True,
    ),
    Field(
        "segment",
        COMPANY,
        line(100),
        "Segment that the tenant puts the customer into.",
        ("segment", "customersegment", "accountsegment", "tier", "companysize"),
        is_listed=True,
        has_past=True,
    ),
    Field(
        "owner",
        COMPANY,
        line(150),
        "Username of the account manager.",
        (
            *("owner", "accountmanager", "accountowner", "companyowner", "customerowner", "organizationowner"),
            *("accountowneremail", "csm"),
        ),
        is_listed=True,
        has_past=True,
    ),
    Field(
        "website",
        COMPANY,
        URL,
        "Address of the company's website.",
        ("website", "websiteurl", "companywebsite", "accountwebsite", "homepage", "url", "webseite"),
        names_company=True,
    ),
    Field(
        "name",
        CONTACTS,
        line(200),
        "Name of the person.",
        ("contactname", "primarycontact", "primarycontactname", "contact", "contactperson"),
        is_required=True,
    ),
    Field(
        "email",
        CONTACTS,
        EMAIL,
        "E-mail address.",
        ("contactemail", "primarycontactemail", "email", "emailaddress"),
    ),
    Field(
        "phone",
        CONTACTS,
        line(LONGEST_PHONE),
        "Telephone number.",
        ("contactphone", "primarycontactphone", "phone", "phonenumber"),
    ),
    Field(
        "role",
        CONTACTS,
        line(100),
        "What the person does.",
        ("contactrole", "contactjobtitle", "jobtitle", "contacttitle"),
    ),
    Field(
        "currency",
        BILLING,
        CURRENCY,
        "ISO 4217 code, such as EUR.",
        ("currency", "billingcurrency", "currencycode", "accountcurrency"),
        is_listed=True,
    ),
    Field(
        "arr",
        BILLING,
        amount(Decimal(0)),
        "Annual recurring revenue.",
        ("arr", "billingarr", "annualrecurringrevenue", "annualcontractvalue", "acv"),
        is_listed=True,
    ),
    Field(
        "mrr",
        BILLING,
        amount(Decimal(0)),
        "Monthly recurring revenue.",
        ("mrr", "billingmrr", "monthlyrecurringrevenue"),
    ),
    Field(
        "balance_overdue",
        BILLING,
        amount(None),
        "Balance overdue; negative is a credit.",
        ("balanceoverdue", "billingbalanceoverdue", "overdue", "overdueamount", "overduebalance"),
        is_listed=True,
    ),
    Field(
        "renewal_on",
        BILLING,
        DAY,
        "When the contract is to be renewed.",
        ("renewalon", "billingrenewalon", "renewaldate", "contractrenewaldate", "nextrenewal"),
        is_listed=True,
    ),
    Field(
        # “Contract” alone is no name of it: it mostly says how long.
        "contract_id",
        BILLING,
        line(150),
        "The contract.",
        ("contractid", "billingcontractid", "contractnumber"),
        in_profile=False,
    ),
    Field(
        "contract_starts_on",
        BILLING,
        DAY,
        "First day of the contract's term.",
        ("contractstartson", "billingcontractstartson", "contractstart", "contractstartdate"),
        in_profile=False,
    ),
    Field(
        "contract_ends_on",
        BILLING,
        DAY,
        "Last day of the contract's term.",
        ("contractendson", "billingcontractendson", "contractend", "contractenddate"),
        in_profile=False,
    ),
    Field(
        "open_issues",
        SUPPORT,
        COUNT,
        "Issues that are open now.",
        ("openissues", "supportopenissues", "opentickets", "opencases", "openticketcount"),
        is_listed=True,
    ),
    Field(
        "csat",
        SUPPORT,
        SCORE,
        "Satisfaction, a score from 0 to 5.",
        ("csat", "supportcsat", "csatscore", "customersatisfaction"),
        is_listed=True,
    ),
    Field("last_issue_id", SUPPORT, line(150), "The issue that was closed last.", in_profile=False),
    Field("last_issue_severity", SUPPORT, line(30), "How severe it was.", in_profile=False),
    Field("last_issue_closed_at", SUPPORT, TIMESTAMP, "When it was closed.", in_profile=False),
)


@cache
def fields_of(part: str) -> tuple[Field, ...]:
    """The fields of a part, in order."""
    return tuple(field for field in FIELDS if field.part == part)


@cache
def names_of(part: str) -> tuple[str, ...]:
    """Their names, which are also the columns of the part's table."""
    return tuple(field.name for field in fields_of(part))


@cache
def texts_of(part: str) -> tuple[str, ...]:
    """Those that are '' and not NULL when nothing is known."""
    return tuple(field.name for field in fields_of(part) if field.kind.is_text)


def amounts_of(part: str) -> tuple[Field, ...]:
    """Those that are sums of money."""
    return tuple(field for field in fields_of(part) if field.kind.name == "amount")
