"""The responses about a customer's personal data: what is kept, and what an erasure has destroyed."""

from rest_framework import serializers

from lifecycle.api.rendering import ResponseSerializer


def _records(what: str) -> serializers.ListField:
    return serializers.ListField(child=serializers.DictField(), help_text=what)


def _record(what: str) -> serializers.DictField:
    return serializers.DictField(allow_null=True, help_text=what)


class ExportResponse(ResponseSerializer):
    """Everything that is kept about a customer [SEC-7], personal data in clear."""

    exported_at = serializers.DateTimeField()
    tenant = serializers.CharField()
    company = _record("The company's data.")
    former_names = _records("What the company was called before: `name, until`.")
    contacts = _records("The people: `id, name, email, phone, role`.")
    billing = _record("Billing's figures.")
    support = _record("Support's figures.")
    lifecycle = _record("The customer's stage.")
    figures_past = _records("What changed of the figures: `effective_at, recorded_at, source, figures`.")
    forecast = _record("How likely the customer is to churn within 90 days; null where no forecast has been made.")
    stays = _records("The stays in stages, as figures count them: made of the history.")
    risk_episodes = _records("The episodes at risk that have ended, and what was done in each.")
    insight_state = _record("Up to where the stays were made.")
    risk_state = _record("Up to where the at-risk rules have looked at the customer.")
    history = _records("Every transition, with its note; `note_erased` if it can no longer be read.")
    notes = _records("What people wrote about the customer: each with its earlier `versions`.")
    tasks = _records("What was to be done about the customer.")
    bulk_changes = _records("The bulk changes for which the customer was chosen, and what became of it.")
    effects = _records("What stage changes started: to whom, in which state, and what was answered.")
    rule_firings = _records("What at-risk rules did or proposed, who decided, and why.")
    snoozes = _records("Who has put the customer aside, until when, and why.")
    notifications = _records("What people were notified of about the customer, with the effect's own `subject, body`.")
    refused_attempts = _records("Attempts to move the customer that were refused.")
    administration = _records("What was done about the customer: exports, erasures.")
    stored_answers = _records("Answers kept for repetitions under an Idempotency-Key.")
    dead_letters = _records("Messages about the customer that could not be applied, with their bytes.")
    parked_events = _records("Events that wait for the customer's creation.")
    uploads = _records("Uploaded files that are kept for a day and may name the customer: `id, name, created_at`.")
    withheld_messages = serializers.IntegerField(
        help_text="Messages of no known tenant that may be about this customer, and are not handed out for that reason."
    )


class ErasedResponse(ResponseSerializer):
    """What an erasure has destroyed [SEC-7]."""

    customer_id = serializers.UUIDField()
    erased_at = serializers.DateTimeField()
    contacts = serializers.IntegerField()
    messages = serializers.IntegerField(
        help_text="Messages about the customer that were waiting or could not be applied."
    )
    answers = serializers.IntegerField(help_text="Answers that were kept for repetitions.")
    uploads = serializers.IntegerField(help_text="Uploaded files that were being imported: any may name the person.")
    key_destroyed = serializers.BooleanField(help_text="Whether notes or contacts were encrypted until now.")
    company = serializers.BooleanField(help_text="Whether the company's name was erased as well.")
    unreadable = serializers.IntegerField(
        help_text="Messages that could not be read because their master key is missing."
    )
