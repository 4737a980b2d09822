"""Addresses of the pages."""

from django.urls import path

from lifecycle.web.views import (
    account,
    customers,
    demo_mail,
    invitation,
    lists,
    moving,
    notifications,
    own_account,
    password_reset,
    undo,
)

urlpatterns = [
    path("", lists.show_overview, name="overview"),
    path("customers", lists.show_customers, name="customer-list"),
    path("customers/<uuid:customer_id>", customers.show_customer, name="customer-page"),
    path("customers/<uuid:customer_id>/live", customers.refresh_customer, name="customer-live"),
    path("customers/<uuid:customer_id>/history", customers.show_history, name="customer-history"),
    path("customers/<uuid:customer_id>/move", moving.move_customer, name="move-customer"),
    path("undo/<uuid:request_id>", undo.undo_request, name="undo-request"),
    path("undos/<uuid:undo_id>", undo.show_undo, name="undo-progress"),
    path("notifications", notifications.show_notifications, name="notifications-page"),
    path("notifications/bell", notifications.show_bell, name="bell"),
    path("notifications/preferences", notifications.choose_preferences, name="notification-preferences"),
    path("notifications/read", notifications.read_all, name="read-notifications"),
    path("notifications/<uuid:notification_id>/read", notifications.read_one, name="read-notification-page"),
    path(
        "notifications/<uuid:notification_id>/acknowledge",
        notifications.acknowledge,
        name="acknowledge-notification-page",
    ),
    path("login", account.log_in, name="log-in"),
    path("logout", account.log_out, name="log-out"),
    path("account", own_account.show, name="account"),
    path("account/password", own_account.change, name="change-password"),
    path("account/log-out-everywhere", own_account.leave_everywhere, name="log-out-everywhere"),
    path("password-reset", password_reset.ask, name="password-reset"),
    path("password-reset/<str:uid>/<str:token>", password_reset.set_new, name="new-password"),
    path("demo/mail", demo_mail.show_mail, name="demo-mail"),
    path("invitation/<str:uid>/<str:token>", invitation.accept, name="invitation"),
    path("tenants", account.switch_tenant, name="choose-tenant"),
]
