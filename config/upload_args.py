"""``STEMVAULT_S3_UPLOAD_ARGS``: what else to tell S3 with each object, by boto3's names."""

import json
import re
from difflib import get_close_matches

#: Of the arguments that s3transfer allows for uploads, those that need nothing when the object is read.
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
#: For assets alone: manifests and what waits in the bucket are read, replaced and deleted.
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
    "ChecksumAlgorithm": "checksums are chosen by what the store compares",
    "ContentEncoding": "it is the file's own",
    "ContentType": "it is the file's own",
    "Expires": "write CacheControl",
    "ExpectedBucketOwner": "it would have to stand in every request, reading included",
    "Metadata": "it is the file's own",
    "RequestPayer": "it would have to stand in every request, reading included",
    "SSECustomerAlgorithm": "objects are read back, which would need the key; use ServerSideEncryption",
    "SSECustomerKey": "objects are read back, which would need the key; use ServerSideEncryption",
    "SSECustomerKeyMD5": "objects are read back, which would need the key; use ServerSideEncryption",
    "WebsiteRedirectLocation": "objects are files, not pages",
}
#: Objects of these classes cannot be read before they are restored, and what stands under a key already is read back.
_ARCHIVES = {"DEEP_ARCHIVE", "GLACIER"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

UploadArgs = dict[str, str | bool]


def read_upload_args(value: object) -> UploadArgs:
    """Read the setting, a JSON object, or a mapping that was made already. Raises ``ValueError`` with every fault."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"is no JSON ({error})") from None
    if not isinstance(value, dict):
        raise ValueError('write a JSON object, such as {"StorageClass": "STANDARD_IA"}')  # noqa: TRY004 - pydantic wants it
    faults = [fault for name, content in value.items() for fault in [_fault(name, content)] if fault]
    if faults:
        raise ValueError("; ".join(faults))
    return dict(value)


def of_documents(arguments: UploadArgs) -> UploadArgs:
    """Give those that also hold for manifests and for what waits in the bucket."""
    return {name: content for name, content in arguments.items() if name in _SHARED}


def _fault(name: str, content: object) -> str:
    if name in _WHY_NOT:
        return f"{name} cannot be set: {_WHY_NOT[name]}"
    if name not in _ALLOWED:
        similar = get_close_matches(name, _ALLOWED, n=1)
        hint = f"did you mean {similar[0]}?" if similar else f"there are {', '.join(sorted(_ALLOWED))}"
        return f"{name} is no upload argument; {hint}"
    advice = _advice(name, content)
    return f"{name}: {advice}" if advice else ""


def _advice(name: str, content: object) -> str:
    if name == "BucketKeyEnabled":
        return "" if isinstance(content, bool) else "write true or false"
    if not isinstance(content, str) or not content.isascii() or not content.isprintable() or not content:
        return "write a string of printable ASCII"
    if name == "StorageClass" and content in _ARCHIVES:
        return f"{content} cannot be read without restoring; move objects there by a lifecycle rule"
    if name == "ObjectLockRetainUntilDate" and not _MOMENT.fullmatch(content):
        return "write a moment in UTC as 2030-12-31T00:00:00Z"
    return ""
