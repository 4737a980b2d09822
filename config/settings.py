"""All settings, from the environment. Production is the default; development opts in with DEBUG=true.

No secret has a built-in value. Everything missing or malformed is reported in one line and the start stops.
The variables are listed with their meaning in ``.env.example``.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import dj_database_url
from csp.constants import NONCE, NONE, SELF
from django.conf.locale import LANG_INFO
from django.utils.translation import to_language
from environs import EnvError, EnvValidationError

from config.environment import (
    between,
    build_env,
    choose_site,
    host_names,
    json_object,
    kafka_servers,
    mail_domain,
    not_empty,
    one_of,
    origins,
    path_or_address,
    read_email_url,
    read_key,
    read_keyring,
    read_networks,
    redis_address,
    sender_address,
    site_address,
    split_hosts,
    stop_start,
)
from config.processes import describe_missing
from config.servers import ALIASES, ServersInvalid, choose_server, read_servers

BASE_DIR = Path(__file__).resolve().parent.parent

env = build_env()
try:
    # Before the addresses are read: those of another server may take their place.
    DATABASE_SERVER, _servers = choose_server(
        env.str("DATABASE_SERVER", ""), read_servers(env.str("DATABASE_SERVERS", "")), os.environ
    )
except ServersInvalid as error:
    stop_start(str(error))
DEBUG = env.bool("DEBUG", False)
# A process that is given none signs nothing that another one reads, and libraries want one all the same.
SECRET_KEY = env.str("SECRET_KEY", "", validate=not_empty) or token_urlsafe(50)
DATABASE_URL = env.str("DATABASE_URL", "", validate=not_empty)
DATABASE_PLATFORM_URL = env.str("DATABASE_PLATFORM_URL", "", validate=not_empty)
DATABASE_RELAY_URL = env.str("DATABASE_RELAY_URL", "", validate=not_empty)
DATABASE_REPLICA_URL = env.str("DATABASE_REPLICA_URL", "")
DATABASE_OWNER_URL = env.str("DATABASE_OWNER_URL", "")
DATABASE_ADMIN_URL = env.str("DATABASE_ADMIN_URL", "")
# No one here connects with it: provision_database gives the role that pg_dump uses this password.
DATABASE_BACKUP_URL = env.str("DATABASE_BACKUP_URL", "")
REDIS_URL = env.str("REDIS_URL", "", validate=redis_address)
KAFKA_BOOTSTRAP_SERVERS = env.str("KAFKA_BOOTSTRAP_SERVERS", "", validate=kafka_servers)
_master_keys = env.str("MASTER_KEYS", "", validate=not_empty)
_index_key = env.str("INDEX_KEY", "", validate=not_empty)
_signing_key = env.str("AUDIT_SIGNING_KEY", "")
_verify_keys: list[str] = env.list("AUDIT_VERIFY_KEYS", [])
AUDIT_SEAL_TOPIC = env.str("AUDIT_SEAL_TOPIC", "")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"] if DEBUG else [], validate=host_names)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [], validate=origins)
SITE_URL = env.str("SITE_URL", "", validate=site_address)
_email_url = env.str("EMAIL_URL", "")
_email_from = env.str("EMAIL_FROM", "", validate=sender_address)
TRUSTED_PROXY_TLS = env.bool("TRUSTED_PROXY_TLS", False)
_trusted_proxies: list[str] = env.list("TRUSTED_PROXIES", [])
_webhook_networks: list[str] = env.list("WEBHOOK_ALLOWED_NETWORKS", [])
HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", False)
HSTS_PRELOAD = env.bool("HSTS_PRELOAD", False)
# Where the browser reaches the event stream: a path behind the proxy, or in development another port of this host.
EVENT_STREAM_URL = env.str("EVENT_STREAM_URL", "/live", validate=path_or_address)
DATA_AT_REST = env.str("DATA_AT_REST", "development" if DEBUG else "", validate=not_empty)
LOG_LEVEL = env.str("LOG_LEVEL", "INFO", validate=one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOG_FORMAT = env.str("LOG_FORMAT", "console" if DEBUG else "ecs", validate=one_of("console", "ecs"))
KAFKA_CONFIG: Any = env.json("KAFKA_CONFIG", {}, validate=json_object)
KAFKA_SESSION_TIMEOUT_MS = env.int(
    "KAFKA_SESSION_TIMEOUT_MS", 6000 if DEBUG else 10_000, validate=between(1_000, 3_600_000)
)
KAFKA_TOPIC_PREFIX = env.str("KAFKA_TOPIC_PREFIX", "")
KAFKA_PARTITIONS = env.int("KAFKA_PARTITIONS", 6, validate=between(1, 10_000))
KAFKA_REPLICATION_FACTOR = env.int("KAFKA_REPLICATION_FACTOR", -1, validate=between(-1, 100))
EVENTS_PARKED_MINUTES = env.int("EVENTS_PARKED_MINUTES", 15, validate=between(1, 100_000))
EVENTS_REMEMBERED_DAYS = env.int("EVENTS_REMEMBERED_DAYS", 30, validate=between(1, 10_000))
OUTBOX_KEPT_HOURS = env.int("OUTBOX_KEPT_HOURS", 24, validate=between(0, 100_000))
UPDATES_PER_HOUR = env.int("UPDATES_PER_HOUR", 1000, validate=between(1, 1_000_000_000))
LOGIN_ATTEMPTS_PER_MINUTE = env.int("LOGIN_ATTEMPTS_PER_MINUTE", 10, validate=between(1, 1_000_000))
# Identity providers on this very machine over plain HTTP: for trying things out.
LOOPBACK_ISSUERS = env.bool("LOOPBACK_ISSUERS", DEBUG)
DEMO_CUSTOMERS = env.int("DEMO_CUSTOMERS", 2000, validate=between(1, 1_000_000))
DATABASE_REPLICA_LAG_SECONDS = env.int("DATABASE_REPLICA_LAG_SECONDS", 5, validate=between(1, 50))
DATABASE_SILENT_SECONDS = env.int("DATABASE_SILENT_SECONDS", 60, validate=between(1, 3600))
WEB_WORKERS = env.int("WEB_WORKERS", 2, validate=between(1, 64))
WEB_THREADS = env.int("WEB_THREADS", 2, validate=between(1, 64))
REQUEST_BODY_SECONDS = env.int("REQUEST_BODY_SECONDS", 15, validate=between(1, 600))
DATABASE_POOLER = env.bool("DATABASE_POOLER", False)
_static_root = env.str("STATIC_ROOT", str(BASE_DIR / ".local" / "static"), validate=not_empty)

MASTER_KEYS: Mapping[int, bytes] = {}
INDEX_KEY: Any = None
AUDIT_SIGNING_KEY: bytes | None = None
AUDIT_VERIFY_KEYS: list[bytes] = []
TRUSTED_PROXIES: tuple[Any, ...] = ()
WEBHOOK_ALLOWED_NETWORKS: tuple[Any, ...] = ()
_mail: Mapping[str, Any] = {}
try:
    env.seal()
    MASTER_KEYS = read_keyring("MASTER_KEYS", _master_keys) if _master_keys else {}
    INDEX_KEY = read_key("INDEX_KEY", _index_key) if _index_key else None
    AUDIT_SIGNING_KEY = read_key("AUDIT_SIGNING_KEY", _signing_key) if _signing_key else None
    TRUSTED_PROXIES = read_networks("TRUSTED_PROXIES", _trusted_proxies)
    WEBHOOK_ALLOWED_NETWORKS = read_networks("WEBHOOK_ALLOWED_NETWORKS", _webhook_networks)
    _mail = read_email_url("EMAIL_URL", _email_url)
    AUDIT_VERIFY_KEYS = [read_key("AUDIT_VERIFY_KEYS", key) for key in _verify_keys]
except EnvValidationError as error:
    _errors: Any = error.error_messages
    stop_start("; ".join(f"{name}: {', '.join(errors)}" for name, errors in _errors.items()))
except EnvError as error:
    stop_start(str(error))
STATIC_ROOT = Path(_static_root)
if HSTS_PRELOAD and not HSTS_INCLUDE_SUBDOMAINS:
    stop_start(
        "HSTS_PRELOAD=true needs HSTS_INCLUDE_SUBDOMAINS=true: the lists of browsers take a name with all below it"
    )
SITE_URL = choose_site(SITE_URL, origins=CSRF_TRUSTED_ORIGINS, hosts=ALLOWED_HOSTS)
if _email_url and not SITE_URL:
    stop_start("EMAIL_URL needs SITE_URL, the address that people reach the product at: links in mails begin with it")
if _missing := describe_missing(os.environ, debug=DEBUG):
    stop_start(_missing)


def database(url: str, *, is_replica: bool = False, **options: Any) -> dict[str, Any]:
    """One entry of DATABASES from a URL; persistent connections that are checked once a request.

    Without a URL Django's placeholder, which refuses every use: this process was given no such address. Of several
    hosts the one that can be written is meant, unless the URL says otherwise; a replica is given up in seconds.
    """
    if not url:
        return {}
    one, hosts, ports = split_hosts(url)
    try:
        entry: dict[str, Any] = dict(
            dj_database_url.parse(one, engine="storage.database", conn_max_age=600, conn_health_checks=True)
        )
    except ValueError as error:
        stop_start(f"a database address is not a valid URL: {error}")
    if not url.startswith(("postgres://", "postgresql://")) or not entry.get("NAME"):
        stop_start("a database address must be postgres://role:password@host:port/name")
    # Behind a transaction-mode pooler neither server-side cursors nor prepared statements may outlive a transaction.
    entry["DISABLE_SERVER_SIDE_CURSORS"] = DATABASE_POOLER
    given: Any = entry.get("OPTIONS", {})
    # A server that cannot be reached is noticed in seconds: at the start of a connection, and on one that is open.
    bounds: dict[str, Any] = {"connect_timeout": 3, "keepalives_idle": 10, "keepalives_interval": 5}
    bounds |= {"keepalives_count": 3, "tcp_user_timeout": 15_000}
    if is_replica:
        bounds |= {"connect_timeout": 2, "tcp_user_timeout": 2_000}
    if hosts:
        entry |= {"HOST": hosts, "PORT": ports}
        bounds["target_session_attrs"] = "any" if is_replica else "read-write"
    entry["OPTIONS"] = {"application_name": "customer360", **bounds, **given}
    return {**entry, **options}


DATABASES = {
    "default": database(DATABASE_URL, ATOMIC_REQUESTS=True),
    "platform": database(DATABASE_PLATFORM_URL),
    "relay": database(DATABASE_RELAY_URL),
    "replica": database(DATABASE_REPLICA_URL, is_replica=True),
    "owner": database(DATABASE_OWNER_URL, CONN_MAX_AGE=0),
}
# An address that was not given has no entry; Django wants a default one, be it empty.
DATABASES = {alias: entry for alias, entry in DATABASES.items() if entry or alias == "default"}
# Other servers, by name; one thread works on one of them at a time (storage.servers).
DATABASE_SERVERS: dict[str, dict[str, Any]] = {
    name: {
        alias: database(urls.get(role, ""), ATOMIC_REQUESTS=alias == "default")
        for alias, role in ALIASES.items()
        if urls.get(role)
    }
    for name, urls in _servers.items()
}
# What the administrator of each may do, for manage.py move_tenant alone.
DATABASE_SERVER_ADMINS = {name: urls.get("admin", "") for name, urls in _servers.items()}
DATABASE_ROUTERS = ["storage.servers.StaysOnMain"] if DATABASE_SERVERS else []
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "config.apps.CustomerAdminConfig",
    # Before Django's own: its changepassword would look for people outside of any tenant, and find no one.
    "tenants",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "guardian",
    "axes",
    "csp",
    "django_htmx",
    "template_partials",
    "django_prometheus",
    "encrypted_fields",
    "audit",
    "lifecycle",
]

MIDDLEWARE = [
    "config.request_log.LogRequests",
    "config.middleware.NameProbes",
    "config.request_metrics.CountRequests",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.RefuseNullBytes",
    "config.middleware.RefusePlainHttpApi",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.page_middleware.ContentPolicy",
    "config.middleware.AllowEventStream",
    "config.middleware.AnswerOutages",
    "tenants.reading.RememberWrites",
    "config.page_middleware.PageSessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.page_middleware.PageUsers",
    "config.page_middleware.SeenSessions",
    "config.page_middleware.OwnSettings",
    "config.page_middleware.PageMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "tenants.middleware.RecordRefusedAttempts",
]

if DATABASE_SERVERS:
    # Inside of the sessions, which stay on main, and around everything that asks about a tenant.
    MIDDLEWARE.insert(MIDDLEWARE.index("config.page_middleware.PageSessions") + 1, "config.choosing.ChooseServer")

if DEBUG:
    # Where no proxy does it. Outside of WhiteNoise, whose files come uncompressed in development.
    _files = MIDDLEWARE.index("whitenoise.middleware.WhiteNoiseMiddleware")
    MIDDLEWARE.insert(_files, "config.compression.CompressPages")
    MIDDLEWARE.append("config.middleware.ShowOwnPages")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {
                "c360": "lifecycle.web.tags",
                "cells": "lifecycle.web.list_cells",
                "renewals": "lifecycle.web.renewal_rows",
                "configuration": "lifecycle.admin.configuration.tags",
            },
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "lifecycle.web.context.page",
            ],
        },
    }
]

# --- identity -----------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = [
    "tenants.backends.LockoutBackend",
    "tenants.backends.TenantBackend",
    "guardian.backends.ObjectPermissionBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login"
ANONYMOUS_USER_NAME = None
GUARDIAN_MONKEY_PATCH_USER = False
GUARDIAN_RAISE_403 = True
AXES_HANDLER = "axes.handlers.cache.AxesCacheHandler"
AXES_CACHE = "guard"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=5)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False
AXES_CLIENT_IP_CALLABLE = "tenants.services.proxies.client_address"
AXES_WHITELIST_CALLABLE = "tenants.services.accounts.login_devices.is_known_device"
AXES_LOCKOUT_CALLABLE = "tenants.backends.show_lockout"

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ALGORITHM": "HS256",
    "SIGNING_KEY": SECRET_KEY,
    "AUDIENCE": "customer360",
    "ISSUER": "customer360",
    "LEEWAY": 10,
    "USER_ID_CLAIM": "sub",
    "UPDATE_LAST_LOGIN": False,
}

# --- sessions, cookies, transport ---------------------------------------------------------------------------------
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_HTTPONLY = False
CSRF_FAILURE_VIEW = "config.errors.form_expired"
if not DEBUG:
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
SECURE_SSL_REDIRECT = not DEBUG
# The API refuses plain HTTP instead of redirecting it (config.middleware.RefusePlainHttpApi): a redirect would
# invite clients to keep sending their tokens in clear. Probes of the container come over plain HTTP as well.
SECURE_REDIRECT_EXEMPT = [r"^api/", r"^scim/", r"^healthz", r"^metrics$"]
SECURE_HSTS_SECONDS = 0 if DEBUG else 63_072_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEBUG and HSTS_INCLUDE_SUBDOMAINS
SECURE_HSTS_PRELOAD = not DEBUG and HSTS_PRELOAD
# What becomes of the names below this one, and of lists that browsers carry, is the operator's choice.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_TLS else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Where the event stream has an origin of its own, config.middleware.AllowEventStream adds it to connect-src.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
    }
}
# Of forms; the API has its own limit (config.parsers). A configuration that the API takes, as a form writes it.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1_048_576
# A configuration's form has a field for every pair of its stages, and ten open rules that name many of them.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
# A form with files, all together; what a view does with a file has its own bounds.
MAX_UPLOAD_BYTES = 32 * 1_048_576

# --- mail ---------------------------------------------------------------------------------------------------------
# Sent by a thread of the web process (tenants.delivery), never within a request. No host: none is sent.
EMAIL_BACKEND = "tenants.delivery.smtp.BoundedEmailBackend"
EMAIL_HOST: str = _mail["EMAIL_HOST"]
EMAIL_PORT: int = _mail["EMAIL_PORT"]
EMAIL_HOST_USER: str = _mail["EMAIL_HOST_USER"]
EMAIL_HOST_PASSWORD: str = _mail["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS: bool = _mail["EMAIL_USE_TLS"]
EMAIL_USE_SSL: bool = _mail["EMAIL_USE_SSL"]
EMAIL_TIMEOUT = 5
SERVER_EMAIL = DEFAULT_FROM_EMAIL = _email_from or f"Customer 360 <no-reply@{mail_domain(SITE_URL)}>"
# What make demo's mail server takes is shown on a page.
DEMO_MAIL = BASE_DIR / ".local" / "mail"

# --- caches -------------------------------------------------------------------------------------------------------
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.DefaultClient",
            "SOCKET_CONNECT_TIMEOUT": 0.25,
            "SOCKET_TIMEOUT": 0.5,
        },
        "KEY_PREFIX": "c360",
    },
    # Lock-out counters must survive Redis being away for a moment without turning logins into errors.
    "guard": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.25, "SOCKET_TIMEOUT": 0.5, "IGNORE_EXCEPTIONS": True},
        "KEY_PREFIX": "c360-guard",
    },
}
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True

# --- API ----------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tenants.authentication.BearerAuthentication",
        "tenants.authentication.SessionIdentityAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.permissions.RequiredPermission"],
    "DEFAULT_PARSER_CLASSES": ["config.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["config.renderers.OrjsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.renderers.QuickNegotiation",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "config.errors.handle_exception",
    "UNAUTHENTICATED_USER": None,
    # What an address takes is in the schema; OPTIONS says nothing.
    "DEFAULT_METADATA_CLASS": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Customer 360 Lifecycle Management",
    "DESCRIPTION": "Customers, their lifecycle stages and the proof of every change.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    # Each operation shows what it takes and gives; a list of all schemas below would take the browser seconds.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "defaultModelsExpandDepth": -1},
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    # What PATCH takes is one change, and not a part of a resource.
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_NAME_OVERRIDES": {
        "CategoryEnum": "tenants.rules.configuration.definitions.CATEGORIES",
        "ApiKeyStateEnum": "lifecycle.api.viewsets.keys.STATES",
        "EffectStateEnum": "lifecycle.api.effect_responses.STATES",
        "AlertPreferenceEnum": "lifecycle.services.effects.preferences.CHOICES",
        "ReplayableStateEnum": "lifecycle.services.effects.actions.REPLAYABLE_TOGETHER",
        "EffectKindEnum": "tenants.rules.configuration.definitions.EFFECT_KINDS",
        "EffectMomentEnum": "tenants.rules.configuration.definitions.EFFECT_MOMENTS",
        "ProposalStateEnum": "lifecycle.api.risk_responses.PROPOSAL_STATES",
        "BacktestResponseStateEnum": "lifecycle.api.risk_responses.PLAY_STATES",
        "ForecastStateEnum": "lifecycle.api.viewsets.forecasts.STATES",
        "HealthBandEnum": "lifecycle.rules.health.BANDS",
        "ActorKindEnum": "lifecycle.api.responses.ACTOR_KINDS",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "lifecycle.api.openapi.completion.complete",
    ],
}

# --- static files -------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
# In development files are looked for when they are asked for. Reading them all at the start costs each test client a
# third of a second.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG

LANGUAGE_CODE = "en-us"
# A folder locale/xx is all that another language needs: then readers get the one that they ask for. With English alone
# no request is looked at for it.
LOCALE_PATHS = [BASE_DIR / "locale"]
CATALOGS = sorted(path.parents[1].name for path in LOCALE_PATHS[0].glob("*/LC_MESSAGES/django.mo"))
CODES = [to_language(name) for name in CATALOGS if name != "en"]
LANGUAGES = [("en", "English"), *((code, LANG_INFO[code]["name_local"]) for code in CODES)]
if len(LANGUAGES) > 1:
    MIDDLEWARE.insert(MIDDLEWARE.index("config.middleware.AnswerOutages"), "config.languages.ChooseLanguage")
TIME_ZONE = "UTC"
USE_I18N = True
FORMAT_MODULE_PATH = "config.formats"
USE_TZ = True
APPEND_SLASH = False

# --- logs ---------------------------------------------------------------------------------------------------------
from config.logging import build_logging, catch_everything  # noqa: E402  (needs LOG_LEVEL and LOG_FORMAT)

LOGGING = build_logging(level=LOG_LEVEL, log_format=LOG_FORMAT)
if LOG_FORMAT == "ecs":
    catch_everything()
