"""What a symbol may look like: safe as a file name once it is percent-encoded."""

import re
from typing import Annotated

from pydantic import AfterValidator

_SYMBOL = re.compile(r"[A-Za-z0-9^=._/:-]{1,32}", re.ASCII)


def check_symbol(symbol: str) -> str:
    """The symbol itself. Raises ``ValueError`` saying what a symbol looks like."""
    if not _SYMBOL.fullmatch(symbol) or ".." in symbol or symbol.startswith("/"):
        raise ValueError(
            "a symbol of 1 to 32 of the characters A-Z a-z 0-9 ^ = . _ / : - "
            "without '..' and without a '/' in front"
        )
    return symbol


Symbol = Annotated[str, AfterValidator(check_symbol)]
