"""Whatever colour an administrator picks, people can read it."""

import re
from pathlib import Path

from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.web.stage_colors import (
    BLACK,
    DARK_SURFACE,
    LIGHT_SURFACE,
    WHITE,
    contrast,
    format_color,
    parse_color,
    shade,
    stage_colors,
)
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.policy import compile_policy

colors = st.tuples(*[st.integers(0, 255)] * 3).map(format_color)


@given(colors)
def test_a_badge_is_readable_in_light_and_in_dark_whatever_its_colour(color):
    for surface, toward in ((LIGHT_SURFACE, BLACK), (DARK_SURFACE, WHITE)):
        shades = shade(color, surface, strength=0.2, toward=toward)
        assert contrast(parse_color(shades.text), parse_color(shades.tint)) >= 4.5
        assert contrast(parse_color(shades.fill), surface) >= 3


def test_a_colour_that_is_readable_is_left_as_it_is():
    assert shade("#7a271a", LIGHT_SURFACE, strength=0.13, toward=BLACK).text == "#7a271a"


def test_black_on_white_has_the_greatest_contrast_there_is():
    assert round(contrast(BLACK, WHITE), 2) == 21
    assert contrast(WHITE, WHITE) == 1


def test_every_stage_has_a_class_of_its_own_and_the_meaning_of_its_category():
    document = {"stages": ["Trial", "Live", "Wobbly"], "categories": {"Wobbly": "risk"}, "colors": {"Live": "#00ff00"}}
    looks = stage_colors(compile_policy(parse_configuration(document), 1))
    assert [(look.name, look.css_class, look.category) for look in looks.values()] == [
        ("Trial", "stage-0", "engaged"),
        ("Live", "stage-1", "engaged"),
        ("Wobbly", "stage-2", "risk"),
    ]
    assert looks["Live"].light.text != "#00ff00"


def test_no_stylesheet_takes_a_stage_its_color():
    """Which stage may not be chosen is said in words; its color still says which stage it is."""
    sheets = list((Path(settings.BASE_DIR) / "static/c360").glob("*.css"))
    assert len(sheets) > 8
    assert [path.name for path in sheets if re.search(r"grayscale|saturate\(", path.read_text())] == []
