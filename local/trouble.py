"""What ends a command early: a problem said in one line, or a request to stop."""


class CannotStart(Exception):
    """Something is in the way. The message is one clear line: what is wrong and what to do about it."""

    status = 1


class NotAvailable(CannotStart):
    """This machine has not what is needed, or does not reach it; nothing is wrong with what was asked for."""

    # EX_UNAVAILABLE of sysexits.h
    status = 69


class StopRequested(Exception):
    """SIGTERM, SIGHUP or Ctrl-C arrived while waiting; everything started so far is to be stopped in order."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
