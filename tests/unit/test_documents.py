"""The tests that documents and comments name exist."""

import re
from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS

ROOT = Path(__file__).parents[2]


def defined_tests() -> set[str]:
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)", path.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("document", ["docs/tests.md", "SECURITY.md", "ARCHITECTURE.md"])
def test_every_test_that_a_document_names_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    named = set(re.findall(r"`(test_\w+)`", text))
    assert named <= defined_tests(), named - defined_tests()
    files = set(re.findall(r"`(?:tests/)?((?:unit|integration|benchmarks|chaos)/[\w/]+\.py)`", text))
    assert [name for name in files if not (ROOT / "tests" / name).exists()] == []
    assert files or named
    assert set(re.findall(r"chaos row `(\w+)`", text)) <= FAULTS.keys()


@pytest.mark.parametrize("package", ["app", "config", "workers"])
def test_every_test_that_a_comment_names_exists(package: str) -> None:
    modules = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    text = "\n".join(path.read_text() for path in (ROOT / package).rglob("*.py"))
    named = set(re.findall(r"\btest_\w+", text))
    assert named <= defined_tests() | modules, named - defined_tests() - modules
