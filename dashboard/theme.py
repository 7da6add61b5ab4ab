"""How the dashboard looks and what Streamlit may do, as options that no file and no variable outside can change back."""

from __future__ import annotations

from typing import Any, Final

# A calm teal on neutral grounds. Text on ground is at least 7:1, the categorical colors at least 3:1 against both grounds.
LIGHT: Final = {
    "primaryColor": "#0f6a68",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f3f5f8",
    "textColor": "#16202e",
    "linkColor": "#0b5c8a",
    "borderColor": "#d9dfe7",
    "dataframeHeaderBackgroundColor": "#f3f5f8",
}
DARK: Final = {
    "primaryColor": "#4fb8b3",
    "backgroundColor": "#10161f",
    "secondaryBackgroundColor": "#18212d",
    "textColor": "#e7ecf2",
    "linkColor": "#7cc0f0",
    "borderColor": "#314052",
    "dataframeHeaderBackgroundColor": "#18212d",
}
CATEGORICAL: Final = ["#0f7f7c", "#d9822b", "#5467c4", "#b3446c", "#6f8f2f", "#8a5fbf", "#2f86b5", "#a0692d"]
FONT: Final = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif'
CODE_FONT: Final = 'ui-monospace, "Cascadia Mono", Menlo, "DejaVu Sans Mono", monospace'


def streamlit_options(host: str, port: int) -> dict[str, Any]:
    """All Streamlit options, by dotted name."""
    look: dict[str, Any] = {
        "theme.font": FONT,
        "theme.headingFont": FONT,
        "theme.codeFont": CODE_FONT,
        "theme.baseFontSize": 15,
        "theme.baseRadius": "0.6rem",
        "theme.paddingTop": "2.75rem",
        "theme.paddingBottom": "3rem",
        "theme.showSidebarBorder": True,
        "theme.showWidgetBorder": True,
        "theme.linkUnderline": False,
        "theme.metricValueFontSize": "1.65rem",
        "theme.metricValueFontWeight": 600,
        "theme.headingFontSizes": ["1.7rem", "1.2rem", "1.05rem", "1rem", "0.95rem", "0.9rem"],
        "theme.headingFontWeights": [700, 650, 600, 600, 600, 600],
        "theme.chartCategoricalColors": CATEGORICAL,
    }
    look.update({f"theme.light.{name}": value for name, value in LIGHT.items()})
    look.update({f"theme.dark.{name}": value for name, value in DARK.items()})
    return {
        **look,
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.enableXsrfProtection": True,
        "server.enableCORS": True,
        "server.enableStaticServing": False,
        "server.enableAgentApi": False,
        "server.scriptHealthCheckEnabled": False,
        "server.showEmailPrompt": False,
        "server.maxUploadSize": 1,
        "server.baseUrlPath": "",
        "browser.gatherUsageStats": False,
        "browser.serverAddress": host,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "client.showSidebarNavigation": True,
        # The tables' own download is neither audited nor safe against formulas; the export buttons are both.
        "client.disableDataExport": True,
        "runner.magicEnabled": False,
        "logger.level": "warning",
        "logger.enableRich": False,
        "global.developmentMode": False,
    }
