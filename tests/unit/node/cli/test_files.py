"""Files and certificates that commands are given: what is refused, in which words, with code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from node.cli.files import read_object, read_whole
from node.cli.main import main

NOWHERE = "https://127.0.0.1:9"


@pytest.fixture
def node(tmp_path: Path) -> list[str]:
    """Options that name a node which no command reaches."""
    key = tmp_path / "key"
    key.write_text("any-key\n", "ascii")
    return ["--url", NOWHERE, "--key-file", str(key)]


def run(*words: object, given: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], input=given)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[" * 100_000, "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[1]", "wants one JSON object"),
        (b'{"a": "%s"}' % (b"x" * (1 << 18)), "wants one JSON object of at most 262144 bytes"),
    ],
)
def test_a_customer_report_that_is_no_object_is_refused_in_one_line(
    tmp_path: Path, node: list[str], content: bytes, told: str
) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    from_file = run("customer-report", "take", path, *node)
    piped = run("customer-report", "take", "-", *node, given=content)
    for done, name in ((from_file, str(path)), (piped, "-")):
        assert done.exit_code == 2
        assert done.stderr.startswith(f"bulwark: {name}: {told}")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("job", "list"),
        ("customer-report", "list"),
        ("audit", "pack", "--out", "{tmp}/case.pack"),
    ],
)
def test_a_ca_that_is_not_there_is_named_by_every_kind_of_client(
    tmp_path: Path, node: list[str], words: tuple[str, ...]
) -> None:
    missing = tmp_path / "ca.pem"
    done = run(*(word.format(tmp=tmp_path) for word in words), *node, "--ca", missing)
    assert (done.exit_code, done.stderr) == (2, f"bulwark: {missing}: No such file or directory\n")


def test_a_ca_that_is_no_certificate_is_named(tmp_path: Path, node: list[str]) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("no certificate")
    done = run("job", "list", *node, "--ca", wrong)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"bulwark: {wrong}: ")


def test_a_bound_is_kept_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'{"a":1}')
    assert read_whole(path, 7) == b'{"a":1}'
    assert read_object(path, 7, "no object") == {"a": 1}
    with pytest.raises(Exception, match="is over 6 bytes"):
        read_whole(path, 6)
    with pytest.raises(Exception, match="no object"):
        read_object(path, 6, "no object")


def test_an_opened_case_of_nested_brackets_is_refused(tmp_path: Path, node: list[str]) -> None:
    path = tmp_path / "opened.json"
    path.write_bytes(b"[" * 4_000)
    done = run("audit", "verify-case", path, *node)
    assert (done.exit_code, done.stderr) == (
        2,
        f"bulwark: {path}: is not JSON; is no opened case\n",
    )
