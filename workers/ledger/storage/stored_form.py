"""The compact form of a record in Redis, which keeps a task for a month: from Redis's hashes to records and back.

A callback's body is compressed, and a key leaves the task's id out. A task's record has its callbacks among its fields,
each under the SHA-256 of its body. A value that is absent or empty has no field.
"""

import base64
import dataclasses
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from workers.callbacks import Callback
from workers.callbacks.assets import AssetId
from workers.ledger.values.facts import ObjectFacts, PartialFile
from workers.ledger.values.lease import Lease
from workers.ledger.values.records import AssetRecord, CallbackRecord, TaskRecord, TaskSnapshot

#: The first character of a callback's field.
_CALLBACK = "#"
#: Replaces the task's id in a key. No key contains it.
_ID = "\n"
#: The texts that bodies have in common. Bodies are short JSON in few shapes, so the dictionary saves more than the
#: compression itself. zlib refers to its end most cheaply. The dictionary belongs to the ledger's format: another one
#: could not read older records (``test_a_body_packed_by_an_earlier_release_can_be_unpacked``).
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

#: How a value is read from its field, and written to it.
_Form = tuple[Callable[[str], Any], Callable[[Any], str]]
_Record = TaskRecord | AssetRecord | ObjectFacts | PartialFile
_TEXT: _Form = (str, str)
_COUNT: _Form = (int, str)
_NUMBER: _Form = (float, str)
_MARK: _Form = (bool, lambda marked: "1" if marked else "")
_LINES: _Form = (lambda text: tuple(text.splitlines()), "\n".join)
_JSON: _Form = (json.loads, lambda value: json.dumps(value) if value else "")

#: The fields of a task's hash, beside its callbacks and the names of its assets.
_TASK: dict[str, _Form] = {
    **dict.fromkeys(("family", "stage", "meaning", "message", "fail_code"), _TEXT),
    **dict.fromkeys(("rank", "code", "version", "written", "open"), _COUNT),
    "failed_tracks": _JSON,
    "notes": _LINES,
}
#: The fields of an asset's hash.
_ASSET: dict[str, _Form] = {
    **dict.fromkeys(("state", "url", "key", "source_name", "error", "owner", "partial"), _TEXT),
    **dict.fromkeys(("sha256", "content_type", "length", "found"), _TEXT),
    **dict.fromkeys(("order", "attempts", "streak", "crashes", "crashes_in_company", "lapses", "size"), _COUNT),
    **dict.fromkeys(("announced_seconds", "seconds", "deadline", "lease"), _NUMBER),
    **dict.fromkeys(("recorded_at", "started_at", "settled_at"), _NUMBER),
    **dict.fromkeys(("optional", "fresh", "final"), _MARK),
    "notes": _LINES,
}


def pack(body: str, task_id: str) -> str:
    """Compress the body of a task's callback into ASCII. The task's id is in the dictionary, as each body names it."""
    packer = zlib.compressobj(6, wbits=_RAW, zdict=_DICTIONARY + task_id.encode())
    return base64.b85encode(packer.compress(body.encode()) + packer.flush()).decode()


def unpack(text: str, task_id: str) -> str:
    """Undo ``pack``."""
    unpacker = zlib.decompressobj(wbits=_RAW, zdict=_DICTIONARY + task_id.encode())
    return (unpacker.decompress(base64.b85decode(text)) + unpacker.flush()).decode()


def field_of(digest: bytes) -> str:
    """Give the name of the field of the callback whose body has this SHA-256."""
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
    """Give the fields of a task's hash."""
    callbacks = {
        field_of(bytes.fromhex(each.sha256)): kept_callback(snapshot.task_id, each.received_at, each.body)
        for each in snapshot.callbacks
    }
    return {**_written(_TASK, snapshot.task), **callbacks, "assets": "\n".join(snapshot.assets)}


def latest_fields(callback: Callback) -> dict[str, object]:
    """Give the fields of a task's record that its latest callback sets; empty ones are left out."""
    fields = {
        "code": "" if callback.code is None else callback.code,
        "meaning": callback.meaning,
        "message": callback.message,
        "fail_code": callback.fail_code,
        "failed_tracks": json.dumps(callback.failed_tracks) if callback.failed_tracks else "",
    }
    return {name: value for name, value in fields.items() if value != ""}


def asset_fields(task_id: str, asset: AssetRecord) -> dict[str, str]:
    """Give the fields of an asset's hash."""
    fields = _written(_ASSET, asset)
    return {**fields, "key": short_key(fields["key"], task_id)} if "key" in fields else fields


def pairs_of(facts: ObjectFacts | PartialFile | None) -> list[str]:
    """Give further fields of an asset's hash as a script takes them: each name before its value."""
    if facts is None:
        return []
    written = _written({each.name: _ASSET[each.name] for each in dataclasses.fields(facts)}, facts)
    return [text for pair in written.items() for text in pair]


def asset_of(task_id: str, fields: Mapping[str, str]) -> AssetRecord:
    """Undo ``asset_fields``. A hash without fields gives a record without values."""
    values = _read(_ASSET, fields)
    if "key" in values:
        values = {"attempts": 0, **values, "key": whole_key(values["key"], task_id)}
    return AssetRecord(**values)


def task_of(fields: Mapping[str, str]) -> TaskRecord:
    """Read a task's hash, but its callbacks and the names of its assets."""
    return TaskRecord(**_read(_TASK, fields))


def lease_of(asset: AssetId, owner: str, fields: Mapping[str, str], *, queue_to_wake: str) -> Lease:
    """Read a lease from the hash of an asset that was just taken; ``owner`` and ``queue_to_wake`` are the lease's."""
    values = _read(_ASSET, fields)
    return Lease(
        id=asset,
        owner=owner,
        url=values["url"],
        key=whole_key(values["key"], asset.task_id),
        deadline=values["deadline"],
        attempts=values["attempts"],
        last_reason=values.get("error", ""),
        streak=values.get("streak", 0),
        announced_seconds=values.get("announced_seconds"),
        partial=values.get("partial", ""),
        seconds=values.get("seconds", 0.0),
        final=values.get("final", False),
        optional=values.get("optional", False),
        queue_to_wake=queue_to_wake,
    )


def names_in(fields: Mapping[str, str]) -> list[str]:
    """Give the names of the assets in a task's hash."""
    return sorted(fields.get("assets", "").split())


def snapshot_from(task_id: str, fields: Mapping[str, str], assets: Mapping[str, Mapping[str, str]]) -> TaskSnapshot:
    """Make a snapshot from the hashes of a task and of its assets."""
    callbacks = [
        _callback(task_id, name, value) for name, value in fields.items() if name.startswith(_CALLBACK) and value
    ]
    return TaskSnapshot(
        task_id,
        task_of(fields),
        sorted(callbacks, key=lambda each: each.received_at),
        {name: asset_of(task_id, asset) for name, asset in assets.items()},
    )


def _read(forms: Mapping[str, _Form], fields: Mapping[str, str]) -> dict[str, Any]:
    """Read the fields that a hash has. Fields of a later version are left out."""
    return {name: read(fields[name]) for name, (read, _) in forms.items() if name in fields}


def _written(forms: Mapping[str, _Form], record: _Record) -> dict[str, str]:
    """Undo ``_read``."""
    values = {name: getattr(record, name) for name in forms}
    texts = {name: forms[name][1](value) for name, value in values.items() if value is not None}
    return {name: text for name, text in texts.items() if text}


def _callback(task_id: str, field: str, value: str) -> CallbackRecord:
    received_at, _, packed = value.partition(" ")
    digest = base64.urlsafe_b64decode(field.removeprefix(_CALLBACK) + "=")
    return CallbackRecord(float(received_at), digest.hex(), unpack(packed, task_id))
