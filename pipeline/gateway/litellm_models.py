"""LiteLLM's `/model/info` and `/health`: what is served, and which targets rest. No provider is asked for it: asking costs money."""

from __future__ import annotations

from typing import Any

from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who
from pipeline.keys.scope import allowed_models
from pipeline.routing.model import Target


async def model_info(house: House, _request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /model/info`: the models this key may use, one entry for each target. Never an address or a credential."""
    assert who is not None
    router = house.swapped.router
    names = allowed_models(who.models, router.models())
    return Reply(json={"data": [_entry(house, name, target) for name in names for target in router.route(name).targets]})


async def health(house: House, _request: AdminRequest, _who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /health`: targets that take calls and those that rest after failures, as the calls of this process found them."""
    router = house.swapped.router
    resting = frozenset(router.resting())
    well = [_endpoint(target) for target in router.targets() if target.id not in resting]
    ill = [_endpoint(target) for target in router.targets() if target.id in resting]
    counts = {"healthy_count": len(well), "unhealthy_count": len(ill)}
    return Reply(json={"healthy_endpoints": well, "unhealthy_endpoints": ill, **counts})


def _entry(house: House, name: str, target: Target) -> dict[str, Any]:
    price = house.swapped.pricer.price(target)
    rates = None if price is None else price.rates("", 0)
    return {
        "model_name": name,
        "litellm_params": {"model": f"{target.provider}/{target.model}"},
        "model_info": {
            "id": target.id,
            "db_model": False,
            "litellm_provider": target.provider,
            "max_input_tokens": None if price is None else price.max_input,
            "max_output_tokens": None if price is None else price.max_output,
            "input_cost_per_token": None if rates is None else rates.input / 1e12,
            "output_cost_per_token": None if rates is None else rates.output / 1e12,
        },
    }


def _endpoint(target: Target) -> dict[str, Any]:
    return {"model": f"{target.provider}/{target.model}", "model_id": target.id}
