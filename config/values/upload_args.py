"""``STEMVAULT_S3_UPLOAD_ARGS``: further arguments of each write to S3, by boto3's names."""

import json
import re
from difflib import get_close_matches

#: The arguments that s3transfer allows for uploads, without those that reading the object would need too.
#: https://boto3.amazonaws.com/v1/documentation/api/latest/reference/customizations/s3.html#boto3.s3.transfer.S3Transfer.ALLOWED_UPLOAD_ARGS
_SHARED = frozenset(
    {
        "ACL",
        "BucketKeyEnabled",
        "GrantFullControl",
        "GrantRead",
        "GrantReadACP",
        "GrantWriteACP",
        "SSEKMSEncryptionContext",
        "SSEKMSKeyId",
        "ServerSideEncryption",
        "Tagging",
    }
)
#: For assets alone: manifests and callbacks in the bucket must stay readable, replaceable and deletable.
_ASSETS_ONLY = frozenset(
    {
        "CacheControl",
        "ContentDisposition",
        "ContentLanguage",
        "ObjectLockLegalHoldStatus",
        "ObjectLockMode",
        "ObjectLockRetainUntilDate",
        "StorageClass",
    }
)
_ALLOWED = _SHARED | _ASSETS_ONLY
_WHY_NOT = {
    "ChecksumAlgorithm": "Stemvault uses a checksum that the store compares",
    "ContentEncoding": "Stemvault sets it for each file",
    "ContentType": "Stemvault sets it for each file",
    "Expires": "use CacheControl",
    "ExpectedBucketOwner": "every request would need it, reading included",
    "Metadata": "Stemvault sets it for each file",
    "RequestPayer": "every request would need it, reading included",
    "SSECustomerAlgorithm": "reading objects back would need the key; use ServerSideEncryption",
    "SSECustomerKey": "reading objects back would need the key; use ServerSideEncryption",
    "SSECustomerKeyMD5": "reading objects back would need the key; use ServerSideEncryption",
    "WebsiteRedirectLocation": "objects are files, not pages",
}
#: Objects of these classes can be read only after a restore, and an object that is already under a key is read.
_ARCHIVES = {"DEEP_ARCHIVE", "GLACIER"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

UploadArgs = dict[str, str | bool]


def read_upload_args(value: object) -> UploadArgs:
    """Read the setting, a JSON object or a mapping that was read already. Raises ``ValueError`` with every fault."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise ValueError('write a JSON object, such as {"StorageClass": "STANDARD_IA"}')  # noqa: TRY004 - pydantic wants it
    faults = [fault for name, content in value.items() for fault in [_fault(name, content)] if fault]
    if faults:
        raise ValueError("; ".join(faults))
    return dict(value)


def of_documents(arguments: UploadArgs) -> UploadArgs:
    """Give the arguments that are sent with manifests and callbacks too."""
    return {name: content for name, content in arguments.items() if name in _SHARED}


def _fault(name: str, content: object) -> str:
    if name in _WHY_NOT:
        return f"{name} cannot be set: {_WHY_NOT[name]}"
    if name not in _ALLOWED:
        similar = get_close_matches(name, _ALLOWED, n=1)
        hint = f"did you mean {similar[0]}?" if similar else f"the allowed ones are {', '.join(sorted(_ALLOWED))}"
        return f"{name} is not an allowed upload argument; {hint}"
    advice = _advice(name, content)
    return f"{name}: {advice}" if advice else ""


def _advice(name: str, content: object) -> str:
    if name == "BucketKeyEnabled":
        return "" if isinstance(content, bool) else "write true or false"
    if not isinstance(content, str) or not content.isascii() or not content.isprintable() or not content:
        return "write a string of printable ASCII"
    if name == "StorageClass" and content in _ARCHIVES:
        return f"objects of class {content} can be read only after a restore; move them there by a lifecycle rule"
    if name == "ObjectLockRetainUntilDate" and not _MOMENT.fullmatch(content):
        return "write a time in UTC, for example 2030-12-31T00:00:00Z"
    return ""
