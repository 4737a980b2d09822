"""Requests of a page that are answered when the test says so."""

import re


class Held:
    """The first ``most`` requests that scripts of the page make for such an address, each until it is answered."""

    def __init__(self, page, address, *, most=1):
        self.page, self.most, self.routes = page, most, []
        page.route(re.compile(address), self._take)

    def _take(self, route):
        request = route.request
        is_wanted = request.resource_type == "xhr"
        if is_wanted and len(self.routes) < self.most:
            self.routes.append(route)
        else:
            route.fallback()

    def wait(self, number=1):
        """The request of that number, once it was made."""
        for _ in range(1200):
            if len(self.routes) >= number:
                return self.routes[number - 1]
            self.page.wait_for_timeout(50)
        raise AssertionError("nothing was asked")
