"""One redactor, timed in an environment and a process of its own: `python redactor_contender.py NAME [PATH]`.

Answers JSON lines: first what the start took, then for each `{"texts", "seconds", "rounds"}` the least CPU microseconds that a call took
for each text. Runs in peers' environments too, so it imports nothing of the tests. kingfisher reads files and is measured by the asker.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import socket
import string
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

Redact = Callable[[str], object]
TWICE_S = 4.0


def lockgate(cache: str) -> Redact:
    """The complete stack: all rules, 1,000 live secrets in every form, 200 fuzzy terms."""
    from redactors import build_redactor

    rng = random.Random(1)
    known = ["".join(rng.choices(string.ascii_letters + string.digits, k=43)) for _ in range(1_000)]
    terms = [{"term": f"project {''.join(rng.choices(string.ascii_lowercase, k=8))}x{n}", "max_distance": 1} for n in range(200)]
    return build_redactor(known, terms, cache=Path(cache).read_bytes()).text


def lockgate_rules(cache: str) -> Redact:
    """The built-in rules alone: what a start from the cache takes."""
    from redactors import build_redactor

    return build_redactor(cache=Path(cache).read_bytes()).text


def litellm_content_filter() -> Redact:
    """LiteLLM's content filter with all its patterns, masking, by its public method."""
    from litellm.proxy.guardrails.guardrail_hooks.litellm_content_filter.content_filter import ContentFilterGuardrail
    from litellm.proxy.guardrails.guardrail_hooks.litellm_content_filter.patterns import get_all_pattern_names

    patterns: Any = [{"pattern_type": "prebuilt", "pattern_name": name, "action": "MASK"} for name in get_all_pattern_names()]
    guardrail = ContentFilterGuardrail(guardrail_name="bench", patterns=patterns)
    loop = asyncio.new_event_loop()
    return lambda text: loop.run_until_complete(guardrail.apply_guardrail({"texts": [text]}, {}, "request"))


def litellm_hide_secrets(detect_secrets: str) -> Redact:
    """LiteLLM's hide-secrets, which needs detect-secrets: taken from the environment of that peer."""
    sys.path.append(detect_secrets)
    from litellm_enterprise.enterprise_callbacks.secret_detection import _ENTERPRISE_SecretDetection

    return _ENTERPRISE_SecretDetection().redact_text


def datafog() -> Redact:
    """DataFog's own redaction."""
    import datafog as library

    return library.redact


def presidio() -> Redact:
    """Presidio's analyzer without a model (`no_op`), its default recognizers, English."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    models = {"nlp_engine_name": "no_op", "models": [{"lang_code": "en", "model_name": "en"}]}
    engine = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=models).create_engine(), supported_languages=["en"])
    return lambda text: engine.analyze(text, language="en")


def detect_secrets() -> Redact:
    """detect-secrets over a temporary file, its default plug-ins."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings

    def redact(text: str) -> object:
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            with default_settings():
                return list(scan_file(file.name))

    return redact


CONTENDERS: dict[str, Callable[..., Redact]] = {
    "lockgate": lockgate,
    "lockgate-rules": lockgate_rules,
    "litellm-content-filter": litellm_content_filter,
    "litellm-hide-secrets": litellm_hide_secrets,
    "datafog": datafog,
    "presidio": presidio,
    "detect-secrets": detect_secrets,
}


def _refuse(*_: object, **__: object) -> None:
    raise OSError("no network in a benchmark")


def _memory() -> float:
    """Resident MiB now."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def least(redact: Redact, text: str, seconds: float, rounds: int) -> float:
    """Microseconds of CPU per call, the least round of several; a call longer than a round is made twice, one of many seconds once."""

    def once() -> float:
        start = time.process_time()
        redact(text)
        return time.process_time() - start

    took = once()
    if took > seconds:
        # The first call with a thing of its kind loads what is loaded late.
        return (min(took, once()) if took < TWICE_S else took) * 1e6
    count = max(1, int(seconds / max(took, 1e-7)))
    found = []
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(count):
            redact(text)
        found.append((time.process_time() - start) / count)
    return min(found) * 1e6


def main() -> None:
    """Load, say what that took, and answer until the input ends."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    socket.socket.connect = _refuse  # type: ignore[method-assign, assignment]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    start = time.process_time()
    redact = CONTENDERS[sys.argv[1]](*sys.argv[2:])
    redact("nothing to see here")
    started = {"ms": (time.process_time() - start) * 1e3, "interpreter_ms": start * 1e3, "mib": _memory()}
    print(json.dumps(started), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        times = [least(redact, text, asked["seconds"], asked["rounds"]) for text in asked["texts"]]
        print(json.dumps({"us": times, "mib": _memory()}), file=answers, flush=True)


if __name__ == "__main__":
    main()
