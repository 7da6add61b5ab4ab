"""What each field of `auth_config` means, in a sentence: for the generated reference of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MEANINGS: Final[Mapping[str, str]] = {
    "unsafe_allow_world_readable": "`true` reads files that everybody on the machine may read.",
    "keychain_service": "The service name of the entries; `lockgate`.",
    "aws_access_key_id": "An access key, usually by reference.",
    "aws_secret_access_key": "Its secret; a reference.",
    "aws_session_token": "The token of temporary credentials; a reference.",
    "aws_region": "The region of the secrets.",
    "aws_role_arn": "The role to assume.",
    "aws_external_id": "What the role's trust policy asks for.",
    "aws_role_session_name": "The name in CloudTrail; `lockgate`.",
    "aws_session_duration": "Seconds of a session, 900 or more; AWS's default otherwise. It is renewed before it ends.",
    "aws_web_identity_token_file": "The file of the signed token, read anew for each session; only where secrets may come from.",
    "aws_profile_name": "A profile of the machine's AWS configuration.",
    "aws_endpoint_url": "Another address than AWS's, as a VPC endpoint.",
    "aws_sts_endpoint_url": "Another address of STS.",
    "vault_addr": "`https://HOST:PORT`.",
    "vault_token": "A token; a reference. Renewed while it can be, also while nothing is read.",
    "vault_role_id": "The AppRole.",
    "vault_secret_id": "Its secret id, or what wraps it; a reference.",
    "vault_secret_id_wrapped": (
        "`true`: `vault_secret_id` is a response-wrapping token, which is opened once: it is good for one process and one start, "
        "and `lockgate check` would use it up. One that was opened before is refused and reported."
    ),
    "vault_role": "The role to log in to.",
    "vault_jwt": "A signed token; a reference.",
    "vault_jwt_file": "The file of the signed token, read anew for each login; only where secrets may come from. `kubernetes`: the pod's.",
    "vault_client_cert": "The path of the certificate to show (PEM).",
    "vault_client_key": "The path of its key; that of the certificate when it holds both.",
    "vault_auth_mount": "Where the auth method is mounted; its own name otherwise.",
    "vault_namespace": "The namespace (Vault Enterprise, OpenBao).",
    "vault_mount": "The engine's mount; the path is then the one inside it. Otherwise Vault is asked.",
    "vault_kv_version": "`1`, `2` or `auto` (the default: Vault is asked).",
    "vault_ca_cert": "The path of the CA that signed Vault's certificate (PEM).",
}
