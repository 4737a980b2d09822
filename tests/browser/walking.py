"""One walk over the pages: each is loaded once, and everything that is looked at on it is looked at then."""

from collections import defaultdict

from playwright.sync_api import expect

from tests.browser.looks import (
    BESIDE,
    BROKEN_WORDS,
    DURATIONS,
    MIRRORED,
    PLAIN_LINKS,
    PRINTED,
    SMALL_TARGETS,
    WIDTH,
    find_errors_across,
    is_dark,
    set_width,
)
from tests.messaging.waiting import await_that

# A sheet of A4 between its margins, as browsers print it.
PAPER, PAPER_HEIGHT = 718, 1000
PHONE, DESK = 390, 1280
MIRROR = 1440


class Walk:
    """Someone who goes from page to page, and what they found.

    ``looks`` says for each address what is looked at. Complaints are kept by the look, so that each proof has a test of
    its own, which says the page that fell.
    """

    def __init__(self, page, looks, *, widths_of_words):
        self.page, self.looks, self.widths_of_words = page, looks, widths_of_words
        self.found = defaultdict(dict)
        self.looked_at = defaultdict(list)
        self.printed_tables = 0

    def go(self, address):
        """Load a page, and take every look that is wanted at it."""
        wanted = {name for name, addresses in self.looks.items() if address in addresses}
        for name in wanted:
            self.looked_at[name].append(address)
        self.page.emulate_media(media="screen", color_scheme="light", reduced_motion="reduce")
        self.page.goto(address)
        if "motion" in wanted:
            self.complain("motion", address, [one for one in self.page.evaluate(DURATIONS) if one != "0s"])
        if "links" in wanted:
            self.complain("links", address, self.page.evaluate(PLAIN_LINKS))
        words = self.widths_of_words(address) if "words" in wanted else ()
        for width in sorted({*words, *((PHONE, DESK) if wanted & {"lists", "targets"} else ())}):
            set_width(self.page, width)
            self.look_across(address, width, wanted, has_words=width in words)
        if "axe" in wanted:
            self.look_by_axe(address)
        if "mirror" in wanted:
            set_width(self.page, MIRROR)
            self.look_at_the_mirror(address)
        if "beside" in wanted:
            set_width(self.page, DESK)
            self.look_beside_the_content(address)
        if "paper" in wanted:
            self.look_at_paper(address)

    def look_across(self, address, width, wanted, *, has_words):
        """What depends on the width of the screen."""
        where = (address, width)
        if "lists" in wanted and width in (PHONE, DESK):
            # Not wait_for_function: what does not hold at once it evaluates in the page, which the policy forbids.
            of_list, least = self.page.locator("#changelist"), 340 if width == PHONE else 900
            await_that(lambda: of_list.evaluate("one => one.getBoundingClientRect().width") > least, seconds=30)
        if has_words:
            self.complain("words", where, self.page.evaluate(BROKEN_WORDS))
        if has_words or "lists" in wanted:
            self.complain("width", where, [found for found in [self.page.evaluate(WIDTH)] if found > width])
        if "targets" in wanted and width in (PHONE, DESK):
            self.complain("targets", where, self.page.evaluate(SMALL_TARGETS))

    def look_by_axe(self, what):
        """Of the page as it is, at a desk and on a phone: at a desk there is more to see."""
        self.looked_at["axe"].append(what)
        self.complain("axe", what, find_errors_across(self.page, DESK, PHONE))

    def look_at_the_mirror(self, address):
        """The bar is on the right, and what it leads to ends where it begins; every list begins at the right."""
        found = self.page.evaluate(MIRRORED)
        edge = MIRROR - 240
        sides = (found["side"], found["main"], found["text"])
        self.complain("mirror", address, [] if sides == (edge, edge, "rtl") else [sides])
        self.complain("mirror", (address, "left"), found["left"])

    def look_beside_the_content(self, address):
        """On paper there is the content alone."""
        self.page.emulate_media(media="print", color_scheme="light")
        found = self.page.evaluate(BESIDE)
        alone = {"beside": [], "headings": 1, "isAtTheEdge": True}
        self.complain("beside", address, [] if found == alone else [found])

    def look_at_paper(self, address):
        """In the dark, too, paper is white."""
        set_width(self.page, PAPER, height=PAPER_HEIGHT)
        self.page.emulate_media(media="print", color_scheme="dark")
        found = self.page.evaluate(PRINTED)
        heads = found.pop("heads")
        fits = found.pop("width") <= PAPER
        found["ink"] = [color for color in found["ink"] if not is_dark(color)]
        found["heads"] = [display for display in heads if display != "table-header-group"]
        fell = {name: value for name, value in found.items() if value and (name != "wide" or not fits)}
        self.complain("paper", address, [] if fits and not fell else [fits, fell])
        self.printed_tables += len(heads)
        # As the browser itself prints it.
        self.complain("paper", (address, "PDF"), [] if self.page.pdf(format="A4").startswith(b"%PDF-") else ["no PDF"])

    def look_at_the_dialog(self, what):
        """The dialog in which a stage is changed: as it opens, and as it refuses."""
        set_width(self.page, MIRROR)
        self.page.emulate_media(media="screen", color_scheme="light")
        self.page.locator("#change-stage").click()
        dialog = self.page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        mirrored = "() => { const root = document.documentElement; root.dir = 'rtl'; const width = root.scrollWidth;"
        found = self.page.evaluate(f"{mirrored} root.dir = 'ltr'; return width; }}")
        self.complain("mirror", what, [found] if found > MIRROR else [])
        dialog.get_by_role("radio", name="Lost", exact=True).check()
        self.look_by_axe(what)
        dialog.get_by_role("button", name="Change stage").click()
        expect(dialog.get_by_role("alert")).to_be_visible()
        self.look_by_axe(f"{what} with a refusal")

    def complain(self, look, where, complaints):
        """Keep what was found, if anything was."""
        if complaints:
            self.found[look][where] = complaints
