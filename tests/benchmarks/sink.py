"""An OTLP destination that takes everything and looks at nothing, so that delivering spans is part of what is measured.

Run as `python -m tests.benchmarks.sink PORT`.
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn


async def accept(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Read the body to its end and answer 200 with an empty export response."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body", False):
        continue
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/x-protobuf")]})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(accept, host="127.0.0.1", port=int(sys.argv[1]), http="httptools", loop="uvloop", lifespan="off", log_level="error")
