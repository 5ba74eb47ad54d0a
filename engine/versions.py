"""Which numbers this engine gives."""

from typing import Final

ENGINE_VERSION: Final = "1.0.0"
#: The versions whose numbers this engine reproduces bit for bit.
SUPPORTED_ENGINE_VERSIONS: Final = ("1.0.0",)
