"""A log that stays readable whatever clients do."""

import copy
import logging
import time

from uvicorn.config import LOGGING_CONFIG

TIMES, SECONDS = 5, 60.0


class Seldom(logging.Filter):
    """Lets what is logged at one place of the code through five times a minute.

    The first of the next minute says how many were left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place, now = (record.pathname, record.lineno), time.monotonic()
        start, count = self.counts.get(place, (now, 0))
        if now - start > SECONDS:
            if count > TIMES:
                record.msg = f"{record.msg} ({count - TIMES} more like the last were not logged)"
            start, count = now, 0
        self.counts[place] = start, count + 1
        return count < TIMES


def log_config() -> dict:
    """Gives uvicorn's configuration with such a filter on all but the log of requests."""
    config = copy.deepcopy(LOGGING_CONFIG)
    config["filters"] = {"seldom": {"()": Seldom}}
    config["handlers"]["default"]["filters"] = ["seldom"]
    config["loggers"]["asyncio"] = {"handlers": ["default"], "level": "WARNING", "propagate": False}
    return config
