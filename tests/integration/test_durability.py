"""An acknowledged callback is on Redis's disk, even if Redis is killed."""

import signal
import subprocess
import time
from pathlib import Path

from app.embedded.stack import embedded_stack
from workers.intake.received import ReceivedCallbacks

_SLOW_DISK = Path(__file__).with_name("slow_disk.c")
#: Seconds after which Redis is in the middle of a flush: with ``everysec`` it begins one each second.
_SECONDS = 2.5


def test_callbacks_that_redis_acknowledged_on_a_slow_disk_survive_its_crash(tmp_path: Path) -> None:
    library = tmp_path / "slow_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, _SLOW_DISK], check=True)
    with embedded_stack({}) as stack:
        redis = stack.start_redis(environment={"LD_PRELOAD": str(library)})
        received = ReceivedCallbacks(stack.redis())
        began, put = time.monotonic(), 0
        while time.monotonic() < began + _SECONDS:
            received.put("a callback", 1.0)
            put += 1
        # Each answer waited for a flush of a second, so callbacks were acknowledged after it and the disk was slow.
        assert 2 <= put <= time.monotonic() - began
        redis.kill()
        assert redis.popen.returncode == -signal.SIGKILL
        stack.group.processes.remove(redis)
        stack.start_redis()
        assert ReceivedCallbacks(stack.redis()).waiting() == put
