"""The product's settings as in production, and the peers that the benchmarks compare it with."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as PRODUCT_APPS

INSTALLED_APPS = [*PRODUCT_APPS, "django_fsm_log", "bench.peers"]
# The peers' tables have no migrations of their own in the schema of the product.
ROOT_URLCONF = "bench.urls"
MIGRATION_MODULES = {"django_fsm_log": None, "peers": None}
