"""An extension of Griffe: the sections of Keras's docstrings that Google's do not have."""

import re
import textwrap

import griffe

# Sections of sentences, not of names and what they are.
PROSE = re.compile(r"^(Returns|Reference):\n((?: +.*\n|\n)+)", re.MULTILINE)


class KerasSections(griffe.Extension):
    def on_object(self, *, obj, **kwargs):
        if obj.is_alias or obj.docstring is None:
            return
        text = obj.docstring.value + "\n"
        text = re.sub(r"^Call arguments:$", "Other args: Call arguments:", text, flags=re.M)
        text = re.sub(r"^Example:$", "Examples: Example:", text, flags=re.M)
        obj.docstring.value = PROSE.sub(_as_text, text)


def _as_text(match):
    title, body = match.groups()
    return f'<span class="doc-section-title">{title}:</span>\n\n{textwrap.dedent(body)}'
