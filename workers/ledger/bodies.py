"""A callback's body as the ledger keeps it: compressed, since a task is kept for a month.

Bodies are short JSON in few shapes, so a dictionary of what they have in common saves more than the compression
itself. It is a part of the ledger's format: another dictionary could not read what was written with this one.
"""

import base64
import zlib

#: What comes last is the cheapest to refer to.
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
#: Without header and checksum, which Redis needs as little as its other values do.
_RAW = -15


def pack(body: str, task_id: str) -> str:
    """Compress the body of a task's callback into ASCII. It names the task, so that costs nothing."""
    packer = zlib.compressobj(6, wbits=_RAW, zdict=_DICTIONARY + task_id.encode())
    return base64.b85encode(packer.compress(body.encode()) + packer.flush()).decode()


def unpack(text: str, task_id: str) -> str:
    """Undo ``pack``."""
    unpacker = zlib.decompressobj(wbits=_RAW, zdict=_DICTIONARY + task_id.encode())
    return (unpacker.decompress(base64.b85decode(text)) + unpacker.flush()).decode()
