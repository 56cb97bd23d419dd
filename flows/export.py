"""The story of one export: from what somebody asked for to a file and its certificate.

It runs as a Prefect flow (`flows.deployed`), or inline; how the file itself is made is `flows.steps.making`.
"""

from catalog.errors import LeaseLostError
from catalog.exports import Export
from flows.process import Steps
from flows.steps.exporting import (
    Failed,
    Made,
    Make,
    Making,
    abort_what_was_left,
    conclude,
    cut,
    taking,
    what_failed,
)
from flows.steps.making import make as make_file
from flows.steps.working import STOPPED, Worker


async def export_replay(
    steps: Steps, worker: Worker, export_id: str, *, run: str | None = None, make: Make = make_file
) -> Export | None:
    """Make one export of the catalog, and tell there what came of it, whatever that is; how far it has come then.

    None if somebody else has it, or the run was replaced, or it is over. One that is cancelled meanwhile ends at once.
    Raises `UnknownExportError`, and `LeaseLostError` if the worker slept past its lease: then nothing was told.
    """
    grip = taking(worker, export_id, run)
    try:
        claim = await steps.run("claim", grip.take)
    except BaseException:
        grip.stop()
        raise
    if claim is None:
        return None
    with Making(worker, claim) as making:
        try:
            outcome = await _outcome(steps, worker, making, make)
            return await steps.run("conclude", conclude, worker, claim, outcome)
        except LeaseLostError:
            left = worker.catalog.exports.get(export_id)
            if not left.is_over:
                raise
            return left
        except Exception:
            raise
        except BaseException:
            making.hand_back(STOPPED)
            raise


async def _outcome(steps: Steps, worker: Worker, making: Making, make: Make) -> Made | Failed:
    try:
        if making.claim.export.tries > 1:
            await steps.run("clear", abort_what_was_left, worker, making)
        return Made(file=await steps.run("cut", cut, make, worker, making))
    except LeaseLostError:
        raise
    except Exception as error:  # noqa: BLE001 - every failure is told to the catalog
        return what_failed(error, making.claim.export)
