import html
from collections.abc import Callable

import pytest


@pytest.fixture
def unescaped() -> Callable[[str], str]:
    """The text of a page, in one line."""
    return lambda page: " ".join(html.unescape(page).split())
