"""What models and their fields are called in the admin, through gettext.

Models have plain names: their migrations, and so the table of every installation, speak no language. Here, at the edge,
each name is replaced by what is looked up for the reader.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.apps import apps
from django.utils.translation import gettext_lazy as _

APPS: Final = ("audit", "tenants", "lifecycle")
MODELS: Final[Mapping[str, tuple[Any, Any]]] = MappingProxyType(
    {
        "administration entry": (_("administration entry"), _("administration log")),
        "API key": (_("API key"), _("API keys")),
        "audit seal": (_("audit seal"), _("audit seals")),
        "configuration version": (_("configuration version"), _("configuration versions")),
        "customer": (_("customer"), _("customers")),
        "dead letter": (_("failed event"), _("failed events")),
        "effect": (_("automation run"), _("automation runs")),
        "import": (_("import"), _("imports")),
        "lifecycle history row": (_("stage change"), _("history of stage changes")),
        "refused attempt": (_("blocked move"), _("blocked moves")),
        "tenant": (_("tenant"), _("tenants")),
        "user": (_("user"), _("users")),
        "webhook endpoint": (_("webhook endpoint"), _("webhook endpoints")),
    }
)
FIELDS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "action": _("action"),
        "actor": _("actor"),
        "attempted at": _("attempted at"),
        "attempts": _("attempts"),
        "changed at": _("changed at"),
        "changed by": _("changed by"),
        "code": _("code"),
        "comment": _("comment"),
        "configuration version": _("configuration version"),
        "created at": _("created at"),
        "created by": _("created by"),
        "customer id": _("customer id"),
        "detail": _("detail"),
        "due at": _("due at"),
        "effect": _("automation"),
        "effective at": _("effective at"),
        "effects a bulk change starts unasked": _("effects a bulk change starts unasked"),
        "email": _("email"),
        "erased at": _("erased at"),
        "event id": _("event id"),
        "expires at": _("expires at"),
        "external id": _("external id"),
        "external subject": _("external subject"),
        "failed at": _("failed at"),
        "file": _("file"),
        "finished at": _("finished at"),
        "from stage": _("from stage"),
        "full name": _("full name"),
        "is active": _("is active"),
        "is service account": _("is service account"),
        "is suspended": _("is suspended"),
        "key": _("key"),
        "key id": _("key id"),
        "kind": _("kind"),
        "last used at": _("last used at"),
        "leaves": _("leaves"),
        "may be twice": _("may be twice"),
        "more": _("more"),
        "name": _("name"),
        "number": _("number"),
        "offset": _("offset"),
        "owner": _("owner"),
        "partition": _("partition"),
        "published at": _("published at"),
        "published by": _("published by"),
        "reason": _("reason"),
        "reason code": _("reason code"),
        "recorded at": _("recorded at"),
        "request id": _("request id"),
        "resolved at": _("resolved at"),
        "resolved by": _("resolved by"),
        "revoked at": _("revoked at"),
        "role": _("role"),
        "scopes": _("scopes"),
        "sealed at": _("sealed at"),
        "sentence": _("sentence"),
        "sequence": _("sequence"),
        "slug": _("slug"),
        "source": _("source"),
        "state": _("state"),
        "subject": _("subject"),
        "tenant": _("tenant"),
        "tenant id": _("tenant id"),
        "tenant slug": _("tenant slug"),
        "to stage": _("to stage"),
        "topic": _("topic"),
        "type": _("type"),
        "updated at": _("updated at"),
        "updates per hour": _("updates per hour"),
        "uploaded": _("uploaded"),
        "url": _("URL"),
        "user": _("user"),
        "username": _("username"),
        "value": _("value"),
        "sandbox": _("sandbox"),
        "last reset": _("last reset"),
        # What helps to fill in a field.
        "For trying things out: emptied and filled with made-up customers every night. Cannot be changed later.": _(
            "For trying things out: emptied and filled with made-up customers every night. Cannot be changed later."
        ),
        "The service account's own budget; empty: the default of 1,000.": _(
            "The service account's own budget; empty: the default of 1,000."
        ),
        "The e-mail address is the usual choice.": _("The e-mail address is the usual choice."),
        "People of the same team see each other's work.": _("People of the same team see each other's work."),
        "Username of the account manager.": _("Username of the account manager."),
        "To the minute.": _("To the minute."),
        "A bulk change that would start more has to confirm their number. 0: every one has to.": _(
            "A bulk change that would start more has to confirm their number. 0: every one has to."
        ),
    }
)


def translate_labels() -> None:
    """Have the names of our models and fields looked up when they are shown. Migrations know nothing of it."""
    for label in APPS:
        for model in apps.get_app_config(label).get_models():
            options: Any = model._meta
            one, many = MODELS.get(str(options.verbose_name), (None, None))
            if one is not None:
                options.verbose_name, options.verbose_name_plural = one, many
            for field in options.fields:
                # Fields of the customer are named by their entry alone, and looked up by that name.
                name, help_text = str(field.verbose_name), str(field.help_text)
                field.verbose_name = FIELDS.get(name) or _(name)
                field.help_text = FIELDS.get(help_text, field.help_text)
