"""What ``stemvault doctor`` found out about one thing."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Finding:
    """One thing examined: ``good``, or what is wrong and how to mend it. A warning does not fail the examination.

    ``name`` is a fixed word for scripts, ``what`` a sentence for people. ``value`` is a fixed word too, where more than
    good and bad can be found.
    """

    name: str
    what: str
    good: bool
    advice: str = ""
    warning: bool = False
    value: str = ""

    @property
    def passes(self) -> bool:
        """Whether Stemvault could run with it."""
        return self.good or self.warning

    @property
    def verdict(self) -> str:
        """``ok``, ``warn`` or ``fail``."""
        return "ok" if self.good else "warn" if self.warning else "fail"

    def as_json(self) -> dict[str, object]:
        """Give what ``doctor --json`` prints. Where all is well there is nothing to advise."""
        return {**asdict(self), "advice": "" if self.good else self.advice, "verdict": self.verdict}
