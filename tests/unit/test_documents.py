"""The documents are true where a test can tell: tests, links, settings and the example callback that they name."""

import json
import re
from pathlib import Path

import pytest

from app.cli.commands import stemvault
from config.layout import KeyLayout
from config.settings import PREFIX, Settings
from tests.chaos.faults import FAULTS
from workers.callbacks import parse_callback

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MAX_LINES, MAX_LINES_OF_ARCHITECTURE = 300, 200
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def text_of(document: str) -> str:
    return (ROOT / document).read_text()


def anchors(document: str) -> set[str]:
    """Name the headings as GitHub names them in links."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text_of(document), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def tests() -> set[str]:
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_a_document_names_exists(document: str, tests: set[str]) -> None:
    text = text_of(document)
    named = set(re.findall(r"`(test_\w+)`", text))
    assert named <= tests, named - tests
    files = set(re.findall(r"`(?:tests/)?((?:unit|integration|benchmarks|chaos|stores)/[\w/]+\.py)`", text))
    assert [name for name in files if not (ROOT / "tests" / name).exists()] == []
    lists = re.findall(r"chaos rows? ((?:`\w+`(?:, | and )?)+)", text, re.IGNORECASE)
    rows = {row for listed in lists for row in re.findall(r"`(\w+)`", listed) if row not in named}
    assert rows <= FAULTS.keys(), rows - FAULTS.keys()


def test_the_documents_that_promise_most_name_tests() -> None:
    for document in ("SECURITY.md", "docs/architecture.md", "docs/ledger.md", "docs/tests.md"):
        assert "test_" in text_of(document)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_between_documents_leads_somewhere(document: str) -> None:
    for link in _LINK.findall(text_of(document)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(str(target.resolve().relative_to(ROOT))), link


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name != "CHANGELOG.md"])
def test_no_document_exceeds_the_line_limit(document: str) -> None:
    limit = MAX_LINES_OF_ARCHITECTURE if document == "docs/architecture.md" else MAX_LINES
    assert len(text_of(document).splitlines()) < limit


def test_readme_leads_to_every_document_and_the_index_to_every_decision() -> None:
    linked = set(_LINK.findall(text_of("README.md")))
    pages = {name for name in DOCUMENTS if not name.startswith("docs/decisions/")} - {"README.md"}
    assert pages <= linked, pages - linked
    records = {path.name for path in (ROOT / "docs/decisions").glob("*.md")} - {"README.md"}
    assert records == set(_LINK.findall(text_of("docs/decisions/README.md"))) & records


def test_readme_has_a_row_for_each_setting() -> None:
    table = text_of("README.md").partition("| `STEMVAULT_…` |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    names = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert names == {name.upper() for name in Settings.model_fields} | {"BIND"}


def test_each_setting_that_another_document_writes_with_its_prefix_exists() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {f"{PREFIX}BIND"}
    for document in (name for name in DOCUMENTS if name != "CHANGELOG.md"):
        named = set(re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", text_of(document)))
        assert named - {f"{PREFIX}SOURCE_CONNECT_TIMEOUT"} <= known, document  # CONTRIBUTING.md's example


def test_readme_names_each_subcommand() -> None:
    text = text_of("README.md")
    assert [name for name in stemvault.commands if f"stemvault {name}" not in text and f"make {name}" not in text] == []


def test_the_example_callback_names_files_that_the_quick_start_serves() -> None:
    callback = parse_callback(json.loads(text_of("docs/callback.json")))
    served = {f"http://127.0.0.1:9000/{path.name}" for path in (ROOT / "app/embedded/media").iterdir()}
    assert {asset.url for asset in callback.assets} <= served
    text = text_of("README.md")
    assert all(f"`{asset.key(KeyLayout())}`" in text for asset in callback.assets)


@pytest.mark.parametrize("package", ["app", "config", "workers"])
def test_every_test_that_a_comment_names_exists(package: str, tests: set[str]) -> None:
    modules = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    text = "\n".join(path.read_text() for path in (ROOT / package).rglob("*.py"))
    named = set(re.findall(r"\btest_\w+", text))
    assert named <= tests | modules, named - tests - modules
