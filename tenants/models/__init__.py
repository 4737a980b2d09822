"""Tenants, the people who work for them, and the lifecycle each tenant has defined for itself."""

from tenants.models.configurations import ConfigurationVersion, Stage
from tenants.models.credentials import ApiKey, OpenSession, RefreshToken, TokenIssuer
from tenants.models.grants import TenantGroupObjectPermission, TenantUserObjectPermission
from tenants.models.homes import TenantHome
from tenants.models.mails import QueuedMail
from tenants.models.people import User, UserManager
from tenants.models.tenants import Tenant

__all__ = [
    "ApiKey",
    "ConfigurationVersion",
    "OpenSession",
    "QueuedMail",
    "RefreshToken",
    "Stage",
    "Tenant",
    "TenantGroupObjectPermission",
    "TenantHome",
    "TenantUserObjectPermission",
    "TokenIssuer",
    "User",
    "UserManager",
]
