"""Which column of a file is which field: by an explicit mapping, else by the names that CRMs give their columns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

IGNORED_PREFIX: Final = "_"

# Field -> names of columns, without case, blanks and punctuation; where several are there, the first counts.
NAMES: Final[dict[str, tuple[str, ...]]] = {
    "external_id": (
        "externalid",
        "customerid",
        "accountid",
        "companyid",
        "organizationid",
        "organisationid",
        "recordid",
        "hsobjectid",
        "crmid",
        "customernumber",
        "accountnumber",
        "kundennummer",
        "customerno",
        "id",
    ),
    "name": (
        "name",
        "customername",
        "companyname",
        "accountname",
        "organizationname",
        "organisationname",
        "customer",
        "company",
        "account",
        "organization",
        "firma",
        "firmenname",
    ),
    "industry": ("industry", "companyindustry", "accountindustry", "sector", "branche"),
    "segment": ("segment", "customersegment", "accountsegment", "tier", "companysize"),
    "owner": (
        "owner",
        "accountmanager",
        "accountowner",
        "companyowner",
        "customerowner",
        "organizationowner",
        "accountowneremail",
        "csm",
    ),
    "contact.name": ("contactname", "primarycontact", "primarycontactname", "contact", "contactperson"),
    "contact.email": ("contactemail", "primarycontactemail", "email", "emailaddress"),
    "contact.phone": ("contactphone", "primarycontactphone", "phone", "phonenumber"),
    "contact.role": ("contactrole", "contactjobtitle", "jobtitle", "contacttitle"),
    "billing.currency": ("currency", "billingcurrency", "currencycode", "accountcurrency"),
    "billing.arr": ("arr", "billingarr", "annualrecurringrevenue", "annualcontractvalue", "acv"),
    "billing.mrr": ("mrr", "billingmrr", "monthlyrecurringrevenue"),
    "billing.balance_overdue": (
        "balanceoverdue",
        "billingbalanceoverdue",
        "overdue",
        "overdueamount",
        "overduebalance",
    ),
    "billing.renewal_on": ("renewalon", "billingrenewalon", "renewaldate", "contractrenewaldate", "nextrenewal"),
    "billing.contract_id": ("contractid", "billingcontractid", "contractnumber", "contract"),
    "billing.contract_starts_on": ("contractstartson", "billingcontractstartson", "contractstart", "contractstartdate"),
    "billing.contract_ends_on": ("contractendson", "billingcontractendson", "contractend", "contractenddate"),
    "support.open_issues": ("openissues", "supportopenissues", "opentickets", "opencases", "openticketcount"),
    "support.csat": ("csat", "supportcsat", "csatscore", "customersatisfaction"),
    "stage": ("stage", "lifecyclestage", "customerstage", "lifecyclestatus", "customerlifecyclestage"),
    "reason_code": ("reasoncode", "reason", "stagereason", "lifecyclereason"),
    "stage_entered_at": ("stageenteredat", "stagesince", "stageentered", "dateenteredstage"),
}
FIELDS: Final = tuple(NAMES)


class MappingRefused(Exception):
    """The columns cannot be told apart; the sentence says which, and what would do."""


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """Column -> field, for the columns that are used, and the names of the others."""

    fields: Mapping[str, str]
    ignored: tuple[str, ...]


def plan_columns(columns: Sequence[str], mapping: Mapping[str, str | None] | None) -> ColumnPlan:
    """Find the field of each column. ``mapping`` decides about the columns it names (None: leave it out).

    Columns that begin with ``_`` are left out unless mapped: a reject file is read again as it is. Raises
    MappingRefused for a mapping that does not fit, for a column that occurs twice, and if there is no external id.
    """
    chosen = _apply_mapping(columns, mapping or {})
    taken = {field for field in chosen.values() if field}
    open_columns = [column for column in columns if column not in chosen and not column.startswith(IGNORED_PREFIX)]
    by_key: dict[str, str] = {}
    for column in open_columns:
        by_key.setdefault(_key(column), column)
    for field in FIELDS:
        if field not in taken and (found := _find(field, by_key, chosen)) is not None:
            chosen[found] = field
    fields = {column: field for column, field in chosen.items() if field}
    _refuse_repeated(columns, fields)
    if "external_id" not in fields.values():
        raise MappingRefused(
            "No column is the customer's id in your systems. The file has "
            f"{_listed(columns)}; say with --mapping which of them is “external_id”."
        )
    return ColumnPlan(fields, tuple(column for column in columns if column not in fields))


def _find(field: str, by_key: Mapping[str, str], chosen: Mapping[str, str | None]) -> str | None:
    keys = (_key(field), *NAMES[field])
    return next((by_key[key] for key in keys if key in by_key and by_key[key] not in chosen), None)


def _apply_mapping(columns: Sequence[str], mapping: Mapping[str, str | None]) -> dict[str, str | None]:
    by_key = {_key(column): column for column in reversed(columns)}
    chosen: dict[str, str | None] = {}
    claimed: dict[str, str] = {}
    for wanted, field in mapping.items():
        column = wanted if wanted in columns else by_key.get(_key(wanted))
        if column is None:
            raise MappingRefused(f"The mapping names a column “{wanted}”; the file has {_listed(columns)}.")
        if field is not None and field not in NAMES:
            raise MappingRefused(f"The mapping names a field “{field}”; the fields are {', '.join(FIELDS)}.")
        if field is not None and field in claimed:
            raise MappingRefused(f"The mapping gives “{field}” to two columns, “{claimed[field]}” and “{column}”.")
        if field is not None:
            claimed[field] = column
        chosen[column] = field
    return chosen


def _refuse_repeated(columns: Sequence[str], fields: Mapping[str, str]) -> None:
    for column in fields:
        if list(columns).count(column) > 1:
            raise MappingRefused(f"Two columns are called “{column}”: rename one, or leave it out of the file.")


def _key(column: str) -> str:
    return re.sub(r"[\W_]+", "", column.casefold())


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(f"“{column[:40]}”" for column in columns[:20])
    return f"{shown} and {len(columns) - 20} more" if len(columns) > 20 else shown or "no columns"
