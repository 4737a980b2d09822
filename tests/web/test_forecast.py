"""The pages and the API say of a forecast what it is, how good it is, and nothing where it is not better."""

import csv
import datetime as dt
import io
from dataclasses import replace

import pytest

from lifecycle.models import Customer, CustomerForecast, CustomerLifecycleStatus, ForecastFit
from lifecycle.rules.forecast.tables import Bin, Cell, Proof
from lifecycle.web.forecast_page import PARTS, calibration_chart
from tenants.context import tenant_context
from tenants.models import User
from tests.factories import CustomerFactory
from tests.web.conftest import text_of

NOW = dt.datetime(2026, 6, 1, 3, tzinfo=dt.UTC)
BINS = (
    *(Bin(100, number, number / 100, number / 100, 0.0, 0.2) for number in range(9)),
    Bin(100, 60, 0.9, 0.6, 0.5, 0.69),
)
PROOF = Proof(6, 1000, 3, 80, 2.5, True, 0.0512, 0.0643, 0.0711, 6.5, 3.1667, BINS)
FOUND = {"fit": 180, "needed_to_fit": 150, "test": 80, "needed_to_test": 50, "landmarks": 20, "customers": 1234}
POINTS = {"stage": 0.102, "satisfaction": 0.084, "time_in_stage": -0.033, "moves": 0.001}


def keep(tenant, state, *, proof=PROOF, found=FOUND):
    with tenant_context(tenant.id):
        ForecastFit.objects.create(
            tenant_id=tenant.id,
            made_at=NOW,
            state=state,
            found=found,
            proof=proof.to_document() if proof else None,
            finished_at=NOW,
        )


@pytest.fixture
def likely(tenant, db):
    """A customer with a forecast."""
    customer = CustomerFactory(tenant=tenant, name="Nimbus Retail")
    with tenant_context(tenant.id):
        status = CustomerLifecycleStatus.objects.get(tenant_id=tenant.id, customer_id=customer.id)
        CustomerForecast.objects.create(
            tenant_id=tenant.id,
            customer_id=customer.id,
            made_at=NOW,
            sequence=status.version,
            chance=0.234,
            low=0.151,
            high=0.334,
            typical=0.08,
            points=POINTS,
        )
    return customer


def test_a_customer_s_page_says_the_chance_and_what_it_is_made_of(tenant, likely, page_client, api_client):
    keep(tenant, ForecastFit.SHOWN)
    said = text_of(page_client("viewer").get(f"/customers/{likely.id}"))
    assert "The chance of churn within 90 days is 23%, with 95% confidence between 15% and 33%." in said
    assert "Compared with a typical customer (8%), in points:" in said and "because" not in said
    # They add up to 15.
    assert "+10 Stage" in said and "+8 Satisfaction" in said and "−3 Time in stage" in said
    assert "Stage changes so far" not in said and "The stage has changed since" not in said
    body = api_client("viewer").get(f"/api/v1/customers/{likely.id}/forecast").json()
    assert (body["state"], body["chance"], body["low"], body["high"]) == ("shown", 0.234, 0.151, 0.334)
    assert {one["factor"]: one["points"] for one in body["parts"]} == POINTS and body["is_current"] is True
    with tenant_context(tenant.id):
        CustomerForecast.objects.filter(tenant_id=tenant.id).update(sequence=0)
    assert "The stage has changed since" in text_of(page_client("viewer").get(f"/customers/{likely.id}"))


def test_insight_says_the_same_day_as_the_customer_s_page_where_one_looks(tenant, likely, page_client, users):
    keep(tenant, ForecastFit.SHOWN)
    with tenant_context(tenant.id):
        User.objects.filter(id=users.viewer.id).update(time_zone="America/New_York")
    client = page_client("viewer")
    assert "Made 31 May 2026, 23:00 EDT" in text_of(client.get(f"/customers/{likely.id}"))
    assert "Made on 31 May 2026 from" in text_of(client.get("/insight/forecast"))


@pytest.mark.parametrize("state", [None, ForecastFit.HIDDEN, ForecastFit.TOO_LITTLE])
def test_where_it_is_not_better_no_chance_is_shown_anywhere(tenant, likely, page_client, api_client, state):
    if state:
        keep(tenant, state, proof=PROOF if state == ForecastFit.HIDDEN else None)
    client = page_client("account_manager")
    assert "The chance of churn" not in text_of(client.get(f"/customers/{likely.id}"))
    page = text_of(client.get("/insight/forecast"))
    assert "Nimbus Retail" not in page
    sentence = {
        None: "No forecast has been made yet.",
        ForecastFit.HIDDEN: "Forecasts are hidden. On 6 months that it had not seen",
        ForecastFit.TOO_LITTLE: "it takes 150 customers that churned; there are 180.",
    }[state]
    assert sentence in page
    body = api_client("viewer").get(f"/api/v1/customers/{likely.id}/forecast").json()
    assert body["state"] == (state or "none") and body["chance"] is None and body["parts"] == []
    body = api_client("viewer").get("/api/v1/insight/forecast").json()
    assert body["state"] == (state or "none") and (body["proof"] is None) == (state != ForecastFit.HIDDEN)


def test_the_page_of_the_forecast_has_its_proof_and_whom_to_call_first(tenant, likely, page_client, api_client):
    keep(tenant, ForecastFit.SHOWN)
    client = page_client("viewer")
    page = client.get("/insight/forecast")
    said = text_of(page)
    assert "was better than stage and time in stage alone by more than chance: z is 2.50" in said
    assert f'href="/customers/{likely.id}"' in page.content.decode() and "23%" in said and "15–33%" in said
    assert "Made on 1 Jun 2026 from 1,234 customers, 20 months and 180 customers that churned" in said

    def rows(name):
        answer = client.get(f"/insight/forecast?csv={name}")
        return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))

    assert rows("forecast-proof")[1:] == [
        ["This forecast", "0.0512", "6.5"],
        ["Stage and time in stage", "0.0643", "3.2"],
        ["The same chance for everyone", "0.0711", "–"],
    ]
    bins = rows("forecast-calibration")
    assert len(bins) == 11 and bins[-1] == ["10", "100", "60", "90.0%", "60.0%", "50.0–69.0%", "No"]
    proof = api_client("viewer").get("/api/v1/insight/forecast").json()["proof"]
    assert proof["brier"] == 0.0512 and proof["bins"][-1]["said"] == 0.9 and len(proof["bins"]) == 10
    assert "/insight/forecast" in client.get("/insight").content.decode()


def test_no_owner_in_the_file_of_whom_to_call_first_is_a_formula(tenant, likely, page_client):
    keep(tenant, ForecastFit.SHOWN)
    with tenant_context(tenant.id):
        Customer.objects.filter(id=likely.id).update(owner="=1+1", owner_key="=1+1")
    file = page_client("viewer").get("/insight/forecast?csv=forecast-highest").content.decode("utf-8-sig")
    ((name, _stage, owner, *_chance),) = list(csv.reader(io.StringIO(file)))[1:]
    assert (name, owner) == ("Nimbus Retail", "'=1+1")


def test_a_program_asks_for_the_customers_of_an_owner_or_a_segment_and_gets_the_list_behind_their_number(
    tenant, likely, api_client
):
    keep(tenant, ForecastFit.SHOWN)
    other = CustomerFactory(tenant=tenant, name="Aqua", owner="Zoë", segment="Enterprise")
    with tenant_context(tenant.id):
        row = CustomerForecast.objects.get(tenant_id=tenant.id, customer_id=likely.id)
        row.customer_id, row.chance, row.made_at = other.id, 0.5, NOW + dt.timedelta(days=2)
        row.save(force_insert=True)
    client = api_client("viewer")

    def ask(query):
        body = client.get(f"/api/v1/insight/forecast?{query}").json()
        names = [one["name"] for one in body["highest"]]
        link = body["customers"]["link"]
        listed = client.get(link).json() if link else {"total": 0, "results": []}
        assert listed["total"] == body["customers"]["count"] == len(listed["results"])
        assert listed["results"] == body["highest"]
        return names, round(body["expected_to_churn"], 3)

    period = "from=2026-06-01&to=2026-06-30"
    assert ask(period) == (["Aqua", "Nimbus Retail"], 0.734)
    assert ask(f"{period}&owner=zoë") == ask(f"{period}&segment=enterprise") == (["Aqua"], 0.5)
    assert ask("from=2026-06-01&to=2026-06-01") == (["Nimbus Retail"], 0.234)
    assert ask(f"{period}&owner=no-one") == ([], 0)
    answer = client.get("/api/v1/insight/forecast?from=soon&color=red").json()
    assert [one["parameter"] for one in answer["errors"]] == ["color"]


@pytest.mark.parametrize("state", [None, ForecastFit.HIDDEN, ForecastFit.TOO_LITTLE])
def test_where_it_is_not_better_a_program_gets_no_customer(tenant, likely, api_client, state):
    if state:
        keep(tenant, state)
    body = api_client("viewer").get("/api/v1/insight/forecast?from=2026-06-01&to=2026-06-30").json()
    assert (body["customers"], body["highest"]) == ({"count": 0, "link": None}, [])
    listed = api_client("viewer").get("/api/v1/insight/forecast/customers?from=2026-06-01&to=2026-06-30").json()
    assert (listed["total"], listed["results"]) == (0, [])


def test_the_calibration_of_some_months_is_made_of_their_rows_alone(tenant, api_client):
    months = ["2026-01-01", "2026-02-01", "2026-03-01"]
    cells = tuple((Cell(100, number, 100.0, 10.0, float(number)), Cell(0, 0, 0.0, 0.0, 0.0)) for number in (4, 8, 18))
    keep(tenant, ForecastFit.SHOWN, proof=replace(PROOF, cells=cells), found={**FOUND, "tested": months})
    client = api_client("viewer")

    def ask(query=""):
        body = client.get(f"/api/v1/insight/forecast/calibration{query}").json()
        return body["months"], [(one["rows"], one["churned"], one["said"], one["came"]) for one in body["bins"]]

    assert ask()[0] == months and len(ask()[1]) == 10
    assert ask("?from=2026-01-01&to=2026-02-28") == (months[:2], [(200, 12, 0.1, 0.06)])
    assert ask("?from=2026-01-02&to=2026-01-31") == ([], [])
    # The proof is of everyone.
    assert ask("?owner=zoë") == ask("?segment=smb&from=2026-01-01&to=2026-03-31") == ([], [])


def test_a_proof_of_before_months_were_kept_apart_has_its_calibration_as_a_whole(tenant, api_client):
    kept = {name: value for name, value in PROOF.to_document().items() if name != "cells"}
    assert Proof.from_document(kept) == PROOF
    keep(tenant, ForecastFit.SHOWN)
    client = api_client("viewer")
    whole = client.get("/api/v1/insight/forecast/calibration").json()
    assert (whole["months"], len(whole["bins"])) == ([], 10)
    assert client.get("/api/v1/insight/forecast/calibration?from=2026-01-01&to=2026-06-01").json()["bins"] == []


def test_another_tenant_has_neither_forecast_nor_proof(tenant, likely, other_users, page_client, api_client):
    keep(tenant, ForecastFit.SHOWN)
    page = text_of(page_client(other_users.viewer).get("/insight/forecast"))
    assert "No forecast has been made yet." in page and "Nimbus Retail" not in page
    assert api_client(other_users.viewer).get(f"/api/v1/customers/{likely.id}/forecast").status_code == 404


def test_every_part_has_a_name_and_a_chart_stays_on_its_paper():
    from lifecycle.rules.forecast.landmarks import FEATURES

    assert PARTS.keys() == {"stage", *FEATURES}
    for bins in (BINS, (), (Bin(9, 0, 0.0, 0.0, 0.0, 0.003),)):
        chart = calibration_chart(bins)
        assert len(chart.shapes) == 1 + len(bins)
        assert all(0 <= mark.x <= chart.width and 0 <= mark.y <= chart.height for mark in (*chart.below, *chart.beside))


def test_the_proof_has_its_numbers_as_the_reader_s_language_writes_them(tenant, likely, page_client):
    keep(tenant, ForecastFit.SHOWN)
    client = page_client("viewer", headers={"accept-language": "de"})
    said = text_of(client.get("/insight/forecast"))
    assert "z ist 2,50" in said and "mehr als 1,645 ist nötig" in said
    assert "0,0512" in said and "90,0 %" in said and "50,0–69,0 %" in said and "0.0512" not in said
    file = client.get("/insight/forecast?csv=forecast-proof").content.decode()
    assert "0.0512" in file and "0,0512" not in file
