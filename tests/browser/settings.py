"""The settings of the server that browser tests run: in production, too, a browser asks once for a file that it has.

Development asks again with each page, which is a dozen requests.
"""

from config.settings import *  # noqa: F403

WHITENOISE_MAX_AGE = 3600
