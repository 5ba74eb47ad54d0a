"""Where panels go: from left to right, in rows as high as their highest panel."""

from collections.abc import Sequence


def flow(
    sizes: Sequence[tuple[int, int]], columns: int, top: int
) -> tuple[list[tuple[int, int]], int]:
    """The column and row of each panel of a width and height, and the first row below them all."""
    places: list[tuple[int, int]] = []
    left, below = 0, top
    for width, height in sizes:
        if left + width > columns:
            left, top = 0, below
        places.append((left, top))
        left += width
        below = max(below, top + height)
    return places, below
