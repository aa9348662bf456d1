"""What the scheduler knows of the workers."""

from __future__ import annotations

from typing import Any


def workers_of(client: Any) -> dict[str, Any]:
    """Return what the scheduler knows of each worker, by address; nothing where it does not answer."""
    try:
        info = client.scheduler_info(n_workers=-1)
    except TypeError:  # before 2025.4 there was no limit
        info = client.scheduler_info()
    found: dict[str, Any] = info.get("workers", {})
    return found
