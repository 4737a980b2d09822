"""The moves and changes of revenue that a period gained or lost, one way of GAINS in one currency.

As ``lifecycle.rules.insight.flows.gained_and_lost`` adds them up: ``stages`` are those whose customers the way is
about, which are the lost ones for 'gone' and the others else; ``from_stages``, of those who returned, the lost ones. A
piece ``p`` whose currency changed has lost its former revenue and gained the new one.
"""

from typing import Final

_BEFORE: Final = "CASE WHEN p.currency = p.was_currency THEN p.was_arr ELSE 0 END"
_AFTER: Final = "CASE WHEN p.currency = p.was_currency THEN p.arr ELSE 0 END"
_MOVED: Final = "p.piece = 0 AND p.was_currency = %(currency)s::text AND p.was_arr <> 0"
# As the index of such pieces has it.
_CHANGED: Final = "(p.arr <> p.was_arr OR p.currency <> p.was_currency)"
BEHIND: Final = f"""
 p.began >= %(begin_timestamp)s::timestamptz AND p.began < %(end_timestamp)s::timestamptz
 AND CASE %(way)s::text
       WHEN 'new' THEN {_MOVED} AND p.from_stage = ''
       WHEN 'returned' THEN {_MOVED} AND p.from_stage = ANY(%(from_stages)s::text[])
       WHEN 'gone' THEN {_MOVED} AND p.from_stage <> '' AND NOT p.from_stage = ANY(%(stages)s::text[])
       WHEN 'grown' THEN {_CHANGED} AND p.currency = %(currency)s::text AND p.arr > {_BEFORE}
       WHEN 'shrunk' THEN {_CHANGED} AND p.was_currency = %(currency)s::text AND p.was_arr > {_AFTER}
       ELSE false END"""
# What each row of the list adds to the figure.
CHANGE: Final = f"""
CASE %(way)s::text WHEN 'gone' THEN - p.was_arr WHEN 'grown' THEN p.arr - {_BEFORE}
     WHEN 'shrunk' THEN {_AFTER} - p.was_arr ELSE p.was_arr END"""
