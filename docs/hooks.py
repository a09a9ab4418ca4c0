"""Files of the repository that pages link to or show stand in the site at their place; one copy is in git.

A page of docs/ names them as GitHub does, relative to itself (`../experiments/README.md`). Markdown files among them
become pages of the site, all others are copied.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# Pages without a link from docs/ that the navigation names.
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "experiments/README.md")
# MkDocs would make the start page of it.
RENAMED = {"README.md": "repository.md"}
LINK = re.compile(r"(\]\(|\]: )([^)\s#:]+)(?=[)#\s])")
CODE = re.compile(r"^( *```.*?^ *```)", re.S | re.M)


def outside(page: str, target: str) -> str | None:
    """The path in the repository of what a page of docs/ links to, or None if that is inside docs/."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return None if path.startswith("docs/") else path


def linked(page: str, text: str) -> list[str]:
    """What a page links to outside docs/."""
    prose = "".join(CODE.split(text)[::2])
    found = (outside(page, target) for _, target in LINK.findall(prose))
    return [path for path in found if path is not None and (ROOT / path).is_file()]


def on_files(files: Files, *, config: Any) -> Files:
    """Adds what pages link to, and what those pages link to in turn as far as it lies beside them."""
    wanted = dict.fromkeys(PAGES)
    for file in files.documentation_pages():
        wanted.update(dict.fromkeys(linked(file.src_uri, file.content_string)))
    for path in list(wanted):
        if path.endswith(".md"):
            targets = LINK.findall((ROOT / path).read_text())
            beside = (posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) for _, target in targets)
            wanted.update(dict.fromkeys(target for target in beside if (ROOT / target).is_file()))
    for path in wanted:
        files.append(File.generated(config, RENAMED.get(path, path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Links out of docs/ lead to the files at their place in the site."""
    source = page.file.src_uri
    if page.file.generated_by is not None:
        return markdown

    def moved(match: re.Match[str]) -> str:
        path = outside(source, match[2])
        if path is None:
            return match[0]
        return match[1] + posixpath.relpath(RENAMED.get(path, path), posixpath.dirname(source) or ".")

    parts = CODE.split(markdown)
    parts[::2] = [LINK.sub(moved, part) for part in parts[::2]]
    return "".join(parts)
