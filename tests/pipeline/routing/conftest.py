from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from pipeline.routing.client import Http
from pipeline.routing.direct import DirectProvider
from pipeline.routing.litellm_lane import LitellmProvider
from pipeline.routing.litellm_parts import Parts, load
from pipeline.routing.providers import Catalog, read_catalog
from tests.servers.provider import Provider, running_provider


@pytest.fixture(scope="session")
def server() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(server: Provider) -> Provider:
    server.calls.clear()
    server.tries.clear()
    server.accept_keys = None
    server.leak = ""
    return server


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return read_catalog()


@pytest.fixture(scope="session")
def parts() -> Parts:
    return load()


@pytest.fixture
async def direct(catalog: Catalog) -> AsyncIterator[DirectProvider]:
    lane = DirectProvider(catalog, Http())
    yield lane
    await lane.aclose()


@pytest.fixture
async def litellm(catalog: Catalog, parts: Parts) -> AsyncIterator[LitellmProvider]:
    lane = LitellmProvider(catalog, Http(), lambda: parts)
    yield lane
    await lane.aclose()
