"""What viewers see of people's addresses and numbers."""

import pytest

from lifecycle.rules.masking import mask_email, mask_phone


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("zoe@acme.example", "z•••@acme.example"),
        ("z@acme.example", "z•••@acme.example"),
        ("not an address", "•••"),
        ("", ""),
        (None, None),
    ],
)
def test_of_an_address_the_first_letter_and_the_domain_are_shown(address: str | None, shown: str | None) -> None:
    assert mask_email(address) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [("+49 30 123456", "••• 56"), ("1234", "•••"), ("ext. 7", "•••"), ("", ""), (None, None)],
)
def test_of_a_number_the_last_two_digits_are_shown(number: str | None, shown: str | None) -> None:
    assert mask_phone(number) == shown
