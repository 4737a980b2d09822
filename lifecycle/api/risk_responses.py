"""What at-risk rules propose, and what those of a draft would have done, over the API."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from lifecycle.api.paging import PageResponse
from lifecycle.api.rendering import ResponseSerializer
from lifecycle.api.serializers import MUTE_HELP, MuteSerializer, NoteField, WholeNumberField
from lifecycle.rules.health import BANDS
from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.rules.transitions import LONGEST_NOTE, LONGEST_REASON
from lifecycle.services.risk.past import KNOWN
from lifecycle.services.risk.proposals import DISMISSED, LONGEST_DISMISSAL
from lifecycle.services.risk.watching import ACCEPTED, OPEN, OVER
from tenants.api.serializers import StrictSerializer, TextField

PROPOSAL_STATES = (OPEN, ACCEPTED, DISMISSED, OVER)
PLAY_STATES = RUNNING, DONE = "running", "done"


class ProposalResponse(ResponseSerializer):
    """That a customer be moved, as a rule proposes it."""

    id = serializers.UUIDField()
    customer_id = serializers.UUIDField()
    name = serializers.CharField(help_text="The customer's.")
    owner = serializers.CharField(allow_blank=True)
    rule = serializers.CharField()
    configuration_version = serializers.IntegerField()
    stage = serializers.CharField(help_text="Where the customer is.")
    to_stage = serializers.CharField()
    reason_code = serializers.CharField(allow_blank=True)
    since = serializers.DateTimeField(help_text="When the conditions began to hold.")
    fired_at = serializers.DateTimeField(help_text="When they had held for as long as the rule asks.")
    version = serializers.IntegerField(help_text="The customer's, for If-Match.")


class ProposalDetailResponse(ResponseSerializer):
    """A proposal and what became of it. Of one that is open, `stage` is where the customer is."""

    id = serializers.UUIDField()
    customer_id = serializers.UUIDField()
    rule = serializers.CharField()
    configuration_version = serializers.IntegerField()
    from_stage = serializers.CharField()
    to_stage = serializers.CharField()
    reason_code = serializers.CharField(allow_blank=True)
    since = serializers.DateTimeField()
    fired_at = serializers.DateTimeField()
    state = serializers.ChoiceField(
        choices=PROPOSAL_STATES,
        help_text="`over`: the conditions ceased to hold, or the customer was moved elsewhere.",
    )
    decided_by = serializers.CharField(allow_blank=True, help_text="The user's id, or what the system calls itself.")
    decided_at = serializers.DateTimeField(allow_null=True)
    dismissal = serializers.CharField(allow_blank=True, help_text="Why it was dismissed.")


@extend_schema_serializer(many=False)
class ProposalPageResponse(PageResponse):
    """A page of the proposals that are open, the oldest first."""

    results = ProposalResponse(many=True)


class DismissalSerializer(StrictSerializer):
    """``POST /proposals/{id}/dismiss``."""

    reason = TextField(max_length=LONGEST_DISMISSAL, trim_whitespace=True, help_text="Why; kept with the proposal.")


class AcceptanceSerializer(StrictSerializer):
    """``POST /proposals/{id}/accept``."""

    reason_code = TextField(
        max_length=LONGEST_REASON,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Another reason than the rule gives.",
    )
    note = NoteField(max_length=LONGEST_NOTE, required=False, allow_null=True, allow_blank=True)
    confirm_effects = WholeNumberField(
        required=False,
        allow_null=True,
        min_value=0,
        help_text="Refuse unless the change starts as many effects: the number that was seen.",
    )
    mute_effects = MuteSerializer(required=False, allow_null=True, help_text=MUTE_HELP)


class BacktestSerializer(StrictSerializer):
    """``POST /configuration/backtest``."""

    draft = serializers.UUIDField(required=False, help_text="The draft; the one that was edited last without it.")
    known = serializers.ChoiceField(
        choices=KNOWN,
        required=False,
        help_text="Judge by what was known here by then (`recorded`), or by how it was (`effective`); without it, what"
        " fits how long your record is.",
    )


class RuleResultResponse(ResponseSerializer):
    """What one rule would have done. Days and shares are null while nothing was caught."""

    name = serializers.CharField()
    enabled = serializers.BooleanField()
    alarms = serializers.IntegerField()
    caught = serializers.IntegerField(
        help_text=f"Churns before which the rule had fired, at most {HORIZON_DAYS} days before."
    )
    churns = serializers.IntegerField(help_text="All churns of the time.")
    days_before_quarter = serializers.IntegerField(allow_null=True)
    days_before_median = serializers.IntegerField(allow_null=True)
    days_before_three_quarters = serializers.IntegerField(allow_null=True)
    value_caught = serializers.DictField(
        child=serializers.DecimalField(max_digits=24, decimal_places=4), help_text="Annual revenue by currency."
    )
    false_alarms = serializers.IntegerField()
    undecided = serializers.IntegerField(help_text=f"Alarms of which {HORIZON_DAYS} days are not over.")
    false_alarms_a_manager_a_week = serializers.FloatField()
    added = serializers.IntegerField(help_text="Churns that no other rule that is on has caught.")
    due_now = serializers.IntegerField(help_text="Customers for whom it would fire now.")


class BacktestResponse(ResponseSerializer):
    """A draft's rules played over the tenant's own past. `rules` is empty until it is done."""

    draft = serializers.UUIDField()
    is_of_present_draft = serializers.BooleanField(help_text="The draft was not edited since.")
    state = serializers.ChoiceField(choices=PLAY_STATES)
    customers_done = serializers.IntegerField()
    customers = serializers.IntegerField()
    known = serializers.ChoiceField(choices=KNOWN)
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    requested_by = serializers.CharField()
    finished_at = serializers.DateTimeField(allow_null=True)
    churns = serializers.IntegerField()
    rules = RuleResultResponse(many=True)


class HealthBacktestSerializer(StrictSerializer):
    """``POST /configuration/health-backtest``."""

    draft = serializers.UUIDField(required=False, help_text="The draft; the one that was edited last without it.")


class BandResultResponse(ResponseSerializer):
    """One health band: how many of its customers churned. Shares are null where no customer was in it."""

    band = serializers.ChoiceField(choices=BANDS)
    observations = serializers.IntegerField(
        help_text="Customers counted on the first day of each month; one may be counted once a month."
    )
    customers = serializers.IntegerField()
    lost = serializers.IntegerField(
        help_text=f"Observations after which the customer churned within {HORIZON_DAYS} days."
    )
    share = serializers.FloatField(
        allow_null=True,
        help_text=f"Share of observations after which the customer churned within {HORIZON_DAYS} days, 0 to 1.",
    )
    share_low = serializers.FloatField(allow_null=True, help_text="The interval that holds it in 95 of 100 cases.")
    share_high = serializers.FloatField(allow_null=True)
    share_of_lost = serializers.FloatField(allow_null=True, help_text="Of all that churned, those of this band.")


class HealthBacktestResponse(ResponseSerializer):
    """The health of a draft, beside that of the live configuration, played over the tenant's own past.

    `live_bands` and `draft_bands` are of the customers that were judged so far.
    """

    draft = serializers.UUIDField()
    is_of_present_draft = serializers.BooleanField(help_text="Neither the draft nor what is live was changed since.")
    state = serializers.ChoiceField(choices=PLAY_STATES)
    customers_done = serializers.IntegerField()
    customers = serializers.IntegerField()
    landmarks = serializers.ListField(child=serializers.DateField(), help_text="The days on which they were judged.")
    live_version = serializers.IntegerField()
    requested_by = serializers.CharField()
    finished_at = serializers.DateTimeField(allow_null=True)
    live_bands = BandResultResponse(many=True)
    draft_bands = BandResultResponse(many=True)
