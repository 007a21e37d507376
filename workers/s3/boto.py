"""Creates the worker's S3 clients with boto3. The ingress creates its own with botocore: boto3 imports s3transfer."""

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.session import Session

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def create_with_boto3(session: Session, config: Config) -> "S3Client":
    """Create a client as ``open_client`` takes it."""
    return boto3.session.Session(botocore_session=session).client("s3", config=config)
