"""What a browser says of itself, and an address, in the few words that its owner knows it by.

Nothing of what was sent is kept as it was: only names of these lists, and half of the address.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

# In this order: each of them also claims to be those that come after it.
BROWSERS: Final = (
    ("Edge", re.compile(r"\bEdg(?:e|A|iOS)?/")),
    ("Opera", re.compile(r"\bOPR/|\bOpera/")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("Firefox", re.compile(r"\bFirefox/|\bFxiOS/")),
    ("Chrome", re.compile(r"\b(?:Headless)?Chrome/|\bCriOS/")),
    ("Safari", re.compile(r"\bSafari/")),
)
SYSTEMS: Final = (
    ("iPhone", re.compile(r"\biPhone\b")),
    ("iPad", re.compile(r"\biPad\b")),
    ("Android", re.compile(r"\bAndroid\b")),
    ("Windows", re.compile(r"\bWindows\b")),
    ("macOS", re.compile(r"\bMac OS X\b|\bMacintosh\b")),
    ("ChromeOS", re.compile(r"\bCrOS\b")),
    ("Linux", re.compile(r"\bLinux\b")),
)
# Of programs: those that many write their clients with.
PROGRAMS: Final = (
    ("customer360-client", re.compile(r"\bcustomer360-client/")),
    ("Python", re.compile(r"\bpython-requests/|\bpython-httpx/|\bPython-urllib/|\baiohttp/|\bpython-urllib3/")),
    ("curl", re.compile(r"^curl/")),
    ("Node.js", re.compile(r"^node\b|\baxios/|\bundici\b")),
    ("Go", re.compile(r"^Go-http-client/")),
    ("Java", re.compile(r"\bJava/|\bJava-http-client/|\bokhttp/")),
    ("Postman", re.compile(r"\bPostmanRuntime/")),
)
LONGEST_AGENT: Final = 1024
HIDDEN: Final = "•••"
BETWEEN: Final = "/"


@dataclass(frozen=True, slots=True)
class Visitor:
    """From where somebody comes: a masked address, and browser and system, or the kind of program, or ''."""

    address: str
    program: str


def name_program(agent: str) -> str:
    """``Firefox/Windows``, ``Python``, ``Chrome``; '' for what is not known. At most 60 characters."""
    agent = agent[:LONGEST_AGENT]
    browser, system = _find(BROWSERS, agent), _find(SYSTEMS, agent)
    if browser:
        return f"{browser}{BETWEEN}{system}" if system else browser
    return _find(PROGRAMS, agent)


def mask_address(address: str) -> str:
    """Enough to recognize a network by, and not enough to find a person: ``203.0.•••``, ``2001:db8:•••``."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return f"{'.'.join(str(parsed).split('.')[:2])}.{HIDDEN}"
    first, second, *_ = parsed.exploded.split(":")
    return f"{int(first, 16):x}:{int(second, 16):x}:{HIDDEN}"


def _find(names: tuple[tuple[str, re.Pattern[str]], ...], agent: str) -> str:
    return next((name for name, sign in names if sign.search(agent)), "")
