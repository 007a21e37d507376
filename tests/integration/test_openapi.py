"""The server behaves as ``/openapi.json`` says: schemathesis sends requests that it derives from it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.conftest import running_ingress


def test_the_real_server_keeps_to_its_description() -> None:
    with running_ingress(STEMVAULT_MAX_CALLBACK_BYTES="64KiB") as stack:
        command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{stack.url}/openapi.json"]
        command += ["--checks", "all", "--max-examples", "100", "--seed", "1", "--no-color"]
        hooks = {"SCHEMATHESIS_HOOKS": "openapi_hooks", "PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=200,
            cwd=stack.group.directory,
            env={**os.environ, **hooks},
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:]
        assert "Tested: 5" in done.stdout, done.stdout[-3000:]
