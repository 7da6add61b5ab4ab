"""What went wrong with a reference, as a plain value: built without a stack, raised where no frame holds a secret.

Adapters and the resolver return a `Failure` from every frame that has seen a value and raise only its `error()`, so that no
traceback, not even one with local variables, can carry a value or the vault's own text. The classes are those of the
taxonomy in `pipeline.errors`; `reason` says more to audit, `check` and metrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from pipeline.errors import SecretError, SecretForbidden, SecretNotFound, VaultUnavailable
from pipeline.vaults.model import Fetched, Outcome

Reason = Literal[
    "out_of_scope",
    "disabled",
    "not_found",
    "version_gone",
    "denied",
    "unauthenticated",
    "throttled",
    "unavailable",
    "bad_value",
    "misconfigured",
    "not_permitted",
    "untried",
]

TRANSIENT: Final[frozenset[Reason]] = frozenset({"throttled", "unavailable"})
"""May pass by itself: the last good value may be served for a while. Every other reason is the vault's word and final."""

OUTCOMES: Final[dict[Reason, Outcome]] = {
    "out_of_scope": "out_of_scope",
    "disabled": "denied",
    "not_found": "not_found",
    "version_gone": "not_found",
    "denied": "denied",
    "unauthenticated": "denied",
    "throttled": "unavailable",
    "unavailable": "unavailable",
    "bad_value": "bad_value",
    "misconfigured": "bad_value",
    "not_permitted": "denied",
    "untried": "unavailable",
}
"""How each reason is spelled in the audit's closed vocabulary."""

RETRY_AFTER_S: Final = "5"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a reference gave no secret. `message` names the reference and `hint` says what to do; neither quotes vault or value."""

    reason: Reason
    message: str
    hint: str = ""

    @property
    def transient(self) -> bool:
        """Whether it may pass by itself (see `TRANSIENT`)."""
        return self.reason in TRANSIENT

    @property
    def outcome(self) -> Outcome:
        """The audit's word for it."""
        return OUTCOMES[self.reason]

    def error(self) -> SecretError:
        """Make the exception that says this: a new one each time, without cause, context or traceback."""
        error = self._error()
        error.reason = self.reason
        return error

    def _error(self) -> SecretError:
        match self.reason:
            case "out_of_scope":
                return SecretForbidden(self.message, hint=self.hint, code="reference_not_allowed", status=403, type="permission_error")
            case "not_found" | "version_gone":
                return SecretNotFound(self.message, hint=self.hint)
            case "denied" | "unauthenticated" | "disabled":
                return SecretForbidden(self.message, hint=self.hint)
            case "not_permitted":
                return SecretForbidden(self.message, hint=self.hint, code="reference_not_permitted")
            case "throttled" | "unavailable" | "untried":
                return VaultUnavailable(self.message, hint=self.hint, headers={"Retry-After": RETRY_AFTER_S})
            case "bad_value":
                return SecretError(self.message, hint=self.hint, code="bad_value")
            case "misconfigured":
                return SecretError(self.message, hint=self.hint)


def given(answer: Fetched | Failure) -> Fetched:
    """What an adapter found; its failure is raised here, in a frame that has seen no value."""
    if isinstance(answer, Failure):
        raise answer.error()
    return answer


def as_failure(error: SecretError) -> Failure:
    """Take the words out of an adapter's error and leave its stack behind."""
    for reason in get_args(Reason):
        if error.reason == reason:
            return Failure(reason, error.message, error.hint)
    return Failure("bad_value", error.message, error.hint)


def out_of_scope(slug: str) -> Failure:
    """Say that a workspace may not use a reference; the same words when there is no such reference, so that asking teaches nothing."""
    return Failure(
        "out_of_scope",
        f"The secret reference {slug!r} is not available to this workspace.",
        "Ask an administrator to add this workspace to the reference's allowed_workspaces, or use another reference.",
    )


def disabled(slug: str) -> Failure:
    """Say that the kill switch of a reference is set."""
    return Failure("disabled", f"The secret reference {slug!r} is disabled.", "An administrator disabled it; enable it to use it again.")


def not_permitted(slug: str, what: str, hint: str) -> Failure:
    """Say that a reference made by REST names what the document does not allow; `what` names the field, never what stands in it."""
    return Failure("not_permitted", f"The document does not permit the secret reference {slug!r}: {what}.", hint)


def not_found(slug: str, hint: str = "Check secret_path (and version), and that the secret exists in the vault.") -> Failure:
    """Say that the vault has no such secret."""
    return Failure("not_found", f"The secret of reference {slug!r} does not exist in its vault.", hint)


def version_gone(
    slug: str, hint: str = "Write a new version or restore the deleted one, or point the reference at another version."
) -> Failure:
    """Say that the version was deleted, destroyed, disabled, is scheduled for deletion, or is not valid at this time."""
    return Failure("version_gone", f"The version of the secret that reference {slug!r} names was deleted or disabled in its vault.", hint)


def denied(slug: str, hint: str = "Grant the vault identity that Lockgate uses read access to this secret.") -> Failure:
    """Say that the vault knows who we are and refuses."""
    return Failure("denied", f"The vault denies reading the secret of reference {slug!r}.", hint)


def unauthenticated(
    slug: str, hint: str = "The vault credential is wrong, expired or revoked: renew it where auth_config refers to."
) -> Failure:
    """Say that the vault does not accept our own credential."""
    return Failure("unauthenticated", f"The vault of reference {slug!r} does not accept the credential it is asked with.", hint)


def untried(slug: str) -> Failure:
    """Say that the way to the vault is good for one use, which a look from outside must not be."""
    return Failure(
        "untried",
        f"The secret of reference {slug!r} was not read: what opens its vault is good once, and was left for the gateway.",
        "Vault says that it is still unopened. `lockgate secrets status` asks a gateway that runs.",
    )


def throttled(slug: str) -> Failure:
    """Say that the vault asks us to slow down."""
    return Failure(
        "throttled", f"The vault of reference {slug!r} throttles.", "Raise the vault's rate limit or the reference's cache_ttl_s."
    )


def unavailable(slug: str, hint: str = "Check that the vault is up, unsealed and reachable from here.") -> Failure:
    """Say that the vault cannot be reached, is sealed, answers nonsense or takes too long."""
    return Failure("unavailable", f"The vault of reference {slug!r} cannot be reached or does not answer properly.", hint)


def bad_value(slug: str, what: str, hint: str = "Write the secret again as one line of text, without quotes or line breaks.") -> Failure:
    """Say that the vault's value cannot be used; `what` is fixed text of ours that says why, never a part of the value."""
    return Failure("bad_value", f"The secret of reference {slug!r} cannot be used: {what}.", hint)


def misconfigured(slug: str, what: str, hint: str = "") -> Failure:
    """Say that the reference itself, or the way to its vault, is wrong; `what` names fields, never their values."""
    return Failure("misconfigured", f"The secret reference {slug!r} is not configured properly: {what}.", hint)
