"""What the values of conditions of the customer list are: how each kind is read and said, and which there are."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lifecycle.queries.list_filters import LONGEST_STAY
from tenants.actors import TenantRef
from tenants.rules.configuration.definitions import CATEGORIES
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import clean_line, find_text_error, fold_text, shorten_text
from tenants.rules.values import InvalidValue, is_day, read_amount, read_count, read_day, read_timestamp
from tenants.sentences import describe_value, enumerate_names
from tenants.sentences.categories import CATEGORY_LABELS
from tenants.sentences.figures import say_day, say_number
from tenants.services.configuration.versions import find_renamed, leaving_stages

LONGEST_VALUE: Final = 200
IS: Final = ":"
AT_LEAST: Final = ">="
AT_MOST: Final = "<="
MOST_HEALTH: Final = 100


class InvalidWhere(Exception):
    """What is asked for cannot be read; the message says what is wrong and what would be right.

    ``field``: the name of the condition's field, where it is one's: ``str`` begins with it, for programs; for people
    ``detail`` is said behind what the field is called.
    """

    def __init__(self, detail: str, field: str = "") -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.detail, self.field = detail, field


@dataclass(slots=True)
class Asking:
    """What a statement is made for, and the parameters that it has been given."""

    policy: Policy
    tenant: TenantRef
    now: dt.datetime
    parameters: dict[str, Any] = field(default_factory=dict)

    def add(self, value: Any, kind: str) -> str:
        """The value as a parameter of this type."""
        name = f"where_{len(self.parameters)}"
        self.parameters[name] = value
        return f"%({name})s::{kind}"


@dataclass(frozen=True, slots=True)
class Kind:
    """What the values of a field are.

    ``read`` gives a value in its one spelling, or raises InvalidWhere; ``say`` says it; ``expected`` says which there
    are. ``many``: several values mean any of them. ``optional``: "" asks for those who have none. ``parts``: it takes
    so many values, each of its own kind. ``quoted``: what it says is someone's text, or a name. ``is_time``: more of
    it is later.
    """

    read: Callable[[str, Policy, TenantRef], str]
    expected: Callable[[Policy], str]
    say: Callable[[str], str] = shorten_text
    operators: tuple[str, ...] = (IS,)
    many: bool = False
    optional: bool = False
    parts: "tuple[Kind, ...]" = ()
    quoted: bool = False
    is_time: bool = False


def _read_stage(text: str, policy: Policy, tenant: TenantRef) -> str:
    known = policy.canonical_stage(text)
    if known:
        return known
    name = clean_line(text)
    # People write it small: that is the stage too, where only one is called so.
    alike = [stage for stage in policy.stages if fold_text(stage) == fold_text(name)]
    if len(alike) == 1:
        return alike[0]
    if name in leaving_stages(tenant):
        return name
    renamed = find_renamed(name, tenant)
    if renamed and policy.canonical_stage(renamed):
        return renamed
    raise InvalidWhere(_("There is no stage “%(name)s”.") % {"name": shorten_text(text)})


def _read_choice(choices: Sequence[str]) -> Callable[[str, Policy, TenantRef], str]:
    def read(text: str, _policy: Policy, _tenant: TenantRef) -> str:
        if text.lower() not in choices:
            raise InvalidWhere(_("“%(value)s” is not one of the values.") % {"value": shorten_text(text)})
        return text.lower()

    return read


def _read_category(text: str, _policy: Policy, _tenant: TenantRef) -> str:
    """By its code, or as the reader's language calls it."""
    named = {fold_text(str(label)): code for code, label in CATEGORY_LABELS.items()}
    code = named.get(fold_text(text), text.lower())
    if code not in CATEGORIES:
        raise InvalidWhere(_("“%(value)s” is not one of the values.") % {"value": shorten_text(text)})
    return code


def _say_category(code: str) -> str:
    return str(CATEGORY_LABELS[code])


def _read_text(text: str, _policy: Policy, _tenant: TenantRef) -> str:
    value = clean_line(text)
    if find_text_error(value, LONGEST_VALUE) is not None:
        raise InvalidWhere(_("“%(value)s” is not a value that can be kept.") % {"value": shorten_text(text)})
    return value


def _reader(read: Callable[[str], Any]) -> Callable[[str, Policy, TenantRef], str]:
    """Of values that the rules know how to read."""

    def checked(text: str, _policy: Policy, _tenant: TenantRef) -> str:
        try:
            value = read(text.strip())
        except InvalidValue as error:
            sentence = _("“%(value)s” %(error)s.")
            raise InvalidWhere(sentence % {"value": shorten_text(text), "error": describe_value(error)}) from error
        return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)

    return checked


def say_days(text: str) -> str:
    """A number of days in words."""
    return ngettext("%(n)s day", "%(n)s days", int(text)) % {"n": text}


def say_date(text: str) -> str:
    """A date in words; a timestamp as it is."""
    return say_day(dt.date.fromisoformat(text)) if is_day(text) else text


def _say_number(text: str) -> str:
    return say_number(Decimal(text))


def _expect_days(_policy: Policy) -> str:
    return _("Give a number of days from 0 to %(most)s.") % {"most": LONGEST_STAY}


def _expect_stages(policy: Policy) -> str:
    return _("Choose one of: %(stages)s.") % {"stages": enumerate_names(policy.stages)}


def _expect_choices(choices: Sequence[str]) -> Callable[[Policy], str]:
    return lambda _policy: _("Choose one of: %(choices)s.") % {"choices": enumerate_names(choices)}


_COMPARED: Final = (AT_LEAST, AT_MOST, IS)
WITHIN: Final = Kind(_reader(lambda text: read_count(text, LONGEST_STAY)), _expect_days, say_days)
STAGE: Final = Kind(_read_stage, _expect_stages, many=True, quoted=True)
CATEGORY: Final = Kind(_read_category, _expect_choices(CATEGORIES), _say_category, many=True, quoted=True)
FLAG: Final = Kind(_read_choice(("true", "false")), _expect_choices(("true", "false")))
TEXT: Final = Kind(_read_text, lambda _policy: _("Give a text."), many=True, optional=True, quoted=True)
DAYS: Final = Kind(WITHIN.read, _expect_days, say_days, _COMPARED)
AGE: Final = Kind(WITHIN.read, _expect_days, say_days, (AT_LEAST, AT_MOST, IS), optional=True)
DAY: Final = Kind(
    _reader(read_day),
    lambda _policy: _("Give a date such as 2026-03-31."),
    say_date,
    _COMPARED,
    optional=True,
    is_time=True,
)
TIME: Final = Kind(
    _reader(lambda text: (read_timestamp if ":" in text else read_day)(text).isoformat()),
    lambda _policy: _("Give a date such as 2026-03-31, or a timestamp such as 2026-03-31T09:00:00Z."),
    say_date,
    _COMPARED,
    is_time=True,
)
NUMBER: Final = Kind(
    _reader(read_amount), lambda _policy: _("Give a number such as 10000."), _say_number, _COMPARED, optional=True
)
SCORE: Final = Kind(
    _reader(lambda text: read_count(text, MOST_HEALTH)),
    lambda _policy: _("Give a number from 0 to 100."),
    _say_number,
    _COMPARED,
    optional=True,
)
COUNT: Final = Kind(
    _reader(read_count), lambda _policy: _("Give a whole number."), _say_number, _COMPARED, optional=True
)


# From, to, since when; an empty one does not matter.
MOVE: Final = Kind(
    _read_text,
    lambda _policy: _(
        'Give three values: from, to and a date, such as "A","B",2026-03-31; "" for what does not matter.'
    ),
    parts=(STAGE, STAGE, DAY),
)
