"""``manage.py configure_issuer``: accept the tokens of a tenant's own identity provider (OIDC)."""

import argparse
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.homes import at_home
from tenants.management.choosing import choose_tenant
from tenants.models import TokenIssuer
from tenants.services.accounts.issuers import IssuerRefused, PageClient, configure_issuer, discover


class Command(OperatorCommand):
    """Add an issuer, or bring one up to date."""

    help = "Accept the signed tokens of an identity provider for one tenant."

    def add_arguments(self, parser: Any) -> None:
        """Who speaks for whom, and what its roles mean here."""
        parser.add_argument("--tenant", required=True, help="slug")
        parser.add_argument("--issuer", required=True, help="the exact iss of its tokens")
        parser.add_argument("--audience", required=True, help="the aud that its tokens carry for this product")
        parser.add_argument("--jwks-url", help="where its public keys are, over https; left out: as the provider says")
        parser.add_argument("--algorithm", action="append", choices=TokenIssuer.ALGORITHMS, help="default: all of them")
        parser.add_argument(
            "--role", action="append", required=True, metavar="THEIRS=OURS", help="for example csm=ROLE_ACCOUNT_MANAGER"
        )

        parser.add_argument("--client-id", help="its people sign in to the pages too: as this client (code with PKCE)")
        parser.add_argument(
            "--client-secret-file",
            type=argparse.FileType(),
            help="a file with the client's secret; - for standard input",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Configure, or say in one line why not."""
        tenant = choose_tenant(options["tenant"])
        client, described = None, {}
        try:
            if options["client_id"] or not options["jwks_url"]:
                described = discover(options["issuer"])
        except IssuerRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        if options["client_id"]:
            file = options["client_secret_file"]
            client = PageClient(
                client_id=options["client_id"],
                authorization_url=described["authorization_endpoint"],
                token_url=described["token_endpoint"],
                client_secret=file.read().strip() if file else "",
            )
        roles = dict(pair.partition("=")[::2] for pair in options["role"])
        try:
            with at_home(tenant.id), tenant_context(tenant.id):
                issuer = configure_issuer(
                    issuer=options["issuer"],
                    audience=options["audience"],
                    jwks_url=options["jwks_url"] or described["jwks_uri"],
                    algorithms=options["algorithm"] or list(TokenIssuer.ALGORITHMS),
                    role_map=roles,
                    client=client,
                    tenant=tenant,
                    actor=system_actor("configure_issuer"),
                    now=timezone.now(),
                )
        except IssuerRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{tenant.slug}: tokens of {issuer.issuer} are accepted")
        if client:
            self.stdout.write(
                f"{tenant.slug}: people sign in to the pages through it (redirect address: /login/return)"
            )
