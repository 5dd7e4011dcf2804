"""How far something is, for who waits for it."""

import pytest

from robust.progress import Progress


def test_where_there_is_no_terminal_a_line_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("testing mine", 3000, "image", every_s=0) as progress:
        for count in (0, 1000, 1000, 1000):
            progress.add(count)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("testing mine: 1,000 of 3,000 images, about ")
    assert second.endswith(" left")
    with Progress("testing mine", 3000, "image", done=1000, every_s=0) as progress:
        progress.add(1000)
    assert capsys.readouterr().err.startswith("testing mine: 2,000 of 3,000 images, about 0 s left")


@pytest.mark.parametrize(("title", "every_s"), [(None, 0), ("testing mine", 20)])
def test_nothing_is_said_without_a_title_or_of_what_is_soon_done(
    title: str | None, every_s: float, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress(title, 2, "image", every_s=every_s) as progress:
        progress.add(1)
    assert capsys.readouterr().err == ""
