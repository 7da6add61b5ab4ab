"""Reads answers of ours with LiteLLM's own models: `{model: answer}` on standard input, `{model: "read", "version"}` on standard output."""

from __future__ import annotations

import importlib.metadata
import json
import sys

from litellm.proxy import _types

told = json.load(sys.stdin)
read = {}
for name, answer in told.items():
    parsed = getattr(_types, name)(**answer)
    for field in ("spend", "max_budget"):
        if hasattr(parsed, field) and answer.get(field) is not None:
            assert getattr(parsed, field) == answer[field], (name, field)
    read[name] = "read"
print(json.dumps({**read, "version": importlib.metadata.version("litellm")}))
