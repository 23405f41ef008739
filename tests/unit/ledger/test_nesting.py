"""Deep nesting ends in a refusal, also where a library raised the recursion limit past the C stack.

The parsers run in a process of their own: what they are held against is its end by a signal.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from bulwark.ledger.jsonfields import loads

PARSERS = {
    "ledger documents": "from bulwark.ledger.jsonfields import parse; parse(raw, 10**8)",
    "any JSON": "from bulwark.ledger.jsonfields import loads; loads(raw, 16)",
    "consent receipts": "from bulwark.consents.parsing import parse; parse(raw, 10**8)",
    "STIX documents": "from bulwark.interop.stix.document import read_json; read_json(raw, 10**8)",
    "MISP documents": "from bulwark.interop.misp.forms import read_document as r; r(raw)",
    "bodies of requests": "from api.json_text import decode_object; decode_object(raw)",
    "evidence": "from node.evidence import case_of_file; case_of_file(raw)",
    "proofs": "from bulwark.client.verify import verify_record_proof as v; v(raw, b'{}')",
    "policies": "from bulwark.policies.document import parse_policy; parse_policy(raw)",
}
PROGRAM = """
import sys
import py_ecc  # it lets Python recurse deeper than the C stack bears
assert sys.getrecursionlimit() >= 100_000
raw = b'{"a":' + b'[' * 400_000
try:
    PARSE
except Exception as error:
    print(type(error).__module__, type(error).__name__)
else:
    print("taken")
"""


@pytest.mark.parametrize("parser", PARSERS)
def test_a_text_of_brackets_is_refused_and_ends_no_process(parser: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("PARSE", PARSERS[parser])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-500:]}"
    module = done.stdout.split()[0]
    assert module.startswith(("bulwark.", "node.", "api.")) or "ValueError" in done.stdout


def test_levels_are_counted_as_the_parser_meets_them_and_not_inside_texts() -> None:
    assert loads(b'{"a": [[1, "]]{{[[ \\" "], {}]}', 3) == {"a": [[1, ']]{{[[ " '], {}]}
    for deeper in (b'{"a": [[1, "]]"], {}]}', b"[[[1]]]", b'[{"a": []}]'):
        with pytest.raises(ValueError, match="nested more than 2 deep"):
            loads(deeper, 2)
    assert loads(b"[[], [], {}]", 2) == [[], [], {}]
    for broken in (b"\xff", b'{"a": ', b"[}"):
        with pytest.raises(ValueError):
            loads(broken, 2)
