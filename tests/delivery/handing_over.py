"""A mail, and a worker that hands it over."""

from django.core.mail import EmailMessage

from lifecycle.delivery.mail import send_mail

KEY = "<effect-1@c360.example.com>"


class HandOver:
    """What the worker does: commits, and says whether the mail is still its own to send."""

    def __init__(self, answer=True):
        self.calls = 0
        self.answer = answer

    def __call__(self):
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def a_mail(to="ada@customer.example", **options):
    return EmailMessage(
        **{
            "subject": "Your renewal — 3 weeks",
            "body": "Hello Ada,\n.\n..dots at the start\nBye\n",
            "from_email": "Acme Inc. <no-reply@c360.example.com>",
            "to": [to],
            "headers": {"Message-ID": KEY, "List-Unsubscribe": "<https://c360.example.com/u>"},
            **options,
        }
    )


# Longer than a busy machine needs for anything. What does not end by itself in time ends then.
PATIENCE = 60.0


def send(hand_over, message=None, *, seconds=PATIENCE):
    return send_mail(message or a_mail(), hand_over=hand_over, seconds=seconds)
