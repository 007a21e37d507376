"""Runs the tests of the queue under gevent, as the ingress runs: with greenlets as threads, and patched locks."""

import subprocess
import sys

import pytest

_RUN = """
from gevent import monkey
monkey.patch_all()
import sys, threading, pytest
from gevent.threading import Lock
assert type(threading.Lock()) is Lock, "the standard library is not patched"
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "tests/unit/ingress/keeping/test_batching.py"]))
"""


@pytest.mark.slow
def test_the_queue_behaves_the_same_with_greenlets(pytestconfig: pytest.Config) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RUN], cwd=pytestconfig.rootpath, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
