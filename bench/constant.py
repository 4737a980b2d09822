"""The constant answer that the product's server and a plain project both give. Nothing of either is imported here."""

from typing import Final

BODY: Final = b'{"customer_id": "0198f3c2-5d1e-7a44-9f0e-2b6c1d7e8a90", "stage": "Active", "days_in_stage": 42}'
