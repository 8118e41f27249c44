"""Extensions of Griffe: the sections of Keras's docstrings, and `import x as x` as public."""

import ast
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


class ExplicitReexports(griffe.Extension):
    def on_alias_instance(self, *, node, alias, **kwargs):
        if isinstance(node, ast.ImportFrom) and alias.name in [n.asname for n in node.names]:
            alias.public = True


def _as_text(match):
    title, body = match.groups()
    return f'<span class="doc-section-title">{title}:</span>\n\n{textwrap.dedent(body)}'
