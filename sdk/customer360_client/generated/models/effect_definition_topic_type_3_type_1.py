from enum import StrEnum


class EffectDefinitionTopicType3Type1(StrEnum):
    CHURN_FORECAST_REQUESTED = "churn.forecast.requested"
    RENEWAL_CAMPAIGN_REQUESTED = "renewal.campaign.requested"

    def __str__(self) -> str:
        return str(self.value)
