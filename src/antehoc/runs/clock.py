"""How long each part of a job took."""

import time


class Clock:
    """Seconds by part of a job."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self.last = time.perf_counter()

    def restart(self) -> None:
        """Begin a part now, and leave out the time since the last one."""
        self.last = time.perf_counter()

    def lap(self, name: str) -> None:
        """End a part: the time since the last one is its."""
        now = time.perf_counter()
        self.parts[name] = self.parts.get(name, 0.0) + now - self.last
        self.last = now
