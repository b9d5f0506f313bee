"""Markup: what is not made by `tag` is escaped where it enters."""

from hypothesis import given
from hypothesis import strategies as st

from antehoc.report.html import Html, join, table, tag


@given(st.text())
def test_no_text_breaks_out_of_its_element_or_attribute(text):
    made = tag("p", text, title=text)
    assert made.count("<") == made.count(">") == 2
    assert made.count('"') == 2
    made.encode("utf-8")


def test_markup_passes_and_text_does_not():
    assert tag("p", tag("b", "a&b"), "<i>") == "<p><b>a&amp;b</b>&lt;i&gt;</p>"
    assert join([Html("<br>"), "<br>", ""]) == "<br>\n&lt;br&gt;"


def test_lines_stay_lines_where_they_matter():
    assert tag("pre", "a: 1\n\nb: <2>\n") == "<pre>a: 1\n\nb: &lt;2&gt;</pre>"
    assert tag("p", "a\nb") == "<p>&#x27;a\\nb&#x27;</p>"


def test_a_table_names_its_rows_and_columns():
    made = table(["a", "b"], [["group"], ["first", "1"]], caption="what")
    assert '<th scope="colgroup" colspan="2">group</th>' in made
    assert '<th scope="row">first</th><td>1</td>' in made
    assert "<caption>what</caption>" in made
