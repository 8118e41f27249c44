"""Memory of this process, in MB of 1e6 bytes."""

import resource
from pathlib import Path

STATUS = Path("/proc/self/status")


def rss_mb() -> float:
    """Returns the resident memory now, or its peak where only that is known."""
    return _status("VmRSS")


def peak_rss_mb() -> float:
    """Returns the largest resident memory so far."""
    return _status("VmHWM")


def _status(field):
    if STATUS.exists():
        # Unlike ru_maxrss it does not start at the size of the process that started this one.
        for line in STATUS.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
