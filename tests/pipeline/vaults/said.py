"""All that an error says, to anybody who looks closely."""

from __future__ import annotations

import traceback
from concurrent.futures import ThreadPoolExecutor

from pipeline.errors import SecretError
from pipeline.vaults.model import SecretRef, Vault


def everything_said(error: BaseException) -> str:
    """All that a crash reporter could collect: the chain with causes, contexts and local variables, and the error's own fields."""
    seen, parts, queue = set[int](), [], [error]
    while queue:
        one = queue.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        parts.append("".join(traceback.TracebackException.from_exception(one, capture_locals=True).format()))
        parts.append(repr(vars(one)) + repr(one.args))
        queue.extend(other for other in (one.__cause__, one.__context__) if other is not None)
    return "\n".join(parts)


def error_of(vault: Vault, ref: SecretRef) -> SecretError:
    """What reading raises, in a thread of its own: no frame of the test, which knows the value, is in its traceback."""
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(vault.fetch, ref).exception()
    assert isinstance(error, SecretError)
    return error
