"""A disk that is full, for one process and for a while."""

import contextlib
import resource


@contextlib.contextmanager
def files_of_at_most(num_bytes: int):
    """No file of this process grows beyond the limit: to its writer, a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
