"""Whether copy says a fact."""

import re

from hypothesis import given
from hypothesis import strategies as st

from prompts.checks.reading import normalise, says

_TEXTS = st.text(alphabet="ab_.é 1-", max_size=12)


@given(whole=_TEXTS, fact=_TEXTS)
def test_a_fact_is_said_where_no_letter_touches_it(whole: str, fact: str) -> None:
    wanted = normalise(fact).rstrip(".") or normalise(fact)
    found = re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", whole) is not None
    assert says(whole, fact) == found
