"""What stages look like: the configured colour, turned into tints and texts that stay readable in light and in dark.

The formulas are those of WCAG 2.2: relative luminance and contrast ratio (4.5 for text, 3 for graphics).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from tenants.rules.configuration.policy import Policy

Rgb = tuple[int, int, int]

TEXT_CONTRAST = 4.6
GRAPHIC_CONTRAST = 3.1
WHITE: Rgb = (255, 255, 255)
BLACK: Rgb = (0, 0, 0)
# The surfaces of static/c360/tokens.css on which badges and bars lie.
LIGHT_SURFACE: Rgb = WHITE
DARK_SURFACE: Rgb = (20, 26, 41)
STEPS = 50


@dataclass(frozen=True, slots=True)
class Shades:
    """Colours of one stage on one surface, as ``#rrggbb``: badge, its text, and areas in pictures."""

    tint: str
    text: str
    fill: str


@dataclass(frozen=True, slots=True)
class StageColors:
    """One stage as pages show it. ``css_class`` is defined by the page's own style block."""

    name: str
    category: str
    css_class: str
    light: Shades
    dark: Shades


@lru_cache(maxsize=512)
def stage_colors(policy: Policy) -> Mapping[str, StageColors]:
    """The look of every stage of a configuration, in order; made once a version."""
    return {
        name: StageColors(
            name=name,
            category=policy.category(name),
            css_class=f"stage-{position}",
            light=shade(policy.color(name), LIGHT_SURFACE, strength=0.13, toward=BLACK),
            dark=shade(policy.color(name), DARK_SURFACE, strength=0.28, toward=WHITE),
        )
        for position, name in enumerate(policy.stages)
    }


def shade(color: str, surface: Rgb, *, strength: float, toward: Rgb) -> Shades:
    """The shades of ``color`` on ``surface``; a colour that is too close to it is moved ``toward`` black or white."""
    own = parse_color(color)
    tint = mix(surface, own, strength)
    return Shades(
        tint=format_color(tint),
        text=format_color(reach_contrast(own, tint, TEXT_CONTRAST, toward)),
        fill=format_color(reach_contrast(own, surface, GRAPHIC_CONTRAST, toward)),
    )


def reach_contrast(color: Rgb, ground: Rgb, ratio: float, toward: Rgb) -> Rgb:
    """The nearest mixture of ``color`` and ``toward`` that has at least this contrast with ``ground``."""
    for step in range(STEPS + 1):
        mixed = mix(color, toward, step / STEPS)
        if contrast(mixed, ground) >= ratio:
            return mixed
    return toward


def contrast(one: Rgb, other: Rgb) -> float:
    """The contrast ratio of two colours, from 1 to 21."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(color: Rgb) -> float:
    """Relative luminance, 0 for black to 1 for white."""
    red, green, blue = (_linear(channel / 255) for channel in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    """``share`` of ``other`` in ``one``."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def parse_color(text: str) -> Rgb:
    """``#rrggbb`` as numbers."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def format_color(color: Rgb) -> str:
    """Numbers as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
