"""Where a secret could show."""

import pickle
import traceback


def whole_story(error: BaseException) -> str:
    """All that an error could show anybody: texts, attributes, causes and contexts."""
    told: list[str] = ["".join(traceback.format_exception(error)), str(error), repr(error), f"{error}"]
    seen: BaseException | None = error
    while seen is not None:
        told += [
            repr(seen.__dict__),
            repr(seen.args),
            repr(getattr(seen, "doc", "")),
            repr(getattr(seen, "object", "")),
        ]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(told) + repr(pickle.dumps(error))
