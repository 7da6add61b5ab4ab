"""Secrets on command lines: options of common names, and the programs that have ways of their own."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

from redactors.rules.model import Must, MustNot, Rule, Validator
from redactors.rules.passwords import argument, key_argument, password, secret_like
from redactors.rules.samples import ALNUM, Draw, fixed, mixed, password_sample, weak_password, within
from redactors.rules.shapes import DATED

_ARG = r"[\"']?([^\s\"'`|<>;]{4,})"


def _command(
    name: str,
    about: str,
    pattern: str,
    keywords: tuple[str, ...],
    frames: tuple[str, ...],
    must_not: tuple[tuple[str, str], ...],
    *,
    validate: Validator = argument,
    sample: Draw = weak_password,
    source: str = "https://attack.mitre.org/techniques/T1552/",
    kind: str = "password",
    longest: int = 512,
    case_insensitive: bool = False,
) -> Rule:
    return Rule(
        id=name,
        kind=kind,
        about=about,
        pattern=pattern,
        group=1,
        source=source,
        dated=DATED,
        keywords=keywords,
        longest=longest,
        validate=validate,
        must=(Must(within(*frames)(sample)),),
        must_not=tuple(MustNot(fixed(text), reason) for text, reason in must_not),
        case_insensitive=case_insensitive,
    )


RULES: tuple[Rule, ...] = (
    _command(
        "option-password",
        "Option of a command line whose name ends in password, passwd, passphrase, pass or pwd",
        r"(?:^|[\s\"'`(=])--?(?:[a-z0-9]+[-_.])*(?:password|passwd|passphrase|pass|pwd|passin|passout)(?:[ \t=:]+|[ \t]+=[ \t]+)(?:pass:)?"
        + _ARG,
        ("pass", "pwd"),
        ("app login --password {s} --user bob", "x --db-password={s}", "tool --http-passwd '{s}'", "cmd -passphrase {s}"),
        (
            ("app --password-file /run/secrets/db --password-stdin", "names that say where the password is"),
            ("app --password $DB_PASSWORD", "a variable"),
            ("use --password <password> here", "a placeholder"),
        ),
        case_insensitive=True,
    ),
    _command(
        "option-secret",
        "Option of a command line whose name ends in token, secret, key or credential",
        r"(?:^|[\s\"'`(=])--?(?:[a-z0-9]+[-_.])*(?:token|secret|api[-_]?key|access[-_]?key|secret[-_]?key|private[-_]?key|auth[-_]?key|key|credential|client[-_]?secret|pat|bearer|license|account[-_]?key|sas)"
        r"(?:[ \t=:]+)" + _ARG,
        ("token", "secret", "key", "credential", "pat", "bearer", "license", "sas"),
        ("app --license {s}", "x --widget-key={s}", "tool --frob-token '{s}'"),
        (
            ("ssh --key ~/.ssh/id_rsa --token-ttl 3600", "paths and times"),
            ("app --api-key YOUR_API_KEY --token $TOKEN", "placeholders and variables"),
            ("sort --key 2,2n", "a column"),
        ),
        validate=secret_like,
        sample=lambda rng: mixed(rng, ALNUM, 32),
        kind="secret",
        longest=4_096,
        case_insensitive=True,
    ),
    _command(
        "curl-user",
        "User and password of curl, wget and HTTPie",
        r"(?:curl|wget|http|https|xh|lftp)\b[^\r\n|;]*?[ \t](?:-u|--user|--proxy-user|-U|-a|--auth)[ \t=]*[\"']?[^\s:\"'/]*:([^\s\"'`|<>;]{3,})",
        ("curl", "wget", "http", "xh", "lftp"),
        ("curl -s -u bob:{s} https://api.invalid", "curl https://x.invalid --user 'svc:{s}'", "http -a bob:{s} :8080"),
        (("curl -u $USER:$PASS https://x", "variables"), ("curl -u user:password https://x", "the manual's sample")),
        validate=password,
    ),
    _command(
        "mysql-password",
        "Password glued to -p of MySQL's programs",
        r"\b(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump|mysqlimport|mycli)\b[^\r\n|;]*?[ \t]-p([^\s\"'`|<>;]{3,})",
        ("mysql", "mariadb", "mycli"),
        ("mysql -u root -p{s} app", "mysqldump -h db -uapp -p{s} --all"),
        (("mysql -u root -p app", "a prompt"), ("mysql -port", "a wrong option")),
        validate=argument,
    ),
    _command(
        "short-password-option",
        "Value of -p or -P of programs where it is the password",
        r"\b(?:sshpass|docker login|podman login|helm registry login|crane auth login|az login|oc login|mongo|mongosh|mongodump|mongorestore|sqlcmd|bcp|redis-cli|psexec|plink|pscp|zip|unzip|7z|7za|rar|unrar|smbclient|"
        r"ldapsearch|ldapadd|ldapmodify|htpasswd|kinit|xfreerdp|rdesktop|vncviewer|ipmitool|snowsql|clickhouse-client|influx|cqlsh|hydra|crackmapexec|nxc|evil-winrm|imapsync|lpass|expect|ansible|winexe|net use|cmdkey|keytool|openssl|gpg)\b"
        r"[^\r\n|;]*?[ \t](?:(?:-p|-P|/p:|/pass:)[ \t=:]*|(?:-a|-w|-pw|-pass|-storepass|-keypass|-b \S+ \S+|/user:\S+)[ \t=:]+)[\"']?([^\s\"'`|<>;]{4,})",
        (
            "pass",
            "login",
            "mongo",
            "sqlcmd",
            "bcp",
            "redis",
            "psexec",
            "plink",
            "pscp",
            "zip",
            "7z",
            "rar",
            "smb",
            "ldap",
            "kinit",
            "rdp",
            "desktop",
            "vnc",
            "ipmi",
            "snowsql",
            "click",
            "influx",
            "cqlsh",
            "hydra",
            "crackmap",
            "nxc",
            "evil",
            "imapsync",
            "expect",
            "ansible",
            "winexe",
            "net use",
            "cmdkey",
            "keytool",
            "openssl",
            "gpg",
        ),
        (
            "sshpass -p {s} ssh bob@host",
            "docker login -u bob -p {s}",
            "redis-cli -h cache -a {s}",
            "sqlcmd -S db -U sa -P {s}",
            "7z x a.7z -p{s}",
            "keytool -list -storepass {s}",
        ),
        (
            ("docker login -p $TOKEN", "a variable"),
            ("unzip -P <password> a.zip", "a placeholder"),
            ("mongo --port 27017 -u admin", "another option"),
            ("openssl enc -aes-256-cbc -in a", "a cipher"),
        ),
        validate=argument,
        longest=768,
    ),
    _command(
        "openssl-pass",
        "Password source of openssl given in clear",
        r"\bpass:([^\s\"'`|<>;]{4,})",
        ("pass:",),
        ("openssl rsa -in k.pem -passin pass:{s} -out o", "pass:{s}"),
        (("-passin pass:$PASS", "a variable"), ("bypass:the-filter", "inside a word")),
        validate=argument,
    ),
    _command(
        "smb-user-password",
        "User and password joined by % for SMB",
        r"\b(?:smbclient|rpcclient|winexe|wmiexec|net rpc|mount\.cifs|pth-\w+)\b[^\r\n|;]*?[ \t](?:-U|--user)[ \t=]*[\"']?[^\s%\"']+%([^\s\"'`|<>;]{3,})",
        ("smb", "rpc", "winexe", "wmiexec", "cifs", "pth"),
        ("smbclient //h/s -U bob%{s}",),
        (("smbclient //h/s -U bob%$PASS", "a variable"),),
        validate=argument,
    ),
    _command(
        "net-use-password",
        "Password of a share of Windows",
        r"\bnet use (?:[A-Za-z]:[ \t]+|\*[ \t]+)?[\"']?\\{2,4}[^\s\"']+[\"']?[ \t]+([^\s\"'`/|<>][^\s\"'`|<>]{3,})",
        ("net use",),
        (r"net use \\srv\share {s} /user:bob", r"net use Z: \\srv\share {s}"),
        ((r"net use \\srv\share * /user:bob", "a prompt"), (r"net use Z: \\srv\share /user:bob", "no password")),
    ),
    _command(
        "login-command",
        "Key given to a login or configure command as an argument",
        r"\b(?:vault login|gh auth login --with-token|wrangler secret put \S+|npm config set \S+|pip config set \S+|aws configure set \S+|gcloud auth activate-refresh-token \S+|heroku config:set \S+?|flyctl auth token|"
        r"doppler configure set token|snyk auth|ngrok (?:config add-authtoken|authtoken)|tailscale up --auth-?key|sentry-cli login|stripe login|huggingface-cli login --token|wandb login|composer config \S+|"
        r"git config \S+|poetry config \S+|cargo login|kubectl config set-credentials \S+|launchctl setenv \S+|setx \S+|fly secrets set \S+?|"
        r"gh secret set \S+ (?:-b|--body)|netlify env:set \S+|vercel env add \S+|dotnet user-secrets set \S+)[ \t=]+" + _ARG,
        ("login", "set", "auth", "config", "secret", "env", "put", "token"),
        ("vault login {s}", "ngrok authtoken {s}", "cargo login {s}", "wandb login {s}", "setx WIDGET {s}"),
        (
            ("npm config set fetch-retries 5", "a number"),
            ("git config user.name alice.the.developer", "a name"),
            ("vault login -method=userpass", "a method"),
        ),
        validate=key_argument,
        sample=lambda rng: mixed(rng, ALNUM, 32),
        kind="secret",
        longest=4_096,
    ),
    _command(
        "piped-password",
        "Password echoed into a program that asks for one",
        r"\b(?:echo|printf)[ \t]+(?:-n[ \t]+|'%s' )?[\"']?([^\s\"'`|<>;]{4,})[\"']?[ \t]*\|[ \t]*(?:sudo[ \t]+-S|docker login|podman login|passwd|chpasswd|openssl|gpg|cryptsetup|kinit|su\b|smbpasswd|vault)",
        ("echo", "printf"),
        ("echo {s} | sudo -S apt update", "echo -n '{s}' | docker login -u bob --password-stdin"),
        (("echo $PASS | sudo -S ls", "a variable"), ("echo done | passwd", "a word")),
        validate=argument,
    ),
    _command(
        "chpasswd-line",
        "User and password of chpasswd and of SQL that makes users",
        r"(?:IDENTIFIED (?:WITH [a-z0-9_]+ )?BY|(?:WITH |ENCRYPTED )PASSWORD|SET PASSWORD(?: FOR \S+)? ?=(?: ?PASSWORD\()?|PASSWORD)[ \t]+'([^'\r\n]{3,})'",
        ("by", "password"),
        (
            "CREATE USER bob IDENTIFIED BY '{s}';",
            "ALTER ROLE bob WITH PASSWORD '{s}'",
            "CREATE USER MAPPING x OPTIONS (user 'a', password '{s}')",
        ),
        (("IDENTIFIED BY '<password>'", "a placeholder"),),
        validate=password,
        sample=password_sample,
        case_insensitive=True,
    ),
)
