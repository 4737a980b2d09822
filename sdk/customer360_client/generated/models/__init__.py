"""Contains all the data models used in inputs/outputs"""

from .actor_kind_enum import ActorKindEnum
from .alert_preference_enum import AlertPreferenceEnum
from .amount_response import AmountResponse
from .api_key_state_enum import ApiKeyStateEnum
from .batch_request import BatchRequest
from .batch_response import BatchResponse
from .billing_data_request import BillingDataRequest
from .billing_response import BillingResponse
from .category_enum import CategoryEnum
from .change_request import ChangeRequest
from .change_response import ChangeResponse
from .change_response_kind_enum import ChangeResponseKindEnum
from .company_response import CompanyResponse
from .configuration import Configuration
from .configuration_categories import ConfigurationCategories
from .configuration_colors import ConfigurationColors
from .configuration_guidance import ConfigurationGuidance
from .configuration_max_days import ConfigurationMaxDays
from .configuration_rates import ConfigurationRates
from .configuration_reason_codes import ConfigurationReasonCodes
from .configuration_source_priority import ConfigurationSourcePriority
from .configuration_transitions import ConfigurationTransitions
from .contact_data_request import ContactDataRequest
from .contact_response import ContactResponse
from .customer_batch_request import CustomerBatchRequest
from .customer_batch_response import CustomerBatchResponse
from .customer_data_request import CustomerDataRequest
from .customer_item_request import CustomerItemRequest
from .customer_page_response import CustomerPageResponse
from .customer_result_response import CustomerResultResponse
from .effect_definition import EffectDefinition
from .effect_definition_sources_item import EffectDefinitionSourcesItem
from .effect_definition_topic_type_1 import EffectDefinitionTopicType1
from .effect_definition_topic_type_2_type_1 import EffectDefinitionTopicType2Type1
from .effect_definition_topic_type_3_type_1 import EffectDefinitionTopicType3Type1
from .effect_detail_response import EffectDetailResponse
from .effect_kind_enum import EffectKindEnum
from .effect_moment_enum import EffectMomentEnum
from .effect_page_response import EffectPageResponse
from .effect_response import EffectResponse
from .effect_run_response import EffectRunResponse
from .effect_state_enum import EffectStateEnum
from .endpoint_request import EndpointRequest
from .endpoint_response import EndpointResponse
from .endpoints_response import EndpointsResponse
from .erased_response import ErasedResponse
from .erasure_request import ErasureRequest
from .error_enum import ErrorEnum
from .escalation_step import EscalationStep
from .event_condition import EventCondition
from .event_condition_op import EventConditionOp
from .event_rule import EventRule
from .event_rule_event import EventRuleEvent
from .explained_health_response import ExplainedHealthResponse
from .export_request import ExportRequest
from .export_response import ExportResponse
from .export_response_administration_item import ExportResponseAdministrationItem
from .export_response_billing_type_0 import ExportResponseBillingType0
from .export_response_company_type_0 import ExportResponseCompanyType0
from .export_response_contacts_item import ExportResponseContactsItem
from .export_response_dead_letters_item import ExportResponseDeadLettersItem
from .export_response_figures_past_item import ExportResponseFiguresPastItem
from .export_response_former_names_item import ExportResponseFormerNamesItem
from .export_response_history_item import ExportResponseHistoryItem
from .export_response_lifecycle_type_0 import ExportResponseLifecycleType0
from .export_response_notes_item import ExportResponseNotesItem
from .export_response_parked_events_item import ExportResponseParkedEventsItem
from .export_response_refused_attempts_item import ExportResponseRefusedAttemptsItem
from .export_response_stored_answers_item import ExportResponseStoredAnswersItem
from .export_response_support_type_0 import ExportResponseSupportType0
from .export_response_tasks_item import ExportResponseTasksItem
from .export_response_uploads_item import ExportResponseUploadsItem
from .fault_response import FaultResponse
from .feed_response import FeedResponse
from .feed_row_response import FeedRowResponse
from .finding_response import FindingResponse
from .foreseen_response import ForeseenResponse
from .get_lifecycle_effects import GetLifecycleEffects
from .get_lifecycle_known import GetLifecycleKnown
from .grant_type_enum import GrantTypeEnum
from .health_band_enum import HealthBandEnum
from .health_response import HealthResponse
from .heard_response import HeardResponse
from .history_page_response import HistoryPageResponse
from .history_response import HistoryResponse
from .item_request import ItemRequest
from .key_request import KeyRequest
from .key_response import KeyResponse
from .keys_response import KeysResponse
from .lifecycle_changed_message import LifecycleChangedMessage
from .lifecycle_changed_message_data import LifecycleChangedMessageData
from .lifecycle_response import LifecycleResponse
from .list_customers_at_risk import ListCustomersAtRisk
from .list_customers_category import ListCustomersCategory
from .list_customers_ordering import ListCustomersOrdering
from .list_customers_stuck import ListCustomersStuck
from .list_effects_state import ListEffectsState
from .list_own_tasks_state import ListOwnTasksState
from .list_tasks_state import ListTasksState
from .listed_response import ListedResponse
from .login_request import LoginRequest
from .mapping_target import MappingTarget
from .money_response import MoneyResponse
from .moved_response import MovedResponse
from .mute_request import MuteRequest
from .new_endpoint_response import NewEndpointResponse
from .new_key_response import NewKeyResponse
from .note_detail_response import NoteDetailResponse
from .note_page_response import NotePageResponse
from .note_request import NoteRequest
from .note_response import NoteResponse
from .note_version_response import NoteVersionResponse
from .notification_page_response import NotificationPageResponse
from .notification_response import NotificationResponse
from .notification_response_kind_enum import NotificationResponseKindEnum
from .o_auth_error_response import OAuthErrorResponse
from .o_auth_token_request import OAuthTokenRequest
from .o_auth_token_response import OAuthTokenResponse
from .option_response import OptionResponse
from .outcome_enum import OutcomeEnum
from .overdue_count_response import OverdueCountResponse
from .overruled_response import OverruledResponse
from .part_enum import PartEnum
from .password_reset_request import PasswordResetRequest
from .password_reset_response import PasswordResetResponse
from .pause_request import PauseRequest
from .pause_response import PauseResponse
from .pauses_response import PausesResponse
from .pin_field_field import PinFieldField
from .pin_request import PinRequest
from .points_response import PointsResponse
from .preference_request import PreferenceRequest
from .preference_response import PreferenceResponse
from .present_state_response import PresentStateResponse
from .preview_response import PreviewResponse
from .problem_response import ProblemResponse
from .problem_response_stages import ProblemResponseStages
from .profile_response import ProfileResponse
from .profile_response_provenance import ProfileResponseProvenance
from .provenance_response import ProvenanceResponse
from .publication import Publication
from .publication_mapping import PublicationMapping
from .publication_renamed import PublicationRenamed
from .read_response import ReadResponse
from .recipient_response import RecipientResponse
from .refresh_request import RefreshRequest
from .refusal_response import RefusalResponse
from .refused_move_response import RefusedMoveResponse
from .renewal_response import RenewalResponse
from .replay_request import ReplayRequest
from .replayable_state_enum import ReplayableStateEnum
from .replayed_response import ReplayedResponse
from .result_response import ResultResponse
from .rule_refusal_response import RuleRefusalResponse
from .sample_message import SampleMessage
from .sample_message_data import SampleMessageData
from .scopes_enum import ScopesEnum
from .secret_response import SecretResponse
from .severity_enum import SeverityEnum
from .source_response import SourceResponse
from .sourced_support_response import SourcedSupportResponse
from .stage_count_response import StageCountResponse
from .stage_sum_response import StageSumResponse
from .started_response import StartedResponse
from .stay_response import StayResponse
from .sum_response import SumResponse
from .summary_response import SummaryResponse
from .support_data_request import SupportDataRequest
from .support_response import SupportResponse
from .task_change_request import TaskChangeRequest
from .task_page_response import TaskPageResponse
from .task_request import TaskRequest
from .task_response import TaskResponse
from .tenant_summary_response import TenantSummaryResponse
from .test_response import TestResponse
from .token_pair import TokenPair
from .token_type_enum import TokenTypeEnum
from .undo_request import UndoRequest
from .undo_response import UndoResponse
from .unpin_field_field import UnpinFieldField
from .why_enum import WhyEnum
from .written_note_response import WrittenNoteResponse

__all__ = (
    "ActorKindEnum",
    "AlertPreferenceEnum",
    "AmountResponse",
    "ApiKeyStateEnum",
    "BatchRequest",
    "BatchResponse",
    "BillingDataRequest",
    "BillingResponse",
    "CategoryEnum",
    "ChangeRequest",
    "ChangeResponse",
    "ChangeResponseKindEnum",
    "CompanyResponse",
    "Configuration",
    "ConfigurationCategories",
    "ConfigurationColors",
    "ConfigurationGuidance",
    "ConfigurationMaxDays",
    "ConfigurationRates",
    "ConfigurationReasonCodes",
    "ConfigurationSourcePriority",
    "ConfigurationTransitions",
    "ContactDataRequest",
    "ContactResponse",
    "CustomerBatchRequest",
    "CustomerBatchResponse",
    "CustomerDataRequest",
    "CustomerItemRequest",
    "CustomerPageResponse",
    "CustomerResultResponse",
    "EffectDefinition",
    "EffectDefinitionSourcesItem",
    "EffectDefinitionTopicType1",
    "EffectDefinitionTopicType2Type1",
    "EffectDefinitionTopicType3Type1",
    "EffectDetailResponse",
    "EffectKindEnum",
    "EffectMomentEnum",
    "EffectPageResponse",
    "EffectResponse",
    "EffectRunResponse",
    "EffectStateEnum",
    "EndpointRequest",
    "EndpointResponse",
    "EndpointsResponse",
    "ErasedResponse",
    "ErasureRequest",
    "ErrorEnum",
    "EscalationStep",
    "EventCondition",
    "EventConditionOp",
    "EventRule",
    "EventRuleEvent",
    "ExplainedHealthResponse",
    "ExportRequest",
    "ExportResponse",
    "ExportResponseAdministrationItem",
    "ExportResponseBillingType0",
    "ExportResponseCompanyType0",
    "ExportResponseContactsItem",
    "ExportResponseDeadLettersItem",
    "ExportResponseFiguresPastItem",
    "ExportResponseFormerNamesItem",
    "ExportResponseHistoryItem",
    "ExportResponseLifecycleType0",
    "ExportResponseNotesItem",
    "ExportResponseParkedEventsItem",
    "ExportResponseRefusedAttemptsItem",
    "ExportResponseStoredAnswersItem",
    "ExportResponseSupportType0",
    "ExportResponseTasksItem",
    "ExportResponseUploadsItem",
    "FaultResponse",
    "FeedResponse",
    "FeedRowResponse",
    "FindingResponse",
    "ForeseenResponse",
    "GetLifecycleEffects",
    "GetLifecycleKnown",
    "GrantTypeEnum",
    "HealthBandEnum",
    "HealthResponse",
    "HeardResponse",
    "HistoryPageResponse",
    "HistoryResponse",
    "ItemRequest",
    "KeyRequest",
    "KeyResponse",
    "KeysResponse",
    "LifecycleChangedMessage",
    "LifecycleChangedMessageData",
    "LifecycleResponse",
    "ListCustomersAtRisk",
    "ListCustomersCategory",
    "ListCustomersOrdering",
    "ListCustomersStuck",
    "ListedResponse",
    "ListEffectsState",
    "ListOwnTasksState",
    "ListTasksState",
    "LoginRequest",
    "MappingTarget",
    "MoneyResponse",
    "MovedResponse",
    "MuteRequest",
    "NewEndpointResponse",
    "NewKeyResponse",
    "NoteDetailResponse",
    "NotePageResponse",
    "NoteRequest",
    "NoteResponse",
    "NoteVersionResponse",
    "NotificationPageResponse",
    "NotificationResponse",
    "NotificationResponseKindEnum",
    "OAuthErrorResponse",
    "OAuthTokenRequest",
    "OAuthTokenResponse",
    "OptionResponse",
    "OutcomeEnum",
    "OverdueCountResponse",
    "OverruledResponse",
    "PartEnum",
    "PasswordResetRequest",
    "PasswordResetResponse",
    "PauseRequest",
    "PauseResponse",
    "PausesResponse",
    "PinFieldField",
    "PinRequest",
    "PointsResponse",
    "PreferenceRequest",
    "PreferenceResponse",
    "PresentStateResponse",
    "PreviewResponse",
    "ProblemResponse",
    "ProblemResponseStages",
    "ProfileResponse",
    "ProfileResponseProvenance",
    "ProvenanceResponse",
    "Publication",
    "PublicationMapping",
    "PublicationRenamed",
    "ReadResponse",
    "RecipientResponse",
    "RefreshRequest",
    "RefusalResponse",
    "RefusedMoveResponse",
    "RenewalResponse",
    "ReplayableStateEnum",
    "ReplayedResponse",
    "ReplayRequest",
    "ResultResponse",
    "RuleRefusalResponse",
    "SampleMessage",
    "SampleMessageData",
    "ScopesEnum",
    "SecretResponse",
    "SeverityEnum",
    "SourcedSupportResponse",
    "SourceResponse",
    "StageCountResponse",
    "StageSumResponse",
    "StartedResponse",
    "StayResponse",
    "SummaryResponse",
    "SumResponse",
    "SupportDataRequest",
    "SupportResponse",
    "TaskChangeRequest",
    "TaskPageResponse",
    "TaskRequest",
    "TaskResponse",
    "TenantSummaryResponse",
    "TestResponse",
    "TokenPair",
    "TokenTypeEnum",
    "UndoRequest",
    "UndoResponse",
    "UnpinFieldField",
    "WhyEnum",
    "WrittenNoteResponse",
)
