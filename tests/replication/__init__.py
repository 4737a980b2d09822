"""A primary and its standby: reading from the one that follows, and going on when the other is gone."""
