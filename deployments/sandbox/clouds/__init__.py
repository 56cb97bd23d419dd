"""Amazon S3, Alibaba OSS and Tencent COS on loopback, for tests, proofs and the demo: see README.md for how faithfully.

Written from the stores' documents, signatures included: nothing of the SDKs or of `storage` is used, so that a mistake
there is not repeated here.
"""

from deployments.sandbox.clouds.accounts import Account
from deployments.sandbox.clouds.buckets import BucketRules, CorsRule
from deployments.sandbox.clouds.faults import Fault, FaultPlan
from deployments.sandbox.clouds.journal import Seen
from deployments.sandbox.clouds.server import Clouds

__all__ = ["Account", "BucketRules", "Clouds", "CorsRule", "Fault", "FaultPlan", "Seen"]
