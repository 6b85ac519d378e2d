"""Which requirements are pinned. The rest of the gate is specified by the cases in tests/rules/environment-gate."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitreg.core.verify.rules.environment_gate import read_requirement

SHA256 = "sha256=" + "0" * 64


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("numpy==2.4.5", "numpy"),
        ("numpy == 2.4.5", "numpy"),
        ("numpy (==2.4.5)", "numpy"),
        ("Scikit_Learn==1.7.0", "scikit-learn"),
        ("torch==2.1.0+cu118", "torch"),
        ("x==1!2.0.post1", "x"),
        ("x==2.0rc1", "x"),
        ("x===2.0", "x"),
        ("x==2.0,<3", "x"),
        ("uvicorn[standard,extra]==0.30.1", "uvicorn"),
        ("tomli==2.0.1 ; python_version < '3.11' and sys_platform != 'win32'", "tomli"),
        (f"x==2.0 --hash=sha256:{'0' * 64} --hash=sha256:{'1' * 64}", "x"),
        (f"x @ https://example.com/x-2.0-py3-none-any.whl#{SHA256}", "x"),
        (f"x[extra] @ https://example.com/x.whl#egg=x&{SHA256} ; python_version > '3'", "x"),
        (f"x @ https://example.com/x.tar.gz#sha512={'aB' * 64}", "x"),
    ],
)
def test_pinned(text: str, package: str) -> None:
    assert read_requirement(text) == (package, True)


@pytest.mark.parametrize(
    "text",
    [
        "numpy",
        "numpy[all]",
        "numpy ; python_version > '3'",
        "numpy>=2",
        "numpy~=2.4.5",
        "numpy!=2.4.5",
        "numpy<=2.4.5,>=2.4.5",
        "numpy==2.*",
        "numpy===2.*",
        "numpy>=2 --hash=sha256:00",
        "numpy @ https://example.com/numpy.whl",
        "numpy @ https://example.com/numpy.whl#egg=numpy",
        "numpy @ https://example.com/numpy.whl#sha256=",
        "numpy @ https://example.com/numpy.whl#sha256=00",
        f"numpy @ https://example.com/numpy.whl#md5={'0' * 32}",
        f"numpy @ https://example.com/numpy.whl?{SHA256}",
        f"numpy @ file:///home/dan/numpy.whl#{SHA256}",
        f"numpy @ git+https://example.com/numpy@{'0' * 40}",
    ],
)
def test_named_but_not_pinned(text: str) -> None:
    assert read_requirement(text) == ("numpy", False)


@pytest.mark.parametrize(
    "text",
    [
        "-r requirements.txt",
        "-e .",
        "-e git+https://example.com/x#egg=x",
        "--index-url https://example.com/simple",
        "./x-2.0-py3-none-any.whl",
        f"https://example.com/x.whl#{SHA256}",
        "x==",
        "x = 2.0",
        "x==2.0 \\",
        "x==2.0 y==3.0",
        "==2.0",
        "ü==2.0",
        f"x @ https://[::1#{SHA256}",
        "x==2.0 ; nonsense == 'x'",
    ],
)
def test_no_requirement(text: str) -> None:
    assert read_requirement(text) == (None, False)


TEXTS = st.text(st.sampled_from("xX1.*=<>!~,;@[]()#'\" -_+&/:") | st.characters(), max_size=30)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(TEXTS | TEXTS.map("x @ https://{}".format) | TEXTS.map("x==1;{}".format))
@example("x @ https://[")
def test_every_line_gets_an_answer(text: str) -> None:
    package, is_pinned = read_requirement(text)
    assert package or not is_pinned


@pytest.mark.parametrize(
    "text", ["x[" + "b," * 490 + "]==1", "x==" + "1-" * 490, "x==1," * 200, "x; " + "(" * 990]
)
def test_a_line_that_is_meant_to_be_slow_is_not(text: str) -> None:
    begun = time.perf_counter()
    read_requirement(text)
    assert time.perf_counter() - begun < 0.5


def test_a_marker_may_nest_too_deep_to_be_read() -> None:
    text = f"x==2.0 ; {'(' * 480}python_version > '3'{')' * 480}"
    assert read_requirement(text) in {(None, False), ("x", True)}


def test_packaging_is_imported_late() -> None:
    code = "import sys, gitreg.core.verify.engine; sys.exit('packaging.requirements' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
