"""Where a call goes: plan, fallback, prices, and the two lanes that ask a provider."""
