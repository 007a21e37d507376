"""The ``stemvault`` command as a child process, as people and scripts call it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.conftest import Service

STEMVAULT = str(Path(sys.executable).parent / "stemvault")


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [STEMVAULT, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, **environment},
        check=False,
    )


def pointing_at(service: Service) -> dict[str, str]:
    """Give the settings with which a command finds the stack."""
    environment = service.stack.group.environment
    return {name: value for name, value in environment.items() if name.startswith(("STEMVAULT_", "AWS_"))}
