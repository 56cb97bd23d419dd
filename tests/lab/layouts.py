from deployments.sandbox.layouts import *  # noqa: F403
