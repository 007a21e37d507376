"""Exits with 0 if the bucket's inbox has a callback of the task; runs in a fleet's container: ``inbox.py TASK``."""

import os
import sys

import boto3

_BUCKET = os.environ["STEMVAULT_S3_BUCKET"]
s3 = boto3.client("s3")

kept = s3.list_objects_v2(Bucket=_BUCKET, Prefix="_inbox/").get("Contents", [])
bodies = [s3.get_object(Bucket=_BUCKET, Key=item["Key"])["Body"].read().decode() for item in kept]
sys.exit(0 if any(sys.argv[1] in body for body in bodies) else f"not among the {len(bodies)} callbacks in the inbox")
