"""What is wrong with a file of customers: a message, said in one way for the command and in another on a page."""

from lifecycle.sentences import Refusal, say
from tenants.rules.messages import Message

# Messages that are said in another way where there are fields and no options.
_OTHERWISE_ON_PAGE = frozenset(
    {
        "encoding_is_utf8",
        "encoding_says_utf8",
        "no_encoding",
        "no_external_id",
        "several_encodings",
        "several_external_ids",
        "seven_bit",
        "unknown_format",
        "utf8_or_others",
    }
)


class ImportRefusal(Refusal):
    """A file, or what was said about it, that customers cannot be read from."""

    @property
    def page_message(self) -> Message:
        """What is said on a page."""
        name, params = self.message
        return Message(f"{name}_on_page", params) if name in _OTHERWISE_ON_PAGE else self.message

    @property
    def on_page(self) -> str:
        """The sentence for a page."""
        return say(self.page_message)
