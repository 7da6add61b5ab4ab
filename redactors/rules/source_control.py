"""GitHub, GitLab, Bitbucket and other hosts of source code."""

from __future__ import annotations

import zlib
from random import Random

from redactors.rules.checks import hexadecimal, token
from redactors.rules.model import Must, MustNot, Rule
from redactors.rules.samples import ALNUM, HEX, LOWER_ALNUM, URLSAFE, WORD, fixed, in_plain, mixed, within
from redactors.rules.shapes import DATED, beside, prefixed

_GITHUB = "https://github.blog/engineering/behind-githubs-new-authentication-token-formats/"
_GITLAB = "https://docs.gitlab.com/security/tokens/"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _checked(prefix: str, rng: Random) -> str:
    body = mixed(rng, ALNUM, 30)
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return f"{prefix}{body}{digits.rjust(6, '0')}"


def _github(name: str, about: str, prefix: str) -> Rule:
    return Rule(
        id=name,
        kind="github_token",
        about=about,
        pattern=f"{prefix}[A-Za-z0-9]{{28,}}",  # distinctive enough to stand right behind a letter
        source=_GITHUB,
        dated=DATED,
        keywords=(prefix,),
        longest=320,
        validate=token,
        must=(Must(in_plain(lambda rng: _checked(prefix, rng))), Must(within("x{s}")(lambda rng: _checked(prefix, rng)))),
        must_not=(
            MustNot(fixed(f"{prefix}{'x' * 36} is not a token"), "a body of one filler character is a sample"),
            MustNot(fixed(f"tokens that start with {prefix} have a checksum"), "the prefix alone"),
        ),
    )


def _gitlab(name: str, about: str, prefix: str, length: int | tuple[int, int] = 20) -> Rule:
    return prefixed(name, "gitlab_token", about, prefix, URLSAFE, length, least=16, accepts=r"A-Za-z0-9_.\-", source=_GITLAB)


RULES: tuple[Rule, ...] = (
    _github("github-personal-token", "GitHub personal access token, classic", "ghp_"),
    _github("github-oauth-token", "GitHub OAuth access token", "gho_"),
    _github("github-user-token", "GitHub App user token; Copilot", "ghu_"),
    prefixed(
        "github-server-token",
        "github_token",
        "GitHub App installation and Actions token",
        "ghs_",
        ALNUM,
        36,
        least=28,
        accepts=r"A-Za-z0-9_.\-",
        source=_GITHUB,
        longest=1_024,
        lead=False,
    ),
    _github("github-refresh-token", "GitHub App refresh token", "ghr_"),
    prefixed(
        "github-fine-grained-token",
        "github_token",
        "GitHub personal access token, fine-grained",
        "github_pat_",
        WORD,
        82,
        least=36,
        lead=False,
        source=_GITHUB,
    ),
    _gitlab("gitlab-personal-token", "GitLab personal, project or group access token", "glpat-", (20, 51)),
    _gitlab("gitlab-deploy-token", "GitLab deploy token", "gldt-"),
    _gitlab("gitlab-runner-token", "GitLab runner authentication token", "glrt-", (20, 50)),
    _gitlab("gitlab-runner-registered-token", "GitLab runner token made by registration", "glrtr-"),
    _gitlab("gitlab-job-token", "GitLab CI job token", "glcbt-", (24, 60)),
    _gitlab("gitlab-trigger-token", "GitLab pipeline trigger token", "glptt-", 40),
    _gitlab("gitlab-feed-token", "GitLab feed token", "glft-"),
    _gitlab("gitlab-mail-token", "GitLab incoming mail token", "glimt-", 25),
    _gitlab("gitlab-agent-token", "GitLab agent for Kubernetes token", "glagent-", 50),
    _gitlab("gitlab-oauth-secret", "GitLab OAuth application secret", "gloas-", 64),
    _gitlab("gitlab-scim-token", "GitLab SCIM token", "glsoat-"),
    _gitlab("gitlab-feature-token", "GitLab feature flags client token", "glffct-"),
    prefixed(
        "gitlab-runner-registration-token",
        "gitlab_token",
        "GitLab runner registration token",
        "GR1348941",
        URLSAFE,
        20,
        least=16,
        source=_GITLAB,
    ),
    prefixed(
        "bitbucket-app-password",
        "bitbucket_token",
        "Bitbucket app password",
        "ATBB",
        ALNUM,
        32,
        least=28,
        source="https://support.atlassian.com/bitbucket-cloud/docs/app-passwords/",
    ),
    prefixed(
        "bitbucket-repository-token",
        "bitbucket_token",
        "Bitbucket repository, project or workspace access token",
        "ATCTT3xFfG",
        URLSAFE,
        160,
        least=40,
        accepts="A-Za-z0-9_=-",
        source="https://support.atlassian.com/bitbucket-cloud/docs/access-tokens/",
        longest=512,
    ),
    prefixed(
        "atlassian-api-token",
        "atlassian_token",
        "Atlassian API token: Jira, Confluence",
        "ATATT3xFfG",
        URLSAFE,
        180,
        least=40,
        accepts="A-Za-z0-9_=-",
        source="https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/",
        longest=512,
    ),
    beside(
        "gitea-token",
        "gitea_token",
        "Gitea, Forgejo and Codeberg access token",
        ("gitea", "forgejo", "codeberg"),
        HEX,
        40,
        source="https://docs.gitea.com/development/api-usage",
        validate=hexadecimal,
    ),
    prefixed(
        "sourcegraph-token",
        "sourcegraph_token",
        "Sourcegraph access token",
        ("sgp_local_", "sgp_", "slk_", "sgd_"),
        HEX,
        40,
        least=36,
        accepts="a-f0-9_",
        source="https://sourcegraph.com/docs/cli/how-tos/creating_an_access_token",
        validate=hexadecimal,
    ),
    prefixed(
        "snyk-token",
        "snyk_token",
        "Snyk personal or service token",
        "snyk_uat.",
        LOWER_ALNUM,
        60,
        least=24,
        accepts=r"A-Za-z0-9_.\-",
        source="https://docs.snyk.io/snyk-api/authentication-for-api",
    ),
    prefixed(
        "sonar-token",
        "sonar_token",
        "SonarQube and SonarCloud token",
        ("sqp_", "squ_", "sqa_", "sqb_"),
        HEX,
        40,
        least=36,
        source="https://docs.sonarsource.com/sonarqube-server/user-guide/managing-tokens/",
        validate=hexadecimal,
    ),
)
