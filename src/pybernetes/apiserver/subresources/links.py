"""Links in what comes back through a proxy: those to the same host go through the proxy again.

Upstream: k8s.io/apimachinery/pkg/util/proxy/transport.go. Pure.
"""

import codecs
import dataclasses
import html
import posixpath
import re
from html import parser
from urllib import parse

ATTRIBUTES = {
    **dict.fromkeys(("a", "area", "base", "link"), ("href",)),
    **dict.fromkeys(("audio", "embed", "script", "source"), ("src",)),
    **dict.fromkeys(("blockquote", "del", "ins", "q"), ("cite",)),
    **dict.fromkeys(("frame", "iframe"), ("longdesc", "src")),
    "applet": ("codebase",),
    "body": ("background",),
    "button": ("formaction",),
    "command": ("icon",),
    "form": ("action",),
    "head": ("profile",),
    "html": ("manifest",),
    "img": ("longdesc", "src", "usemap"),
    "input": ("src", "usemap", "formaction"),
    "object": ("classid", "codebase", "data", "usemap"),
    "video": ("poster", "src"),
}
"""Which attributes of which elements hold a URL."""

LONGEST = 64 * 1024
"""An element that is not closed after so many characters is handed on as it is."""

_attribute = re.compile(r"""([^\s"'<>/=]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)""")


@dataclasses.dataclass(frozen=True, slots=True)
class Links:
    """`prefix` is the path of the proxy, `hosts` are the names under which the page's own host is known."""

    prefix: str
    hosts: tuple[str, ...]

    def url(self, text: str) -> str:
        """One URL as a client of the proxy can follow it."""
        try:
            parts = parse.urlsplit(text)
        except ValueError:
            return text
        if (parts.netloc and parts.netloc not in self.hosts) or not parts.path.startswith("/"):
            return text
        path = parts.path
        if not path.startswith(self.prefix):
            path = posixpath.normpath(self.prefix + path) + ("/" if path.endswith("/") else "")
        return parse.urlunsplit(("", "", path, parts.query, parts.fragment))


class Page(parser.HTMLParser):
    """A page on its way through, with its links rewritten; bytes that are no UTF-8 stay as they are."""

    def __init__(self, links: Links) -> None:
        super().__init__(convert_charrefs=False)
        self._links = links
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._pieces: list[str] = []

    def through(self, chunk: bytes, *, last: bool = False) -> bytes:
        """What of the page can be told after this chunk."""
        self.feed(self._decode(chunk, last))
        if last:
            self.close()
        elif len(self.rawdata) > LONGEST:
            self._pieces.append(self.rawdata)
            self.rawdata = ""
        told, self._pieces = "".join(self._pieces), []
        return told.encode("utf-8", "surrogateescape")

    def handle_starttag(self, tag: str, attrs: object) -> None:
        wanted = ATTRIBUTES.get(tag, ())

        def change(found: re.Match[str]) -> str:
            name, equals, value = found.groups()
            if name.lower() not in wanted:
                return found[0]
            url = self._links.url(html.unescape(value.strip("\"'")))
            return f'{name}{equals}"{html.escape(url)}"'

        text = self.get_starttag_text() or ""
        self._pieces.append(_attribute.sub(change, text) if wanted else text)

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        self._pieces.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._pieces.append(data)

    def handle_entityref(self, name: str) -> None:
        self._pieces.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._pieces.append(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self._pieces.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self._pieces.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self._pieces.append(f"<?{data}>")

    def unknown_decl(self, data: str) -> None:
        self._pieces.append(f"<![{data}]>")
