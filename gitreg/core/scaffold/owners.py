"""CODEOWNERS: whose review the rules files take, as the forge itself enforces it.

GitHub: https://docs.github.com/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners,
GitLab: https://docs.gitlab.com/user/project/codeowners/reference/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gitreg.core.layout import REGISTRY_FILE, RULES_FILES, Layout
from gitreg.core.policy import Person, Policy
from gitreg.errors import ConfigError

BEGIN = "# gitreg: begin (written by gitreg forge scaffold; keep it last, since the last line that matches counts)"
END = "# gitreg: end"

#: Where each forge looks for the file, in its order; the first that is there is the only one.
PLACES = {
    "github": (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
    "gitlab": ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"),
}
#: Where it is made if there is none.
DEFAULT_PLACE = {"github": ".github/CODEOWNERS", "gitlab": ".gitlab/CODEOWNERS"}

_BLOCK = re.compile(r"^# gitreg: begin\b.*?^# gitreg: end[^\n]*(?:\n|\Z)", re.MULTILINE | re.DOTALL)
_SPECIAL = re.compile(r"[^\w./*?@+-]")
_ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\Z")


def codeowners(
    policy: Policy, provider: str, layout: Layout, protected: Sequence[str], old: str | None
) -> str:
    """The file, with gitreg's part at its end; what others wrote in it stays.

    Raises:
        ConfigError: no rules owner has an account on this forge: the forge would ask nobody.
    """
    accounts = rules_accounts(policy, provider)
    if not accounts:
        raise ConfigError(
            f"none of the rules owners has an account on {provider} in policy.yaml, so nobody could be asked",
            f"write {provider}: LOGIN beside the people in the groups of rules: owners",
        )
    owners = " ".join(f"@{account}" for account in accounts)
    section = ["[gitreg]"] if provider == "gitlab" else []
    lines = [BEGIN, *section, *(f"{path} {owners}" for path in _paths(layout, protected)), END]
    others = _BLOCK.sub("", old or "").rstrip("\n")
    return "\n".join([*([others, ""] if others else []), *lines, ""])


def rules_accounts(policy: Policy, provider: str) -> list[str]:
    """The accounts of the rules owners whose approval counts (no bots), in the policy's order."""
    ids = {person for group in policy.rules.owners for person in policy.approvers(group)}
    found = (_account(person, provider) for person in policy.people if person.id in ids)
    return list(dict.fromkeys(account for account in found if account))


def _account(person: Person, provider: str) -> str | None:
    account = person.github if provider == "github" else person.gitlab
    if account is not None and not _ACCOUNT.match(account):
        raise ConfigError(f"{account!r} can be no account on {provider}", f"mend {person.id} in policy.yaml")
    return account


def _paths(layout: Layout, protected: Sequence[str]) -> Iterator[str]:
    """Patterns, from the repository's root. A registry's rules files, and those outside of its folder."""
    yield REGISTRY_FILE  # in any folder: another one may be the registry that readers find
    for name in sorted(RULES_FILES - {REGISTRY_FILE}):
        yield "/" + _plain(layout.path(name))
    yield "/" + _plain(layout.path(".dvc/"))
    for glob in protected:
        yield "/" + _plain(glob)


def _plain(path: str) -> str:
    """A path or glob with a wildcard for each character that means something else in such a file: rather too much."""
    return _SPECIAL.sub("?", path)
