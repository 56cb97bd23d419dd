"""A database whose time passes when a test says so: the true time of the server and an offset."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from catalog.database import PATIENCE, Database


class LeapingDatabase(Database):
    """As `Database`, hours later where a test wants that."""

    def __init__(self, url: str, *, patience: timedelta = PATIENCE) -> None:
        super().__init__(url, patience=patience)
        self._passed = timedelta()

    def pass_by(self, time: timedelta) -> None:
        """It is that much later from now on."""
        self._passed += time

    def now(self, connection: Connection) -> datetime:
        """Of the server, later."""
        return super().now(connection) + self._passed
