"""What the documents say of the tests is so."""

import re
from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("document", ["docs/tests.md", "SECURITY.md", "ARCHITECTURE.md"])
def test_every_test_that_a_document_names_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", text))
    assert named <= defined, named - defined
    files = set(re.findall(r"`(?:tests/)?((?:unit|integration|benchmarks|chaos)/[\w/]+\.py)`", text))
    assert [name for name in files if not (ROOT / "tests" / name).exists()] == []
    assert files or named
    assert set(re.findall(r"chaos row `(\w+)`", text)) <= FAULTS.keys()
