"""Password hashing: argon2id with the library's recommended parameters (RFC 9106, low-memory profile), slow on purpose.

Blocking: call it in a thread, and few at a time, because each takes 64 MiB.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher


def hash_password(password: str) -> str:
    """Hash a password for storing."""
    return _hasher().hash(password)


def password_fits(stored: str | None, password: str) -> bool:
    """Whether a password fits the stored hash. Without one (no such user) the same time is spent, so that names cannot be tried out."""
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        return _hasher().verify(stored or _nobody(), password) and stored is not None
    except (Argon2Error, InvalidHashError):
        return False


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobody() -> str:
    return _hasher().hash("nobody has this password")
