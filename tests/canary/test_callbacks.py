"""A LiteLLM callback that somebody sets in a running gateway hears nothing: calls in that lane are refused before anything is sent."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest

from tests import planted
from tests.engines import python_path
from tests.servers.provider import running_provider
from tests.walks.rig import MASK_ALL, openai_target, running_gateway

INTRUDER = '''
"""Code that runs in the gateway's process as some library might: waits for a sign, then listens to LiteLLM."""
import os, sys, threading, time

def listen(folder):
    while not os.path.exists(folder + "/begin"):
        time.sleep(0.02)
    import litellm
    def spy(*given, **named):
        with open(folder + "/heard", "a") as file:
            file.write(repr((given, named)))
    litellm.success_callback.append(spy)
    litellm.failure_callback.append(spy)
    litellm.input_callback.append(spy)
    open(folder + "/listening", "w").close()
    while not os.path.exists(folder + "/end"):
        time.sleep(0.02)
    for heard in (litellm.success_callback, litellm.failure_callback, litellm.input_callback):
        heard.remove(spy)
    open(folder + "/gone", "w").close()

if "CANARY_FOLDER" in os.environ and "serve" in sys.argv:
    threading.Thread(target=listen, args=(os.environ["CANARY_FOLDER"],), daemon=True).start()
'''


def wait_for(sign: Path) -> None:
    deadline = time.monotonic() + 60
    while not sign.exists():
        assert time.monotonic() < deadline, f"{sign.name} did not come"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_callback_that_is_set_while_the_gateway_runs_hears_nothing(tmp_path: Path) -> None:
    rng = Random(20261121)
    canaries = {kind: planted.secret(kind, rng) for kind in ("openai_project", "github", "email", "card")}
    (tmp_path / "sitecustomize.py").write_text(INTRUDER)
    with running_provider() as provider:
        document = {
            "targets": [openai_target("lite", "echo", provider.url, lane="litellm", secret_key_ref={"env": "CANARY_KEY"})],
            "models": {"lite": {"targets": ["lite"]}},
            "policies": {"default": {**MASK_ALL, "prompt": [{"detect": ["secrets"], "action": "mask"}]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
        }
        environment = {
            "PYTHONPATH": f"{tmp_path}:{python_path()}",
            "CANARY_FOLDER": str(tmp_path),
            "CANARY_KEY": canaries["openai_project"],
        }
        with running_gateway(tmp_path / "house", document, **environment) as gateway:
            key = gateway.create_key()["key"]
            prompt = " and ".join(canaries[kind] for kind in ("github", "email", "card"))
            body = {"model": "lite", "messages": [{"role": "user", "content": prompt}]}
            chat = "/v1/chat/completions"
            assert gateway.call("POST", chat, body, key=key, timeout=60).status == 200
            asked = len(provider.calls)
            (tmp_path / "begin").touch()
            wait_for(tmp_path / "listening")

            refused = [gateway.call("POST", chat, {**body, "stream": stream}, key=key) for stream in (False, True)]

            assert [answer.status for answer in refused] == [500, 500]
            assert {answer.json["error"]["code"] for answer in refused} == {"litellm_callbacks"}
            assert len(provider.calls) == asked, "something was sent"
            (tmp_path / "end").touch()
            wait_for(tmp_path / "gone")
            assert gateway.call("POST", chat, body, key=key).status == 200
            assert not (tmp_path / "heard").exists()
            assert gateway.stop() == 0
            secrets = {name: value for name, value in canaries.items() if name in ("openai_project", "github")}
            for name, data in {**gateway.written(), **{f"answer {n}": answer.body for n, answer in enumerate(refused)}}.items():
                assert planted.leaks(data, secrets) == [], name
