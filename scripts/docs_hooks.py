"""Hooks of MkDocs: pages from outside docs/, formulas as MathML, nothing from another host.

On the site docs/ is the root, and what lies beside it stands in it under its own path. Links are
written as they work in the repository, and changed here.
"""

import html as entities
import posixpath
import re
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString
from latex2mathml.converter import convert
from mkdocs.plugins import event_priority, get_plugin_logger
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
OUTSIDE = ("*.md", "LICENSE", "benchmarks/speed/README.md", "notebooks/*.ipynb")
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(?!\s)([^$]+?)(?<!\s)\$", re.DOTALL)

SPACE = '<mspace width="0.167em"/>'

log = get_plugin_logger("docs_hooks")


@event_priority(50)  # before the plugin that looks for notebooks
def on_files(files, config):
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown, page, config, files):
    up = "../" * page.file.src_uri.count("/")
    if Path(page.file.abs_src_path).is_relative_to(config.docs_dir):
        return markdown.replace(f"]({up}../", f"]({up}")
    return markdown.replace(f"]({up}docs/", f"]({up}")


def on_page_content(html, page, config, files):
    soup = BeautifulSoup(html, "html.parser")
    for text in soup.find_all(string=FORMULA):
        if type(text) is NavigableString and text.find_parent(("code", "pre")) is None:
            mended = FORMULA.sub(_mathml, entities.escape(str(text), quote=False))
            text.replace_with(BeautifulSoup(mended, "html.parser"))
    if page.file.src_uri.endswith(".ipynb"):
        _mend_notebook(soup, page, files)
    return str(soup)


def _mathml(match):
    block, inline = match.groups()
    latex = entities.unescape(block or inline).replace("{aligned}", "{split}")
    mathml = convert(latex, display="block" if block else "inline")
    mathml = mathml.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")  # ~ as a relation
    # Between a function's name and an argument without brackets.
    return re.sub(r"(<m[io]>(?:log|ln|exp|tanh|max|min)</m[io]>)(?!<mo)", rf"\1{SPACE}", mathml)


def _mend_notebook(soup, page, files):
    """Removes scripts that load others, and lets links to other pages lead to them."""
    for script in soup.find_all("script"):
        if script.has_attr("src") or "MathJax" in script.text or "https://" in script.text:
            script.decompose()
    for link in soup.find_all("a", class_="anchor-link"):
        link["class"] = "headerlink"  # as on other pages, where the search leaves them out
    links = soup.find_all("a", href=re.compile(r"^[^#:]+\.(md|ipynb)(#|$)"))
    for tag, key in [(a, "href") for a in links] + [
        (img, "src") for img in soup.find_all("img", src=re.compile(r"^\.\./"))
    ]:
        path, hash, anchor = tag[key].partition("#")
        path = posixpath.join(posixpath.dirname(page.file.src_uri), path)
        file = files.get_file_from_path(posixpath.normpath(path).removeprefix("docs/"))
        if file is None:
            log.warning(f"{page.file.src_uri} links to {tag[key]}, which is not on the site")
        else:
            tag[key] = file.url_relative_to(page.file) + hash + anchor
