"""The least IAM policy for the customer's credentials, printed by ``stemvault doctor --policy``."""

from typing import Any

from config.settings import Settings


def least_policy(settings: Settings) -> dict[str, Any]:
    """Make the IAM policy document with the rights that ingress, fleet and doctor need, and no others.

    Held by ``test_every_operation_works_with_the_least_policy_alone``. The policy does not allow to delete
    archived objects. IAM has no right for overwriting alone: conditional writes (``If-None-Match``) prevent it.
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
                "Action": ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", *_for_arguments(settings)],
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
                # Without s3:ListBucket, S3 answers 403 instead of 404 for an object that does not exist.
                "Sid": "SeeWhatIsThere",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetLifecycleConfiguration"],
                "Resource": bucket,
            },
            *_for_encryption(settings),
        ],
    }


def _for_arguments(settings: Settings) -> list[str]:
    """Give the rights that ``S3_UPLOAD_ARGS`` needs.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
    """
    wanted = settings.s3_upload_args.keys()
    rights = {
        "s3:PutObjectAcl": any(name == "ACL" or name.startswith("Grant") for name in wanted),
        "s3:PutObjectLegalHold": "ObjectLockLegalHoldStatus" in wanted,
        "s3:PutObjectRetention": "ObjectLockMode" in wanted,
        "s3:PutObjectTagging": "Tagging" in wanted,
    }
    return [right for right, needed in rights.items() if needed]


def _for_encryption(settings: Settings) -> list[dict[str, Any]]:
    """Give the statement for the customer's own KMS key.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html: a multipart upload needs kms:Decrypt too.
    """
    key = settings.s3_upload_args.get("SSEKMSKeyId")
    if not isinstance(key, str):
        return []
    is_key_arn = key.startswith("arn:") and ":key/" in key
    resource = key if is_key_arn else f"arn:aws:kms:*:*:key/{'*' if 'alias/' in key else key}"
    actions = ["kms:GenerateDataKey", "kms:Decrypt"]
    return [{"Sid": "Encrypt", "Effect": "Allow", "Action": actions, "Resource": resource}]
