"""One result of ``stemvault doctor``."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Finding:
    """The result of one check: ``good``, or the ``advice`` on how to correct it. A warning does not fail the doctor.

    ``name`` is a fixed word for scripts, and ``what`` a sentence for people. ``value`` is a fixed word too, for checks
    with more than two results.
    """

    name: str
    what: str
    good: bool
    advice: str = ""
    warning: bool = False
    value: str = ""

    @property
    def passes(self) -> bool:
        """Whether Stemvault can run like this."""
        return self.good or self.warning

    @property
    def verdict(self) -> str:
        """``ok``, ``warn`` or ``fail``."""
        return "ok" if self.good else "warn" if self.warning else "fail"

    def as_json(self) -> dict[str, object]:
        """Give the object that ``doctor --json`` prints. A good finding has no advice."""
        return {**asdict(self), "advice": "" if self.good else self.advice, "verdict": self.verdict}
