"""A profile as it is once the time of a pin is over, before the row says so: anyone who only looks writes nothing.

The row follows with the next message about the customer or the next round of ``move_customers``, within a minute or so
(``pins``). Both ways the rules are the same ones (``Offers.release``), so what is seen does not change then.
"""

import datetime as dt
from collections.abc import Callable

from lifecycle.rules.precedence import Rank
from lifecycle.services.customers.offers import PINNABLE, Offers
from lifecycle.services.customers.parts import Json


def let_pins_expire(profile: Json, *, now: dt.datetime, rank_of: Callable[[str], Rank]) -> None:
    """Give each field of the profile whose pin has expired the best of what was offered, with where it comes from.

    Nothing is read or written. ``profile`` is one as it is kept (``record`` and ``pins_until`` in it), and is changed.
    """
    if profile["pins_until"] is None or dt.datetime.fromisoformat(profile["pins_until"]) > now:
        return
    record, offers = profile["record"], Offers(rank_of=rank_of)
    for path, pin in list(record["pins"].items()):
        if pin["until"] is None or dt.datetime.fromisoformat(pin["until"]) > now:
            continue
        part, name = PINNABLE[path]
        row = {**profile[part], **record[part]}
        offers.release(part, row, name)
        profile[part][name] = row[name]
        del record["pins"][path]
    ends = [pin["until"] for pin in record["pins"].values() if pin["until"] is not None]
    profile["pins_until"] = min(ends, key=dt.datetime.fromisoformat, default=None)
