"""The page of a report: one HTML file that needs nothing else, with its pictures inside."""

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 160  # a picture is shown at 96, and stays sharp on screens of small pixels
STYLE = """
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.5rem 4rem; color: #1d2433;
  background: #fff; font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 1.6rem; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid #dfe3ea;
  font-size: 1.15rem; }
.lead, figcaption, .says { color: #5a6475; }
.lead { margin: .25rem 0 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; }
th, td { padding: .3rem 1.5rem .3rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid #edf0f4; font-weight: normal; }
td.number { text-align: right; font-weight: 600; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
td { overflow-wrap: anywhere; }
figure { margin: 0; }
figcaption { margin-bottom: .75rem; max-width: 46rem; }
img { max-width: 100%; height: auto; }
@media print { body { max-width: none; padding: 0; } figure, table { break-inside: avoid; } }
"""


class Picture(NamedTuple):
    """A figure of the page.

    Attributes:
        title: the heading above it.
        caption: how to read it.
        figure: what matplotlib drew.
    """

    title: str
    caption: str
    figure: "Figure"


class Table(NamedTuple):
    """Numbers of the page.

    Attributes:
        title: the heading above them.
        rows: of each its name, its value and what it means.
    """

    title: str
    rows: Sequence[tuple[str, str, str]]


def page(
    title: str,
    lead: str,
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    settings: Sequence[tuple[str, str]],
) -> str:
    """Returns the HTML of a report. All text is escaped.

    Args:
        title: of the page.
        lead: a line below it.
        tables: the numbers.
        pictures: the figures.
        settings: names and values, for the end of the page.
    """
    parts = [*map(_table, tables), *map(_picture, pictures), _settings(settings)]
    body = "\n".join(parts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p class="lead">{escape(lead)}</p>
{body}
</body>
</html>
"""


def _table(table):
    rows = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="number">{escape(value)}</td>'
        f'<td class="says">{escape(says)}</td></tr>'
        for name, value, says in table.rows
    )
    return f"<section>\n<h2>{escape(table.title)}</h2>\n<table>\n{rows}\n</table>\n</section>"


def _picture(picture):
    file = io.BytesIO()
    picture.figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.05)
    png = file.getvalue()
    size = round(int.from_bytes(png[16:20]) * 96 / DPI)  # where PNG has its width in pixels
    data = base64.b64encode(png).decode("ascii")
    return (
        f"<section>\n<h2>{escape(picture.title)}</h2>\n<figure>\n"
        f"<figcaption>{escape(picture.caption)}</figcaption>\n"
        f'<img width="{size}" alt="{escape(picture.title)}" src="data:image/png;base64,{data}">\n'
        "</figure>\n</section>"
    )


def _settings(settings):
    rows = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in settings
    )
    return f"<section>\n<h2>How it was made</h2>\n<table>\n{rows}\n</table>\n</section>"
