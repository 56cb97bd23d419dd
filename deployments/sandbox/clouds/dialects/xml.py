"""XML as the stores write it, and the little of it that they read."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.parsers import expat

from deployments.sandbox.clouds.messages import Refusal

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
LONGEST = 4 << 20
_SPECIAL = {
    ord(sign): text for sign, text in {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}.items()
}
_SPECIAL |= {code: f"&#{code};" for code in range(32) if code not in {9, 10, 13}}


def escaped(text: str) -> str:
    """Text as it may stand in an element; control characters become references, as S3 writes them."""
    return text.translate(_SPECIAL)


def element(name: str, value: object) -> str:
    """One element with text."""
    return f"<{name}>{escaped(str(value))}</{name}>"


def elements(**values: object) -> str:
    """Elements in the given order; those that are None are left out."""
    return "".join(element(name, value) for name, value in values.items() if value is not None)


def document(root: str, *pieces: str, xmlns: str = "") -> bytes:
    """A whole document from ready pieces."""
    space = f' xmlns="{xmlns}"' if xmlns else ""
    return f"{HEAD}<{root}{space}>{''.join(pieces)}</{root}>".encode()


@dataclass(slots=True)
class Node:
    """An element that was read: its name without a namespace, its text, its children."""

    name: str
    text: str = ""
    children: list["Node"] = field(default_factory=list)

    def get(self, name: str) -> str:
        """The text of the first child of this name, stripped; '' where there is none."""
        return next((child.text.strip() for child in self.children if child.name == name), "")

    def all(self, name: str) -> Iterable["Node"]:
        """The children of this name."""
        return (child for child in self.children if child.name == name)


class _Reader:
    def __init__(self) -> None:
        self.stack = [Node("")]

    def start(self, name: str, _attributes: object) -> None:
        node = Node(name.rpartition(" ")[2])
        self.stack[-1].children.append(node)
        self.stack.append(node)

    def end(self, _name: str) -> None:
        self.stack.pop()

    def text(self, text: str) -> None:
        self.stack[-1].text += text


def _no_doctype(*_: object) -> None:
    raise Refusal(400, "MalformedXML", "A document type is not accepted.")


def parse(body: bytes, root: str) -> Node:
    """The root element, which must have this name; Refusal MalformedXML otherwise. Document types are refused."""
    if len(body) > LONGEST:
        raise malformed()
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError:
        raise malformed() from None
    found = reader.stack[0].children
    if not found or found[0].name != root:
        raise malformed()
    return found[0]


def malformed() -> Refusal:
    """What all three say of a body that is not as their schema wants it."""
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return Refusal(400, "MalformedXML", message)
