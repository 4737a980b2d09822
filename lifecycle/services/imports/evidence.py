"""What is in the columns of a file: how many cells are filled, whether values repeat. In flat memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final, Self

from lifecycle.services.imports.mangled import NO_HABITS, Forms, Habits

# So many different values of a column of ids are remembered, and so many columns that no field is known for.
MOST_VALUES: Final = 2_000
MOST_COLUMNS: Final = 2_000
# Fields whose columns are distinguished from others by how often they repeat a value.
_IDS: Final = frozenset({"external_id", "billing.contract_id"})
# A column that repeats each value so often, in so many lines, has kinds of things and no ids.
_REPEATED: Final = 10
_ENOUGH: Final = 20
_YES_OR_NO: Final = frozenset("yes no true false y n t f ja nein oui non si no sí".split())  # noqa: SIM905  easier to read


@dataclass(slots=True)
class _Column:
    """``compared`` and ``different`` are counted for ids, and until MOST_VALUES are different."""

    filled: int = 0
    compared: int = 0
    different: int = 0
    with_digits: int = 0
    yes_or_no: int = 0
    values: set[int] = field(default_factory=set)

    def add(self, text: str, *, is_id: bool) -> None:
        if self.yes_or_no == self.filled:
            self.yes_or_no += text.casefold() in _YES_OR_NO
        self.filled += 1
        if not self.with_digits:
            self.with_digits += not text.isalpha() and any(map(str.isdigit, text))
        if is_id and self.different < MOST_VALUES:
            self.compared += 1
            self.values.add(hash(text))
            self.different = len(self.values)


class Evidence:
    """What the records have in the columns that could be fields; ``columns`` are all."""

    def __init__(self, columns: Iterable[str] = ()) -> None:
        self.records = 0
        self.columns: dict[str, None] = dict.fromkeys(columns)
        self._facts: dict[str, _Column] = {}
        self._forms: dict[str, Forms] = {}
        self._differing: set[frozenset[str]] = set()

    @classmethod
    def of_filled(cls, columns: Iterable[str]) -> Self:
        """As if all columns were filled and no two had the same values."""
        evidence = cls(columns)
        evidence.records = 1
        evidence._facts = {column: _Column(filled=1, compared=1, with_digits=1) for column in evidence.columns}
        evidence._differing = set(map(frozenset, combinations(evidence.columns, 2)))
        return evidence

    def add(self, cells: Mapping[str, Any], groups: Mapping[str, str]) -> None:
        """One record. ``groups``: column -> field, for the columns that are known by their names."""
        self.records += 1
        found: dict[str, dict[str, str]] = {}
        for column, name in groups.items():
            value = cells.get(column)
            text = "" if value is None else str(value).strip()
            if text and text != '=""':
                if (facts := self._facts.get(column)) is None:
                    facts = self._facts[column] = _Column()
                facts.add(text, is_id=name in _IDS)
                found.setdefault(name, {})[column] = text
        for column, value in cells.items():
            if isinstance(value, str) and column in self.columns and (text := value.strip()):
                if (forms := self._forms.get(column)) is None:
                    forms = self._forms[column] = Forms()
                forms.add(text)
        for together in found.values():
            if len(together) > 1:
                for one, other in combinations(together, 2):
                    if together[one] != together[other]:
                        self._differing.add(frozenset((one, other)))

    def to_document(self) -> dict[str, Any]:
        """What ``from_document`` needs, as JSON has it; without the values themselves."""
        return {
            "records": self.records,
            "columns": list(self.columns),
            "facts": {
                column: [facts.filled, facts.compared, facts.different, facts.with_digits, facts.yes_or_no]
                for column, facts in self._facts.items()
            },
            "forms": {column: forms.to_document() for column, forms in self._forms.items()},
            "differing": sorted(sorted(pair) for pair in self._differing),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The evidence that ``to_document`` wrote down."""
        evidence = cls(document["columns"])
        evidence.records = document["records"]
        evidence._facts = {column: _Column(*numbers) for column, numbers in document["facts"].items()}
        # What a former release wrote down has none.
        evidence._forms = {column: Forms.from_document(forms) for column, forms in document.get("forms", {}).items()}
        evidence._differing = set(map(frozenset, document["differing"]))
        return evidence

    def filled(self, column: str) -> int:
        """How many records have something there."""
        return self._facts[column].filled if column in self._facts else 0

    def is_nearly_whole(self, column: str) -> bool:
        """Whether nine of ten records have something there."""
        return self.filled(column) * 10 >= self.records * 9

    def differ(self, one: str, other: str) -> bool:
        """Whether a record has two different values in the two columns."""
        return frozenset((one, other)) in self._differing

    def has_few_values(self, column: str) -> bool:
        """Whether many records share few values."""
        facts = self._facts.get(column)
        return facts is not None and facts.compared >= _ENOUGH and facts.different * _REPEATED <= facts.compared

    def is_yes_or_no(self, column: str) -> bool:
        """Whether there is nothing but yes and no, for several records."""
        facts = self._facts.get(column)
        return facts is not None and facts.filled > 2 and facts.yes_or_no == facts.filled

    def has_digits(self, column: str) -> bool:
        """Whether any value has a digit in it."""
        return column in self._facts and self._facts[column].with_digits > 0

    def habits(self, column: str) -> Habits:
        """What the values there have in common."""
        return self._forms[column].habits if column in self._forms else NO_HABITS
