"""What is looked at on a page as it is shown in a browser: by axe-core (WCAG 2 A and AA), and by rules of our own."""

from pathlib import Path

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# In details that are closed what has ended stays in the list of animations.
CALM = """async () => {
  for (let calm = 0; calm < 5;) {
    await new Promise(requestAnimationFrame);
    calm = document.getAnimations().some((one) => one.playState !== "finished") ? 0 : calm + 1;
  }
}"""
# However long an answer takes on a busy machine, a press lasts until it ends (static/c360/pressing.js).
PATIENT_PRESS = (
    "const start = window.setTimeout; window.setTimeout = (work, after) => after === 3000 ? 0 : start(work, after)"
)
# Says on the page itself that the stream has said something to it.
HEARD = """window.EventSource = class extends EventSource {
  constructor(...given) {
    super(...given);
    for (const name of ["changed", "bell"]) {
      this.addEventListener(name, () => { document.body.classList.add(`heard-${name}`); });
    }
  }
}"""
# Only what is asserted leaves the page: all that axe found, with every node that is well, is megabytes. Preloading
# would write imported style sheets into the page, which the policy of some pages forbids.
RUN = """async ([part, rules]) => {
  const found = await axe.run(part, {runOnly: rules, preload: false, resultTypes: ["violations"]});
  const tell = (node) => [node.html.slice(0, 160), ...node.any.map((one) => one.message)];
  return {
    errors: found.violations.map(({id, nodes}) => [id, nodes.slice(0, 3).map(tell)]),
    passes: found.passes.length,
  };
}"""
# Whether anything is shown that was not, or in other colors, since this was last asked of the page. Sizes of letters
# count where they make other contrasts enough.
CHANGED = """() => {
  const isLarge = ({fontSize, fontWeight}) => parseFloat(fontSize) >= (fontWeight >= 700 ? 18.66 : 24);
  const look = (style) => [style.color, style.backgroundColor, style.backgroundImage, style.opacity, style.textShadow,
    style.filter, isLarge(style)].join();
  const before = window.c360Looks ??= new WeakMap();
  let changed = false;
  for (const one of document.querySelectorAll("*")) {
    if (!one.checkVisibility({visibilityProperty: true})) continue;
    const now = look(getComputedStyle(one));
    changed ||= before.get(one) !== now;
    before.set(one, now);
  }
  return changed;
}"""
# Colors that a width of the screen changes in dark alone.
DARK_ALONE = """() => {
  const words = (rule, above) => `${above} ${rule.media?.mediaText ?? ""} ${rule.conditionText ?? ""}`;
  const is = (text) => text.includes("prefers-color-scheme") && /width|orientation|aspect/.test(text);
  const find = (rules, above) => [...rules].flatMap((rule) => [
    ...(is(words(rule, above)) ? [words(rule, above)] : []),
    ...(rule.cssRules ? find(rule.cssRules, words(rule, above)) : []),
  ]);
  return [...document.styleSheets].flatMap((sheet) => find(sheet.cssRules, sheet.media.mediaText));
}"""
# What the width of the screen decides where it shows nothing new: what is hidden names nothing and leads nowhere.
DECIDED_BY_WIDTH = [
    *("target-size", "scrollable-region-focusable", "aria-hidden-focus", "skip-link", "bypass", "region"),
    *("button-name", "link-name", "input-button-name", "select-name", "label", "label-title-only", "image-alt"),
    *("aria-command-name", "aria-dialog-name", "aria-input-field-name", "aria-toggle-field-name", "role-img-alt"),
    *("empty-heading", "empty-table-header", "heading-order", "page-has-heading-one", "landmark-one-main"),
    *("landmark-unique", "svg-img-alt", "summary-name"),
]
WIDTH = "document.documentElement.scrollWidth"
SMALL_TARGETS = """() => [...document.querySelectorAll("main a, main button")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 24)
  .map((one) => `${one.outerHTML.slice(0, 90)}: ${one.getBoundingClientRect().height}`)"""
BROKEN_WORDS = """() => {
  const broken = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.parentElement.checkVisibility() || node.parentElement.closest(".visually-hidden, caption")) continue;
    for (const found of node.data.matchAll(/[\\p{L}\\p{N}]+/gu)) {
      const range = document.createRange();
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) broken.push(found[0]);
    }
  }
  return broken;
}"""
DURATIONS = "[...new Set([...document.querySelectorAll('*')].map((one) => getComputedStyle(one).transitionDuration))]"
PLAIN_LINKS = """() => [...document.querySelectorAll("#content :is(td, th[scope=row], p, li) a")]
  .filter((one) => !one.matches(".button, [role=button]"))
  .filter((one) => one.checkVisibility() && !one.closest(".object-tools, .submit-row, .paginator, thead"))
  .filter((one) => !getComputedStyle(one).textDecorationLine.includes("underline"))
  .map((one) => one.outerHTML.slice(0, 120))"""
# What a printed page shows beside its content, and where that begins.
BESIDE = """() => {
  const isSeen = (one) => {
    const {width, height} = one.getBoundingClientRect();
    return width > 0 && height > 0 && one.checkVisibility({visibilityProperty: true});
  };
  const seen = (selector) => [...document.querySelectorAll(selector)].filter(isSeen);
  return {
    beside: seen(".side, .skip, .filters, .views, #change-stage, .toasts").map((one) => one.outerHTML.slice(0, 100)),
    headings: seen("h1").length,
    isAtTheEdge: document.querySelector("main").getBoundingClientRect().left < 40,
  };
}"""
PRINTED = """() => {
  const seen = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility());
  const contrast = (one) => getComputedStyle(one).color;
  return {
    pressed: seen("button, .btn, .side, .filters, .tabs, .entry-link, [type=submit]")
      .map((one) => one.outerHTML.slice(0, 100)),
    width: document.documentElement.scrollWidth,
    wide: seen("body *").filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
      .filter((one) => !one.closest(".visually-hidden")).map((one) => one.outerHTML.slice(0, 100)).slice(0, 5),
    clipped: seen("main *").filter((one) => one.scrollWidth > one.clientWidth + 1
      && ["auto", "scroll", "hidden"].includes(getComputedStyle(one).overflowX)
      && !one.closest(".visually-hidden, svg, caption")).map((one) => one.outerHTML.slice(0, 100)),
    ink: [...new Set(seen("main a").map(contrast))],
    plain: seen("main a").filter((one) => !getComputedStyle(one).textDecorationLine.includes("underline"))
      .map((one) => one.outerHTML.slice(0, 100)),
    heads: seen("thead").map((one) => getComputedStyle(one).display),
  };
}"""
# From right to left: where the sides are, and every list or field that does not begin at the right.
MIRRORED = """() => {
  document.documentElement.dir = "rtl";
  const at = (selector) => document.querySelector(selector).getBoundingClientRect();
  const lists = [...document.querySelectorAll("main :is(ul, ol, dd, dl)")].filter((one) => one.checkVisibility());
  const isLeft = ({paddingLeft, paddingRight, marginLeft, marginRight}) =>
    parseFloat(paddingLeft) > parseFloat(paddingRight) + 1 || parseFloat(marginLeft) > parseFloat(marginRight) + 1;
  const found = {
    side: at(".side").left,
    main: at("main").right,
    text: getComputedStyle(document.querySelector("main")).direction,
    left: lists.filter((one) => isLeft(getComputedStyle(one))).map((one) => one.outerHTML.slice(0, 120)),
  };
  document.documentElement.dir = "ltr";
  return found;
}"""


def assert_accessible(page, what, *, part="html"):
    """Run axe on the page as it is, without motion: all rules in light, and in dark the one that colors decide."""
    for scheme, rules in (("light", RULES), ("dark", ["color-contrast"])):
        assert not (errors := find_errors(page, scheme, rules, part=part)), (what, scheme, errors)


def assert_accessible_across(page, what, *widths, part="html"):
    """``assert_accessible`` at each width, where no page is wider than the screen; in the end the first one again."""
    assert (found := find_errors_across(page, *widths, part=part)) == {}, (what, found)
    for width in reversed(widths):
        set_width(page, width)
        assert page.evaluate(WIDTH) <= width, (what, width)


def find_errors_across(page, *widths, part="html"):
    """What axe complains about, as ``assert_accessible``, at each width of the screen: by width and color scheme.

    At the first width all is judged. At the others all is judged where anything else is shown, or in other colors; else
    what they decide.
    """
    found = {}
    for number, width in enumerate(widths):
        page.emulate_media(media="screen", color_scheme="light", reduced_motion="reduce")
        set_width(page, width)
        page.evaluate(CALM)
        if page.evaluate(CHANGED) or number == 0 or page.evaluate(DARK_ALONE):
            found[width, "light"] = find_errors(page, "light", RULES, part=part)
            found[width, "dark"] = find_errors(page, "dark", ["color-contrast"], part=part)
        else:
            found[width, "light"] = find_errors(page, "light", DECIDED_BY_WIDTH, part=part)
    return {where: errors for where, errors in found.items() if errors}


def find_errors(page, scheme, rules, *, part="html"):
    """What axe complains about in a color scheme."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.evaluate(CALM)
    found = page.evaluate(RUN, [part, rules])
    assert found["passes"], (page.url, scheme)
    return found["errors"]


def set_width(page, width, *, height=900):
    """Lay the page out for a screen of that width: a busy browser does so a while after it was asked to."""
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("async (width) => { while (innerWidth !== width) await new Promise(requestAnimationFrame); }", width)


def is_dark(color):
    """Whether ``rgb(23, 28, 48)`` is read on white paper."""
    red, green, blue = (int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(", "))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128
