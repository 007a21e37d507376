"""The least that the customer's keys must be allowed: an IAM policy, printed by ``stemvault doctor --policy``."""

from typing import Any

from config.settings import Settings


def least_policy(settings: Settings) -> dict[str, Any]:
    """Make the IAM policy document under which ingress, fleet and doctor do all they do, and nothing else.

    Nothing that is archived can be deleted with it. That it cannot be overwritten either is no matter of
    rights in S3: there the write's own condition sees to it.
    """
    bucket = f"arn:aws:s3:::{settings.s3_bucket}"
    objects = f"{bucket}/{settings.s3_prefix}*"
    layout = settings.layout
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "KeepAndReadBack",
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"],
                "Resource": objects,
            },
            {
                "Sid": "ForgetWhatWasDrainedOrReplayed",
                "Effect": "Allow",
                "Action": "s3:DeleteObject",
                "Resource": [
                    f"{bucket}/{layout.inbox_key('*')}",
                    f"{bucket}/{layout.unrecognized_key('*')}",
                    f"{bucket}/{layout.partial_key(layout.prefix + '*')}",
                ],
            },
            {
                # Without it S3 answers 403 instead of 404 to the question for an object that is not there.
                "Sid": "SeeWhatIsThere",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetLifecycleConfiguration"],
                "Resource": bucket,
            },
        ],
    }
