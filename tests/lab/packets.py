from deployments.sandbox.packets import *  # noqa: F403
