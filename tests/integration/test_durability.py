"""What a callback's acknowledgement rests on: that Redis has what it says it has, however it ends."""

import signal
import subprocess
import time
from pathlib import Path

from app.embedded.stack import embedded_stack
from workers.intake.received import ReceivedCallbacks

_SLOW_DISK = Path(__file__).with_name("slow_disk.c")
#: Time for Redis to begin to flush, as it does once a second where it may, and to be in the midst of that.
_SECONDS = 2.5


def test_what_redis_has_acknowledged_outlives_its_crash_while_its_disk_is_slow(tmp_path: Path) -> None:
    library = tmp_path / "slow_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, _SLOW_DISK], check=True)
    with embedded_stack({}) as stack:
        redis = stack.start_redis(environment={"LD_PRELOAD": str(library)})
        received = ReceivedCallbacks(stack.redis())
        began, put = time.monotonic(), 0
        while time.monotonic() < began + _SECONDS:
            received.put("a callback", 1.0)
            put += 1
        # Each answer waited for a flush of a second: the disk was slow, and callbacks were acknowledged on it.
        assert 2 <= put <= time.monotonic() - began
        redis.kill()
        assert redis.popen.returncode == -signal.SIGKILL
        stack.group.processes.remove(redis)
        stack.start_redis()
        assert ReceivedCallbacks(stack.redis()).waiting() == put
