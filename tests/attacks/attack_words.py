"""Further assertions for cases: what the findings say, beside which rules they are of."""

from __future__ import annotations

from collections.abc import Callable

from attacks.attack_kit import Ground, Ran


def told(ran: Ran) -> list[str]:
    """The findings as lines: outcome, rule, path, message."""
    return [
        " ".join(str(found[key]) for key in ("outcome", "rule", "path", "message"))
        for found in ran.report["findings"]
    ]


def says(*texts: str) -> Callable[[Ground, Ran], None]:
    """Each of these texts is in some finding."""

    def check(ground: Ground, ran: Ran) -> None:
        lines = told(ran)
        for text in texts:
            assert any(text in line for line in lines), "\n".join([f"nothing says {text!r}:", *lines])

    return check
