"""Settings, addresses, and the processes' entry points."""

import gc

# So many more things are made than go until Python looks for garbage. With its own 700 it looks a thousand times while
# the product is loaded, of which nothing goes, and some times in each request.
THINGS_BETWEEN_LOOKS = 20_000
gc.set_threshold(THINGS_BETWEEN_LOOKS, *gc.get_threshold()[1:])
