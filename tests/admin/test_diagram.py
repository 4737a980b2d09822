"""The picture of a lifecycle holds every stage and transition, marks what changes, and says the same in words."""

import xml.etree.ElementTree as ElementTree

from lifecycle.admin.configuration.diagram import draw_svg, place_stages
from lifecycle.admin.configuration.diagram_words import describe_diagram
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.policy import compile_policy
from tenants.rules.configuration.starters import STARTERS

LIVE = compile_policy(
    parse_configuration(
        {"stages": ["Lead", "Active", "Gone"], "transitions": {"Lead": ["Active"], "Active": ["Gone"]}}
    ),
    1,
)
DRAFT = compile_policy(
    parse_configuration({"stages": ["Lead", "Active", "New <b>"], "transitions": {"Lead": ["Active", "New <b>"]}}), 2
)


def test_a_diagram_holds_every_stage_once_and_every_transition() -> None:
    policy = compile_policy(parse_configuration(dict(STARTERS["saas-subscription"].document)), 1)
    diagram = place_stages(policy)
    assert sorted(node.name for node in diagram.nodes) == sorted(policy.stages)
    assert len(diagram.edges) == sum(len(policy.allowed_from(stage)) for stage in policy.stages)
    assert len({(node.x, node.y) for node in diagram.nodes}) == len(diagram.nodes), "no stage covers another"
    assert all(node.x >= 0 and node.x < diagram.width and node.y < diagram.height for node in diagram.nodes)


def test_a_draft_shows_what_it_adds_and_removes() -> None:
    diagram = place_stages(DRAFT, live=LIVE, customers={"Lead": 7, "Gone": 2})
    assert {node.name: node.state for node in diagram.nodes} == {
        "Lead": "kept",
        "Active": "kept",
        "New <b>": "added",
        "Gone": "removed",
    }
    assert {(edge.origin, edge.target): edge.state for edge in diagram.edges} == {
        ("Lead", "Active"): "kept",
        ("Lead", "New <b>"): "added",
        ("Active", "Gone"): "removed",
    }
    assert {node.name: node.customers for node in diagram.nodes} == {"Lead": 7, "Active": 0, "New <b>": 0, "Gone": 2}


def test_a_renamed_stage_is_neither_added_nor_removed() -> None:
    renamed = compile_policy(
        parse_configuration(
            {"stages": ["First", "Active", "Gone"], "transitions": {"First": ["Active"], "Active": ["Gone"]}}
        ),
        2,
    )
    diagram = place_stages(renamed, live=LIVE, renamed={"Lead": "First"}, customers={"Lead": 4})
    assert {node.state for node in diagram.nodes} == {"kept"}
    assert {edge.state for edge in diagram.edges} == {"kept"}
    assert {node.name: node.customers for node in diagram.nodes}["First"] == 4


def test_a_new_stage_with_the_former_name_of_another_has_none_of_its_customers() -> None:
    policy = compile_policy(parse_configuration({"stages": ["First", "Lead", "Active", "Gone"]}), 2)
    diagram = place_stages(policy, live=LIVE, renamed={"Lead": "First"}, customers={"Lead": 4})
    assert {node.name: (node.state, node.customers) for node in diagram.nodes} == {
        "First": ("kept", 4),
        "Lead": ("added", 0),
        "Active": ("kept", 0),
        "Gone": ("kept", 0),
    }


def test_the_picture_is_well_formed_and_escapes_what_people_wrote() -> None:
    svg = draw_svg(place_stages(DRAFT, live=LIVE), title='A "draft" <of> it')
    root = ElementTree.fromstring(svg)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "New <b>" in texts
    assert "style=" not in svg
    assert "<script" not in svg


def test_the_words_say_what_the_picture_shows() -> None:
    words = describe_diagram(place_stages(DRAFT, live=LIVE, customers={"Lead": 7, "Gone": 2}))
    assert "“Lead” (Acquisition, 7 customers) leads to “Active” and “New <b>”. New customers begin here." in words
    assert any(
        sentence.startswith("“Gone” (") and sentence.endswith(", 2 customers) is removed.") for sentence in words
    )
    assert "From “Active” to “Gone” is no longer possible." in words
    assert "From “Lead” to “New <b>” becomes possible." in words
