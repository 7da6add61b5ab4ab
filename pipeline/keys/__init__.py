"""Virtual keys and their caveats, budgets, rate limits, dashboard users."""
