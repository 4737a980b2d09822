"""Changing one's own password in the admin: through the service, so that every older token and session ends."""

from typing import Any

from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.forms import PasswordChangeForm
from django.utils import timezone

from tenants.actors import USER, Actor, TenantRef
from tenants.models import User
from tenants.services.people import set_password


class OwnPasswordForm(PasswordChangeForm):
    """Django's form, which asks for the old password; saving calls the service."""

    required_css_class = AdminPasswordChangeForm.required_css_class

    def save(self, commit: bool = True) -> Any:
        """Set the password; the user as he is now, so that his own session goes on."""
        user: User = self.user
        tenant = TenantRef(user.tenant.id, user.tenant.slug) if user.tenant else None
        actor = Actor(kind=USER, name=str(user.pk))
        changed = set_password(
            user.pk, self.cleaned_data["new_password1"], tenant=tenant, actor=actor, now=timezone.now()
        )
        user.password = changed.password
        return user
