"""What happens to a recorder, in the order in which a vendor may speak of it. Called from the recorder's thread."""

from deployments.sandbox.vendors.files import RecordedFile


class Story:
    """A vendor says what it has a word for, and leaves out the rest. Seconds are those of the recording."""

    def on_started(self) -> None:
        """It records from now on."""

    def on_listed(self, file: RecordedFile) -> None:
        """Its playlist was uploaded for the first time."""

    def on_feed(self, file: RecordedFile, begin_s: float) -> None:
        """A source came, or came back."""

    def on_gone(self, file: RecordedFile, end_s: float) -> None:
        """A source went away."""

    def on_failover(self) -> None:
        """Another recorder took over."""

    def on_nobody(self, second: int) -> None:
        """Nobody published in this second."""

    def on_left(self) -> None:
        """It has left the room, and uploads what is left."""

    def on_finished(self) -> None:
        """All is uploaded, so far as the vendor says so."""
