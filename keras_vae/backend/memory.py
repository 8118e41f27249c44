"""How much memory data may take."""

import os

# Where nobody knows.
UNKNOWN = 2 * 2**30


def free_in_machine() -> int:
    """Returns the free bytes of the machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, AttributeError, OSError):
        return UNKNOWN
