"""The picture of a lifecycle in words, for those who do not see it."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lifecycle.admin.configuration.diagram import Diagram, Edge, Node, count_customers
from tenants.rules.texts import shorten_text
from tenants.sentences import enumerate_names, write
from tenants.sentences.categories import name_category
from tenants.sentences.figures import say_number

MOST_SENTENCES = 100
LONGEST_LIST = 10


def describe_diagram(diagram: Diagram) -> list[str]:
    """A sentence a stage, then what the draft adds and removes."""
    leads_to: dict[str, list[str]] = {}
    for edge in diagram.edges:
        if edge.state != "removed":
            leads_to.setdefault(edge.origin, []).append(edge.target)
    present = sum(node.state != "removed" for node in diagram.nodes)
    sentences = [_describe_node(node, leads_to.get(node.name, []), present) for node in diagram.nodes]
    added = [edge for edge in diagram.edges if edge.state == "added"]
    removed = [edge for edge in diagram.edges if edge.state == "removed"]
    sentences += _describe_edges(added, "transition_added")
    if (more := len(added) - MOST_SENTENCES) > 0:
        sentences.append(
            ngettext("%(count)s more transition becomes possible.", "%(count)s more transitions become possible.", more)
            % {"count": say_number(more)}
        )
    sentences += _describe_edges(removed, "transition_removed")
    if (more := len(removed) - MOST_SENTENCES) > 0:
        sentences.append(
            ngettext(
                "%(count)s more transition is no longer possible.",
                "%(count)s more transitions are no longer possible.",
                more,
            )
            % {"count": say_number(more)}
        )
    return sentences


def _describe_node(node: Node, targets: Sequence[str], present: int) -> str:
    about = name_category(node.category)
    if node.customers is not None:
        about = f"{about}, {count_customers(node.customers)}"
    params = {"stage": shorten_text(node.name), "about": about, "targets": enumerate_names(targets)}
    if node.state == "removed":
        return _("“%(stage)s” (%(about)s) is removed.") % params
    if len(targets) == present - 1 > LONGEST_LIST:
        sentence = _("“%(stage)s” (%(about)s) leads to every other stage.")
    elif targets:
        sentence = _("“%(stage)s” (%(about)s) leads to %(targets)s.")
    else:
        sentence = _("“%(stage)s” (%(about)s) leads nowhere.")
    if node.state == "added":
        sentence = _("New: %(sentence)s") % {"sentence": sentence}
    words = sentence % params
    return f"{words} {_('New customers begin here.')}" if node.is_initial else words


def _describe_edges(edges: Sequence[Edge], message: str) -> list[str]:
    return [write(message, {"stage": edge.origin, "to": edge.target}) for edge in edges[:MOST_SENTENCES]]
