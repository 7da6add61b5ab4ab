"""Which names the tools of a request go by: no dress of a tool makes it look like another that a key may offer."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.gateway.permission import tools_of


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"tools": [{"type": "function", "function": {"name": "search"}}]}, {"search"}),
        ({"tools": [{"type": "custom", "custom": {"name": "search"}}]}, {"search"}),
        ({"tools": [{"name": "search", "input_schema": {"type": "object"}}]}, {"search"}),
        ({"tools": [{"type": "custom", "name": "search", "input_schema": {}}]}, {"search"}),
        ({"functions": [{"name": "search", "parameters": {}}]}, {"search"}),
        ({"mcp_servers": [{"type": "url", "name": "search", "url": "https://mcp.example"}]}, {"search"}),
        ({"tools": [{"type": "mcp", "server_label": "search"}]}, {"search"}),
        ({"tools": [{"type": "mcp_toolset"}]}, {"mcp_toolset"}),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, {"web_search"}),
        ({"tools": [{"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}]}, {"str_replace_based_edit_tool"}),
        ({"tools": [{"type": "web_search", "search_context_size": "low"}]}, {"web_search"}),
    ],
)
def test_a_tool_goes_by_its_name(body: dict[str, Any], names: set[str]) -> None:
    assert tools_of(body) == names


@pytest.mark.parametrize(
    "tool",
    [
        # LiteLLM's lanes to Gemini and Bedrock read `function` whatever the type says, the one to Anthropic for `custom` too
        {"type": "x", "name": "search", "function": {"name": "rm"}},
        {"name": "search", "function": {"name": "rm"}},
        {"type": "custom", "custom": {"name": "search"}, "function": {"name": "rm"}},
        {"type": "function", "function": {"name": "rm"}, "custom": {"name": "search"}},
        # a search of the provider's own under the name of a harmless one
        {"type": "web_search", "name": "search"},
        {"type": "web_search", "function": {"name": "search"}},
        {"type": "web_search", "web_search": {"name": "search"}},
        {"type": "web_search", "server_label": "search"},
        {"type": "computer_use", "name": "search"},
        {"type": "web_search_20250305", "name": "search"},
        {"type": "mcp", "name": "search", "server_label": "rm"},
        {"type": "function", "googleSearch": {}},
        {"googleSearch": {}},
        {"type": ["function"], "name": "search"},
        "search",
    ],
    ids=str,
)
def test_no_dress_of_a_tool_passes_for_another(tool: Any) -> None:
    assert not tools_of({"tools": [tool]}) <= {"search", "function", "x"}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"web_search_options": {}}, {"web_search"}),
        ({"search_parameters": {"mode": "on"}}, {"web_search"}),
        ({"enable_search": True}, {"web_search"}),
        ({"plugins": [{"id": "web"}, {"id": "file-parser"}]}, {"web", "file-parser"}),
        ({"plugins": [{"name": "search"}]}, {""}),
        ({"plugins": {"id": "search"}}, {""}),
        ({"web_search_options": None, "search_parameters": None, "enable_search": False, "plugins": None}, set()),
    ],
)
def test_what_a_provider_does_by_itself_is_a_tool_by_whatever_field_it_is_asked_for(body: dict[str, Any], names: set[str]) -> None:
    assert tools_of(body) == names
