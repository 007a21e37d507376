"""The compact form of a record in Redis, as a task is kept for a month.

A callback's body is compressed, and a key leaves the task's id out. A task's record has its callbacks among its fields,
each under the SHA-256 of its body.
"""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

from workers.ledger.values.records import TaskSnapshot

#: The first character of a callback's field.
_CALLBACK = "#"
#: Replaces the task's id in a key. No key contains it.
_ID = "\n"
#: The texts that bodies have in common. Bodies are short JSON in few shapes, so the dictionary saves more than the
#: compression itself. zlib refers to its end most cheaply. The dictionary is a part of the ledger's format: another one
#: could not read older records (``test_what_was_packed_by_this_format_can_be_read_for_ever``).
_DICTIONARY = (
    b'"errorMessage": "", "successFlag": 1, "createTime": "createTime": "prompt": "tags": "title": "model_name": '
    b'"response": {"resultImageUrl": "originImageUrl": "resultUrls": ["state": "success", "resultJson": '
    b'"{\\"resultUrls\\":[\\"https://"video_info": {"videoId": "videoUrl": "imageUrl": "images": ["audioWavUrl": '
    b'"audio_wav_url": "midiData": "vocal_removal_info": {"vocal_removal_task_id": "origin_url": "instrumental_url": '
    b'"vocal_url": "backing_vocals_url": "bass_url": "brass_url": "drums_url": "fx_url": "guitar_url": '
    b'"keyboard_url": "percussion_url": "piano_url": "strings_url": "synth_url": "woodwinds_url": ".jpeg", ".mp4", '
    b'".wav", "audio_url": "source_audio_url": "stream_audio_url": "source_stream_audio_url": "image_url": '
    b'"source_image_url": "duration": "callbackType": "first", "callbackType": "text", "taskId": "video_url": '
    b'{"code": 400, "msg": "failed", "code": 200, "msg": "All generated successfully.", '
    b'{"code": 200, "msg": "success", "data": {"callbackType": "complete", "task_id": "https://cdn.", "https://", '
    b'.com/_url": "https://.mp3"}]}}'
)
#: Raw deflate, without header and checksum. Redis checks its other values no more than these.
_RAW = -15


def pack(body: str, task_id: str) -> str:
    """Compress the body of a task's callback into ASCII. The task's id is in the dictionary, as each body names it."""
    packer = zlib.compressobj(6, wbits=_RAW, zdict=_DICTIONARY + task_id.encode())
    return base64.b85encode(packer.compress(body.encode()) + packer.flush()).decode()


def unpack(text: str, task_id: str) -> str:
    """Undo ``pack``."""
    unpacker = zlib.decompressobj(wbits=_RAW, zdict=_DICTIONARY + task_id.encode())
    return (unpacker.decompress(base64.b85decode(text)) + unpacker.flush()).decode()


def field_of(digest: bytes) -> str:
    """Give the name of the field that holds the callback whose body has this SHA-256."""
    return _CALLBACK + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def kept_callback(task_id: str, received_at: float, body: str) -> str:
    """Give the field's value: the callback's time of arrival (unix seconds) and its compressed body."""
    return f"{received_at:.3f} {pack(body, task_id)}"


def short_key(key: str, task_id: str) -> str:
    """Write a key without the task's id."""
    return key.replace(task_id, _ID)


def whole_key(key: str, task_id: str) -> str:
    """Undo ``short_key``."""
    return key.replace(_ID, task_id)


def task_fields(snapshot: TaskSnapshot) -> dict[str, str]:
    """Give the fields of a task's record."""
    callbacks = {
        field_of(bytes.fromhex(each["sha256"])): kept_callback(snapshot.task_id, each["received_at"], each["body"])
        for each in snapshot.callbacks
    }
    return {**snapshot.task, **callbacks, "assets": "\n".join(snapshot.assets)}


def asset_fields(task_id: str, asset: Mapping[str, str]) -> dict[str, str]:
    """Give the fields of an asset's record."""
    return {**asset, "key": short_key(asset["key"], task_id)} if "key" in asset else dict(asset)


def asset_of(task_id: str, record: Mapping[str, str]) -> dict[str, str]:
    """Undo ``asset_fields``."""
    if "key" not in record:
        return dict(record)
    return {"attempts": "0", **record, "key": whole_key(record["key"], task_id)}


def names_in(record: Mapping[str, str]) -> list[str]:
    """Give the names of the assets in a task's record."""
    return sorted(record.get("assets", "").split())


def snapshot_from(task_id: str, record: Mapping[str, str], assets: Mapping[str, Mapping[str, str]]) -> TaskSnapshot:
    """Make a snapshot from the record of a task and those of its assets."""
    callbacks = [
        _callback(task_id, name, value) for name, value in record.items() if name.startswith(_CALLBACK) and value
    ]
    return TaskSnapshot(
        task_id,
        {name: value for name, value in record.items() if not name.startswith(_CALLBACK) and name != "assets"},
        sorted(callbacks, key=lambda each: each["received_at"]),
        {name: asset_of(task_id, asset) for name, asset in assets.items()},
    )


def _callback(task_id: str, field: str, value: str) -> dict[str, Any]:
    received_at, _, packed = value.partition(" ")
    digest = base64.urlsafe_b64decode(field.removeprefix(_CALLBACK) + "=")
    return {"received_at": float(received_at), "sha256": digest.hex(), "body": unpack(packed, task_id)}
