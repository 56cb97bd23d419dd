"""Why an export cannot be made, ever: other than what passes by itself, and than faults of ours."""


class UnmakeableError(Exception):
    """Trying again makes no difference; the message says why, and what to ask for instead."""
