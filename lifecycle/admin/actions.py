"""Actions of the administration log in words: the log keeps their codes."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from tenants.admin.everywhere import ValuesOfAllServers

ACTIONS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "assign_owner": _("Assign owner"),
        "assign_owners": _("Assign owners"),
        "begin_import": _("Begin import"),
        "cancel_effect": _("Cancel automation"),
        "change_task": _("Change task"),
        "change_view": _("Change view"),
        "check_import": _("Check import"),
        "choose_import_encoding": _("Choose import encoding"),
        "complete_task": _("Complete task"),
        "configure_issuer": _("Configure issuer"),
        "create_api_key": _("Create API key"),
        "create_service_account": _("Create service account"),
        "create_super_admin": _("Create super admin"),
        "create_task": _("Create task"),
        "create_tenant": _("Create tenant"),
        "create_webhook_endpoint": _("Create webhook endpoint"),
        "deactivate_user": _("Deactivate user"),
        "delete_note": _("Delete note"),
        "delete_view": _("Delete view"),
        "delete_webhook_endpoint": _("Delete webhook endpoint"),
        "discard_dead_letter": _("Discard dead letter"),
        "discard_draft": _("Discard draft"),
        "discard_import": _("Discard import"),
        "download_rejects": _("Download rejects"),
        "edit_note": _("Edit note"),
        "end_other_sessions": _("End other sessions"),
        "end_session": _("End session"),
        "erase_customer": _("Erase customer"),
        "erase_user": _("Erase user"),
        "export_audit": _("Export audit"),
        "export_customers": _("Export customers"),
        "export_customer": _("Export customer"),
        "give_up_mail": _("Give up mail"),
        "impersonate": _("Impersonate"),
        "identify_user": _("Identify user"),
        "import_customers": _("Import customers"),
        "invite_user": _("Invite user"),
        "log_out_everywhere": _("Log out everywhere"),
        "make_calendar_feed": _("Make calendar address"),
        "map_import": _("Map import"),
        "move_customers": _("Move customers"),
        "move_tenant": _("Move to another server"),
        "mute_effects": _("Mute automations"),
        "open_draft": _("Open draft"),
        "open_effects_breaker": _("Pause automations (far more than usual)"),
        "pause_effects": _("Pause automations"),
        "pin_field": _("Pin field"),
        "play_health": _("Test health on past data"),
        "play_rules": _("Test the rules"),
        "publish_configuration": _("Publish configuration"),
        "reactivate_user": _("Reactivate user"),
        "rename_user": _("Rename user"),
        "reopen_task": _("Reopen task"),
        "replay_dead_letter": _("Replay dead letter"),
        "replay_effects": _("Replay automations"),
        "reset_password": _("Reset password"),
        "reset_sandbox": _("Reset sandbox"),
        "resume_effects": _("Resume automations"),
        "resume_tenant": _("Resume tenant"),
        "reveal_contacts": _("Reveal contacts"),
        "revert_publication": _("Revert publication"),
        "revoke_calendar_feed": _("Revoke calendar address"),
        "revoke_api_key": _("Revoke API key"),
        "rotate_api_key": _("Rotate API key"),
        "rotate_keys": _("Rotate keys"),
        "rotate_webhook_secret": _("Rotate webhook secret"),
        "save_view": _("Save view"),
        "save_draft": _("Save draft"),
        "send_invitation": _("Send invitation"),
        "send_password_reset": _("Send password reset"),
        "set_effects_budget": _("Set number of automations"),
        "set_own_settings": _("Set language and time zone"),
        "set_password": _("Set password"),
        "set_role": _("Set role"),
        "set_team": _("Set team"),
        "snooze_customer": _("Snooze customer"),
        "show_invitation": _("Show invitation"),
        "stop_bulk_change": _("Stop bulk change"),
        "stop_import": _("Stop import"),
        "suspend_tenant": _("Suspend tenant"),
        "switch_off_webhook_endpoint": _("Switch off webhook endpoint"),
        "undo_transitions": _("Undo transitions"),
        "unpin_field": _("Unpin field"),
        "wake_customer": _("Wake customer"),
        "write_note": _("Write note"),
        "dismiss_proposal": _("Dismiss the proposal"),
        "upload_import": _("Upload import"),
        "write_customers": _("Write customers"),
    }
)


class ActionFilter(ValuesOfAllServers):
    """The actions that there are, in words."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """As Django has them."""
        for choice in super().choices(changelist):
            yield {**choice, "display": ACTIONS.get(str(choice["display"]), choice["display"])}


def name_action(action: str) -> str:
    """The action in words; one that an earlier or later release wrote by its code."""
    return str(ACTIONS.get(action) or action.replace("_", " ").capitalize())
