"""What several parts of the catalog rely on."""

import threading

from sqlalchemy import Connection

from catalog import rows
from catalog.index import Catalog
from catalog.model import State
from tests.catalog.steps import hear, recording_id, states


def test_a_locked_recording_is_changed_by_nobody_else(catalog: Catalog) -> None:
    hear(catalog, state=State.HINTED)
    other = threading.Thread(target=hear, args=(catalog,))

    def work(connection: Connection) -> str:
        rows.known(connection, recording_id(), lock=True)
        other.start()
        other.join(0.3)
        assert other.is_alive()
        return str(rows.known(connection, recording_id())["state"])

    assert catalog.database.write(work) == State.HINTED
    other.join()
    assert states(catalog) == ["hinted", "stopped"]
