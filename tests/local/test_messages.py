"""What marks a sentence for translation is found, and what would be missed is said."""

from pathlib import Path

import pytest

from local import messages


def test_sentences_of_code_and_templates_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "pages.py").write_text(
        "from django.utils.translation import gettext as _\n"
        "from django.utils.translation import ngettext_lazy\n"
        'ONE, MORE = _("A gate."), ngettext_lazy("%(n)s gate", "%(n)s gates", "n")\n'
    )
    (folder / "page.html").write_text(
        '<p title="it\'s">\n    {% translate "A window." %}\n'
        "  {% blocktranslate count n=panes %}{{ n }} pane{% plural %}{{ n }} panes{% endblocktranslate %}</p>\n"
    )
    monkeypatch.setattr(messages, "PROJECT", tmp_path)
    monkeypatch.setattr(messages, "SOURCES", ("web",))
    found = {message.id for message in messages.read_sentences() if message.id}
    assert found == {"A gate.", ("%(n)s gate", "%(n)s gates"), "A window.", ("%(n)s pane", "%(n)s panes")}
    assert list(messages.find_renamed()) == []


def test_a_function_under_another_name_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sentences would be found by no one, and stay English."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "pages.py").write_text("from django.utils.translation import ngettext as _n\n")
    monkeypatch.setattr(messages, "PROJECT", tmp_path)
    monkeypatch.setattr(messages, "SOURCES", ("web",))
    (said,) = messages.find_renamed()
    assert said.startswith("web/pages.py: sentences in _n()")
