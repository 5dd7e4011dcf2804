"""Names are shown and do nothing, wherever they stand."""

import csv as reader
import io

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from robust.values.text import csv, figure, markdown, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\r\nc\td", "a b c d"),
        ("\u202eabc", "\\u202eabc"),
        ("\ud800", "\\ud800"),
        ("a\0", "a\\x00"),
        ("中文 é 👍", "中文 é 👍"),
    ],
)
def test_what_steers_a_terminal_shows_as_an_escape(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert plain(shown) == shown


@pytest.mark.parametrize("start", ["=1+1", "+x", "-x", "@x", "\t=1", "\r=1", " =1", "\uff1d1", "-1+1", "+1 2"])
def test_a_cell_that_a_spreadsheet_would_compute_is_text(start: str) -> None:
    (head, cells) = reader.reader(io.StringIO(csv(pd.DataFrame({start: [start], "x": [-0.1]}))))
    assert head[0].startswith("'")
    assert cells[0].startswith("'")
    assert cells[1] == "-0.1"


def test_numbers_stay_numbers() -> None:
    table = pd.DataFrame(
        {"difference": [-0.1, 2e-9], "said": ["-0.1", "+3"], "mixed": pd.Series([-1, "x"], dtype=object)}
    )
    assert csv(table) == "difference,said,mixed\n-0.1,-0.1,-1\n2e-09,+3,x\n"


MARKUP = [
    "<script>alert(1)</script>", "<b", "a|b", "`x`", "*x*", "_x_", "__x__", "~~x~~", "![x](http://e.e)", "[x](e)",
    "[x][y]", "[x]: http://e.e", "<http://e.e>", "http://e.e", "www.e.e", "@me", "&lt;", "\\", "# x", "- x", "+ x",
    "1. x", "2) x", "---", "===", "> x", "a\n\n# b", "    x", "|", "x]", "[x",
]  # fmt: skip


@pytest.mark.parametrize("name", MARKUP)
def test_names_are_no_markup_in_markdown(name: str) -> None:
    for page in (
        markdown(name),
        f"![{markdown(name)}](figures/a.svg)\n",
        f"| a | b |\n| --- | --- |\n| {markdown(name)} | c |\n",
    ):
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page.lstrip())
        inline = [child for token in tokens for child in token.children or []]
        kinds = {token.type for token in (*tokens, *inline)}
        allowed = {"paragraph_open", "paragraph_close", "inline", "text", "image", "text_special", "code_block"}
        assert {kind for kind in kinds - allowed if not kind.startswith(("table", "th", "tr", "td", "tbody"))} == set()
        assert [one.attrGet("src") for one in inline if one.type == "image"] in ([], ["figures/a.svg"])
        assert sum(token.type == "td_open" for token in tokens) in (0, 2)
    assert "://" not in markdown(name)
    assert "@" not in markdown(name)


def test_sentences_stay_readable_in_markdown() -> None:
    said = "convnet_mnist batch_norm=False: 67.2 → 98.1 [97.9, 98.3], -0.1 (95 %)."
    assert markdown(said) == said


def test_a_text_in_a_figure_has_few_short_lines() -> None:
    assert figure("a\nb") == "a\nb"
    assert max(map(len, figure("x" * 500 + "\n" * 90 + "\x1b").split("\n"))) <= 120
    assert figure("\n" * 90).count("\n") < 6
