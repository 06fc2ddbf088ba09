"""Something that is done again and again beside everything else."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor


@contextlib.contextmanager
def repeated(action: Callable[[], None], threads: int) -> Iterator[None]:
    """So many threads do it inside; raises what one of them raised at the end."""
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            action()

    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(repeat) for _ in range(threads)]
        try:
            yield
        finally:
            over.set()
    for one in running:
        one.result()
