"""What travels with a body so that the store can tell whether it arrived as it was sent."""

import base64
import hashlib

from awscrt.checksums import crc32c

_CRC_BYTES = 4


def checksums(body: bytes | memoryview, *, md5: bool) -> dict[str, str]:
    """Give boto3's arguments for a body: its CRC-32C, and its MD5 too if that is asked for.

    awscrt computes CRC-32C at 27 GB/s, hashlib MD5 at 0.7. So MD5 is for stores that look at nothing else. A bucket
    with Object Lock asks for the name of the algorithm.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
    """
    crc = base64.b64encode(crc32c(body).to_bytes(_CRC_BYTES)).decode()
    arguments = {"ChecksumAlgorithm": "CRC32C", "ChecksumCRC32C": crc}
    if md5:
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        arguments["ContentMD5"] = base64.b64encode(digest).decode()
    return arguments
