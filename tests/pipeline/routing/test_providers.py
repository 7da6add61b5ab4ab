from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.routing.demo import DemoProvider
from pipeline.routing.direct import DirectProvider
from pipeline.routing.litellm_lane import LitellmProvider
from pipeline.routing.model import Lane, Surface
from pipeline.routing.providers import Catalog, Providers, read_catalog
from tests.pipeline.routing.asking import HandClock, target


@pytest.fixture
def providers(catalog: Catalog) -> Providers:
    return Providers(direct=DirectProvider(catalog), litellm=LitellmProvider(catalog), demo=DemoProvider(HandClock()), catalog=catalog)


@pytest.mark.parametrize(
    ("provider", "surface", "lane", "base", "served"),
    [
        ("openai", "openai.chat", "auto", "", "direct"),
        ("openai", "openai.embeddings", "auto", "", "direct"),
        ("openai", "openai.chat", "litellm", "", "litellm"),
        ("openai", "anthropic.messages", "auto", "", "litellm"),
        ("anthropic", "anthropic.messages", "auto", "", "direct"),
        ("anthropic", "anthropic.count_tokens", "auto", "", "direct"),
        ("anthropic", "openai.chat", "auto", "", "litellm"),
        ("gemini", "openai.chat", "auto", "", "litellm"),
        ("bedrock", "anthropic.messages", "auto", "", "litellm"),
        ("groq", "openai.chat", "auto", "", "litellm"),
        ("groq", "openai.chat", "direct", "", "direct"),
        ("hosted_vllm", "openai.chat", "auto", "http://127.0.0.1:8000/v1", "direct"),
        ("hosted_vllm", "openai.chat", "auto", "", "litellm"),
        ("veniceai", "openai.chat", "auto", "", "direct"),
        ("publicai", "openai.chat", "auto", "", "litellm"),
        ("demo", "openai.chat", "auto", "", "demo"),
        ("demo", "anthropic.messages", "litellm", "", "demo"),
    ],
)
def test_the_lane_follows_from_target_and_surface(
    providers: Providers, provider: str, surface: Surface, lane: Lane, base: str, served: str
) -> None:
    to = target(provider, base=base, lane=lane)
    assert providers.lane(to, surface) == served
    assert getattr(providers.of(to, surface), "name") == served  # noqa: B009


def test_a_targets_own_address_goes_before_its_providers(providers: Providers) -> None:
    assert providers.base(target("openai")) == "https://api.openai.com/v1"
    assert providers.base(target("openai", base="http://127.0.0.1:1/v1")) == "http://127.0.0.1:1/v1"
    assert providers.base(target("nobody")) is None


def test_the_catalog_works_without_litellms_list(tmp_path: Path) -> None:
    catalog = read_catalog(tmp_path / "missing.json")
    assert catalog.bases["openai"] == "https://api.openai.com/v1"
    assert "openai" in catalog.forwarded


def test_importing_and_building_the_lanes_loads_nothing_heavy() -> None:
    code = (
        "import sys, random\n"
        "import pipeline.routing.attempts, pipeline.routing.tokens\n"
        "from pipeline.clock import SystemClock\n"
        "from pipeline.routing.demo import DemoProvider\n"
        "from pipeline.routing.direct import DirectProvider\n"
        "from pipeline.routing.litellm_lane import LitellmProvider\n"
        "from pipeline.routing.providers import Providers, read_catalog\n"
        "c = read_catalog()\n"
        "Providers(direct=DirectProvider(c), litellm=LitellmProvider(c), demo=DemoProvider(SystemClock()), catalog=c)\n"
        "heavy = {'litellm', 'httpx', 'openai', 'pydantic', 'boto3', 'botocore', 'aiohttp'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
