from deployments.sandbox.scene import *  # noqa: F403
