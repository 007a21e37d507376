"""Two writers of one key at the same moment: the second one writes while the first one is half through its body."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workers.s3.errors import AlreadyThereError, already_there_told

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_HALF = b"first" * 20_000


class _Overtaken(io.RawIOBase):
    """A body that calls ``overtake`` once, when half of it is sent."""

    def __init__(self, overtake: Callable[[], None]) -> None:
        super().__init__()
        self._pieces = [_HALF, _HALF]
        self._overtake = overtake

    def __len__(self) -> int:
        return 2 * len(_HALF)

    def read(self, _size: int = -1) -> bytes:
        if len(self._pieces) == 1:
            self._overtake()
        return self._pieces.pop() if self._pieces else b""


def both_succeed(client: "S3Client", bucket: str, key: str) -> bool:
    """Tell whether two conditional writes of a new key that overlap are both answered by success.

    Raises boto3's errors. ``client`` must send each request only once (``attempts=1``).
    """
    succeeded: list[str] = []

    def write(name: str, body: Any) -> None:  # noqa: ANN401 - a type of boto3
        try:
            with already_there_told():
                client.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*")
        except AlreadyThereError:
            return
        succeeded.append(name)

    write("overtaken", _Overtaken(lambda: write("overtaking", b"second")))
    return len(succeeded) > 1
