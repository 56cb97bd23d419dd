from deployments.sandbox.cutting import *  # noqa: F403
