"""Reading many things that lie far away, several at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: How many are read at a time. Clients of buckets and databases keep that many connections.
THREADS = 8


def read_ahead(items: Iterable[T], read: Callable[[T], R]) -> Iterator[R]:
    """What ``read`` makes of each item, in order.

    No more than :data:`THREADS` that nobody has taken yet are read or held. An error comes in its
    item's place; what was begun behind it ends before it is raised.
    """
    rest = iter(items)
    first = list(islice(rest, 2))
    if len(first) < 2:
        yield from map(read, first)
        return
    with ThreadPoolExecutor(THREADS, thread_name_prefix="read-ahead") as pool:

        def begin(item: T) -> Future[R]:
            return pool.submit(copy_context().run, read, item)

        under_way = deque(begin(item) for item in (*first, *islice(rest, THREADS - len(first))))
        try:
            while under_way:
                found = under_way.popleft().result()
                under_way.extend(map(begin, islice(rest, 1)))
                yield found
        finally:
            for future in under_way:
                future.cancel()
