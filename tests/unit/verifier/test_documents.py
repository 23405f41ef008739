"""What a pack says about itself, in words and in schemas, is what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from bulwark.audit.packfiles import HEADER_BYTES, LEAF_BYTES
from bulwark.audit.packschemas import SCHEMA_FILES
from bulwark.verifier.codes import MEANINGS, Code
from tests.unit.verifier.forged_papers import custody
from tests.unit.verifier.forging import files_of
from tests.unit.verifier.scene import scene

PAGE = Path(__file__).resolve().parents[3] / "docs" / "evidence-pack.md"


def test_the_page_lists_every_code_with_its_meaning_and_no_other() -> None:
    assert set(MEANINGS) == set(Code)
    listed = re.findall(
        r"^\| `([a-z]+\.[a-z-]+)` \| (.+) \|$", PAGE.read_text().split("## Codes")[1], re.M
    )
    assert listed == [(code.value, meaning) for code, meaning in MEANINGS.items()]


def test_the_page_states_the_lengths_of_headers_and_anchors() -> None:
    header = scene().node.chain.header(scene().epoch_end)
    assert header is not None
    assert len(header.encode()) == HEADER_BYTES
    text = PAGE.read_text()
    assert f"{HEADER_BYTES} bytes each" in text
    assert f"{LEAF_BYTES} bytes each" in text


@pytest.mark.parametrize("name", ["manifest", "signature", "custody"])
def test_the_papers_of_a_pack_are_what_its_schemas_say(name: str) -> None:
    files = files_of(custody(lambda entries: entries))
    schema = json.loads(files[f"schemas/{name}.json"])
    assert files[f"schemas/{name}.json"] == SCHEMA_FILES[f"schemas/{name}.json"]
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(files[f"{name}.json"])
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "more": 1}, schema)
