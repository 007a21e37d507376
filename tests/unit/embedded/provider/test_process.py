"""The fake provider as a process of its own."""

import os
import signal
import subprocess
import sys

import pytest
import requests

from app.embedded.processes import free_port


@pytest.mark.slow
def test_the_process_serves_on_its_port_with_its_key_and_ends_when_it_is_told_to() -> None:
    port = free_port()
    command = [sys.executable, "-m", "app.embedded.provider", "--port", str(port), "--kind", "S"]
    command += ["--stage-seconds", "0", "--origin", "http://origin.test", "--no-deliver"]
    environment = {**os.environ, "STEMVAULT_PROVIDER_API_KEY": "of-the-process"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        assert url == f"http://127.0.0.1:{port}"
        with requests.Session() as session:
            session.headers["Authorization"] = "Bearer of-the-process"
            made = session.post(f"{url}/api/v1/wav/generate", json={}, timeout=10).json()
            told = session.get(f"{url}/api/v1/wav/record-info", params=made["data"], timeout=10).json()
        assert told["data"]["response"]["audioWavUrl"].startswith("http://origin.test/")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
