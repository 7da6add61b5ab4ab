"""The gateway. Composes redactors and collectors with routing, keys, vaults, ledger and store."""
