"""Numbers of a query: what is taken, what is refused, and that the documentation says the same."""

from __future__ import annotations

import pytest

from api.problems import Problem
from api.query import MAX_NUMBER, documented, number


@pytest.mark.parametrize("text", ["0", "7", str(MAX_NUMBER)])
def test_decimal_digits_within_the_bounds_are_a_number(text: str) -> None:
    assert number({"after": text}, "after", 5) == int(text)
    assert number({}, "after", 5) == 5


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "01", "1.0", "1e3", " 1", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 19, "1\n"],
)
def test_what_is_no_number_in_plain_digits_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(Problem) as caught:
        number({"after": text}, "after", 0)
    assert caught.value.status == 400
    assert [error.field for error in caught.value.errors] == ["after"]


def test_bounds_are_those_that_the_documentation_names() -> None:
    schema = documented("most", "Length of the page", 100, 1, 500)["schema"]
    assert schema == {"type": "integer", "minimum": 1, "maximum": 500, "default": 100}
    assert number({"most": "1"}, "most", 100, 1, 500) == 1
    assert number({"most": "500"}, "most", 100, 1, 500) == 500
    for outside in ("0", "501"):
        with pytest.raises(Problem, match="a number from 1 to 500"):
            number({"most": outside}, "most", 100, 1, 500)
