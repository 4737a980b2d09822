"""What people recognize their sessions by."""

import pytest

from tenants.rules.browsers import mask_address, name_program


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox/Windows"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"
            " Safari/537.36 Edg/142.0.0.0",
            "Edge/Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0"
            " Safari/605.1.15",
            "Safari/macOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
            " CriOS/142.0.0.0 Mobile/15E148 Safari/604.1",
            "Chrome/iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile"
            " Safari/537.36",
            "Chrome/Android",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0"
            " Safari/537.36",
            "Chrome/Linux",
        ),
        ("python-requests/2.32.5", "Python"),
        ("curl/8.5.0", "curl"),
        ("customer360-client/1.0", "customer360-client"),
        ("<script>alert(1)</script>", ""),
        ("", ""),
        ("x" * 100_000 + " Firefox/1", ""),
    ],
)
def test_a_browser_is_called_what_people_call_it(agent, name):
    assert name_program(agent) == name


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("203.0.113.77", "203.0.•••"),
        ("2001:db8:12:34::", "2001:db8:•••"),
        ("::1", "0:0:•••"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_half_of_an_address_is_kept(address, masked):
    assert mask_address(address) == masked
