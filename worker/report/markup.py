"""HTML and SVG that cannot be broken out of: every text and attribute is escaped as it is added."""

from html import escape
from typing import TypeAlias

_VOID = frozenset({"meta", "br"})


class Markup(str):
    """Text that is markup already. Made here only, of escaped parts."""

    __slots__ = ()


Child: TypeAlias = "Markup | str | None"
Attribute: TypeAlias = str | float | bool | None


def element(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """One element. Children that are no markup are text; ``None`` is nothing.

    An attribute's name may end in ``_`` where Python keeps the word (``class_``); other ``_`` are
    hyphens. ``None`` and ``False`` leave it out.
    """
    start = f"<{name}{''.join(_attribute(*pair) for pair in attributes.items())}>"
    if name in _VOID:
        return Markup(start)
    return Markup(f"{start}{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Several children in a row."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escape(child)
            for child in children
            if child is not None
        )
    )


def trusted(text: str) -> Markup:
    """Markup of this program's own. Nothing that anybody sent may come here."""
    return Markup(text)


def of_user(text: str) -> Markup:
    """Text that somebody chose: kept from turning round the direction of what stands beside it."""
    return element("bdi", text)


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f' {written}="{escape(shown)}"'
