"""The product's settings, the floor beside its addresses, and the mistake that the run is to find, if there is one."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as PRODUCT_APPS

INSTALLED_APPS = [*PRODUCT_APPS, "tests.load.apps.LoadConfig"]
ROOT_URLCONF = "tests.load.urls"
