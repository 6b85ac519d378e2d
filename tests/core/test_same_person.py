"""Whether two names in git are one person's."""

from __future__ import annotations

import pytest

from gitreg.core.history import is_same_person
from gitreg.core.policy import Person, Policy
from gitreg.core.ports import Identity

ALICE = Identity("Alice", "alice@example.com")
POLICY = Policy(
    people=(
        Person("alice", "alice@example.com", github="alice-gh"),
        Person("bo", "bo@example.com", github="bo-gh"),
    )
)


@pytest.mark.parametrize(
    ("email", "same"),
    [
        ("Alice@Example.com", True),
        ("1234+Alice-GH@users.noreply.github.com", True),
        ("alice-gh@users.noreply.github.com", True),
        ("1234+bo-gh@users.noreply.github.com", False),
        ("1234+stranger@users.noreply.github.com", False),
        ("alice-gh@users.noreply.github.com.evil.example", False),
        ("bo@example.com", False),
    ],
)
def test_an_address_that_github_hides_is_that_of_its_account(email: str, same: bool) -> None:
    assert is_same_person(ALICE, Identity("A. Smith", email), POLICY) is same


def test_of_two_whom_nobody_knows_only_the_address_tells() -> None:
    one = Identity("A", "1+x@users.noreply.github.com")
    assert not is_same_person(one, Identity("A", "1+y@users.noreply.github.com"), POLICY)
