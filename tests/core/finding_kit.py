"""Findings for tests of reports: ordinary ones, and any that a hostile repository could bring about."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

from gitreg.core.findings import Finding, Location, Outcome

#: For tests of any findings: a busy machine is no failure.
unhurried = settings(deadline=None)

RECORD = Location("models/売上 モデル/versions/3/version.yaml", 17, 12)
FAIL = Finding("GR302", "roc_auc is 0.8", RECORD, "register a better one")
UNKNOWN = Finding("GR401", "approvals could not be read", outcome=Outcome.UNDECIDED)
WARNING = Finding("GR401", "a statement does not count", Location("policy.yaml"), outcome=Outcome.WARNING)

#: What means something to a CI runner, an XML parser, a Markdown renderer, SARIF, GitLab or a terminal.
MARKS = [
    "::error::x", "\n::add-mask::x", "\r::stop-commands::x", " ::set-output name=a::b", "##[add-mask]x", "###[error]x",
    "##vso[task.complete]", "##teamcity[x]", "%0A::error::", ":", ",", "%", "]]>", "<![CDATA[", "</failure>", "<!--",
    "&#0;", "&amp;", "\"'", "|", "`", "\\", "[x](https://evil.example)", "<img src=x>", "# x", "{0}", "}}", "@everyone",
    "[[ATTACHMENT|/etc/passwd]]", "\x00", "\x1b]0;x\x07", "\x9b2J", "\u2028", "\u202e", "\ufffe", "\uffff", "\ud800",
    "\n\n",
]  # fmt: skip


def path_of(mark: str) -> str:
    """A mark as a path that git can hold, as it is read."""
    return mark.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


texts = st.lists(
    st.sampled_from(MARKS) | st.text(st.characters(exclude_categories=[]), max_size=8), max_size=5
).map("".join)
#: Any name that git can hold, as it is read.
paths = st.binary(min_size=1, max_size=20).map(
    lambda name: name.decode("utf-8", "surrogateescape")
) | st.sampled_from(
    [
        "::add-mask::x/y",
        "##[error]x",
        "a,line=9::b%0A:c",
        "a|b`c",
        "<a>&",
        "[x](y)",
        " ",
        "a\nb",
        "models/\x1b[2J",
    ]
)
numbers = st.none() | st.integers(1, 9)
places = st.none() | st.builds(Location, paths, numbers, numbers)
rules = st.sampled_from(["GR101", "GR302", "GR999"])
findings = st.builds(Finding, rules, texts, places, st.none() | texts, st.sampled_from(Outcome))
