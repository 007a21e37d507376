"""The arguments of ``python -m tests.chaos``."""

import pytest

from tests.chaos.__main__ import main


@pytest.mark.parametrize(
    ("argument", "status", "said"),
    [("--help", 0, "worker_killed"), ("full", 2, "invalid float"), ("1 no_fault", 2, "unknown fault no_fault")],
)
def test_help_and_wrong_arguments_get_a_text_and_no_traceback(
    capsys: pytest.CaptureFixture[str], argument: str, status: int, said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argument.split())
    assert ended.value.code == status
    assert said in "".join(capsys.readouterr())
