"""Secrets that only their name gives away, in code, configuration and prose: passwords, keys and tokens of any maker."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

from redactors.rules.model import Rule
from redactors.rules.named import PASSWORD_KEYWORDS, SECRET_KEYWORDS, named
from redactors.rules.passwords import directive, drawn_key, marked_password, password, secret_like, token_like
from redactors.rules.samples import ALNUM, Draw, b64, either, mixed, password_sample, uuid, weak_password, within
from redactors.rules.vocabulary import ASSIGN, CODE, LAST, PASSWORD, SECRET, SUFFIX, WRAP

_DOUBLE = r'"((?:[^"\\\r\n]|\\.){3,})(?:"|[\r\n]|$)'
_SINGLE = r"'((?:[^'\\\r\n]|\\.){3,})(?:'|[\r\n]|$)"
_BACKTICK = r"`([^`\r\n]{3,})`"
_ESCAPED = r"\\{1,3}[\"']([^\"'\\\r\n]{3,})\\{1,3}[\"']"


def _quoted(shape: str, form: str, mark: str) -> tuple[Rule, Rule]:
    """The two rules of one kind of quotes: for passwords, where words count too, and for keys, which must look drawn."""
    q = mark
    words: Draw = either("swordfish", "Tr0ub4dor", "correcthorsebattery", "open sesame 7")
    frames = (
        f"password = {q}{{s}}{q}",
        f"DB_PASSWORD_PROD := {q}{{s}}{q},",
        f"{{{q}userPassword{q}: {q}{{s}}{q}}}",
        f"passphrase: str = {q}{{s}}{q}",
    )
    keys = (
        f"api_token = {q}{{s}}{q}",
        f"{{{q}clientSecret{q}: {q}{{s}}{q}}}",
        f"const signingKey = {q}{{s}}{q};",
        f"{q}access_token{q} => {q}{{s}}{q},",
    )
    return (
        named(
            f"password-in-{form}",
            "password",
            f"Password field with a value in {form}",
            PASSWORD + SUFFIX + ASSIGN + WRAP + shape,
            password,
            (within(*frames)(words), within(*frames)(weak_password)),
            (
                (f"password = {q}your_password_here{q}", "a placeholder"),
                (
                    f"{{{q}password{q}: {q}string{q}, {q}passwordHint{q}: {q}Your first pet{q}}}",
                    "a type, and a name that only begins with the word",
                ),
                (f"password: {q}Please enter your password{q}", "a sentence of a form"),
                (f"password = {q}${{DB_PASSWORD}}{q}", "a template"),
                (f"password_length = {q}at least 12{q}", "a name that says something about passwords"),
            ),
            PASSWORD_KEYWORDS,
            4_096,
        ),
        named(
            f"secret-in-{form}",
            "secret",
            f"Key or token field with a value in {form}",
            SECRET + SUFFIX + ASSIGN + WRAP + shape,
            token_like,
            (within(*keys)(lambda rng: mixed(rng, ALNUM, 32)), within(*keys)(lambda rng: b64(rng, 24))),
            (
                (f"token = {q}csrf-token-name{q}", "words joined by dashes"),
                (f"{{{q}token{q}: {q}hello{q}, {q}tokens{q}: {q}128000{q}}}", "tokens of language, and how many"),
                (f"api_key = {q}YOUR_API_KEY{q}", "a placeholder"),
                (f"secret: {q}projects/acme/secrets/db/versions/latest{q}", "the path of a secret"),
                (f"token_type: {q}bearer{q}", "a name that says something about tokens"),
            ),
            SECRET_KEYWORDS,
            8_192,
        ),
    )


_QUOTED = (
    *_quoted(_DOUBLE, "double-quotes", '"'),
    *_quoted(_SINGLE, "single-quotes", "'"),
    *_quoted(_BACKTICK, "backticks", "`"),
    *_quoted(_ESCAPED, "escaped-quotes", '\\"'),
)

RULES: tuple[Rule, ...] = (
    *_QUOTED,
    named(
        "password-assigned",
        "password",
        "Password field with a value without quotes: env files, YAML, INI, connection strings, query strings",
        PASSWORD + SUFFIX + ASSIGN + rf"((?:{CODE}|[&@$]){{2,}}{LAST})",
        marked_password,
        (
            within("DB_PASSWORD={s}", "spring.datasource.password={s}\nx=1", "  password: {s}", "Server=db;Uid=sa;Pwd={s};Database=x")(
                password_sample
            ),
            within("Password: {s}", "pwd={s}", "admin_pass={s}, ok")(weak_password),
        ),
        (
            ("password = getpass.getpass()", "a call"),
            ("password: required, must be at least 12 characters", "a sentence"),
            ("password=os.environ['DB_PASSWORD']", "a look-up"),
            ("password: ${{ secrets.DB_PASSWORD }}", "a template"),
            ("PASSWORD=<your-password>", "a placeholder"),
            ("def connect(password: str = None, pwd: Optional[str] = None)", "types"),
            ("PWD=/home/alice/projects", "the working directory"),
        ),
        PASSWORD_KEYWORDS,
        512,
    ),
    named(
        "secret-assigned",
        "secret",
        "Key or token field with a value without quotes: env files, YAML, INI, headers",
        SECRET + SUFFIX + ASSIGN + r"([A-Za-z0-9_\-+/=.~:%!@#$^*|]{7,}[A-Za-z0-9_\-+/=~%!@#$^*|])",
        secret_like,
        (
            within("FROB_TOKEN={s}", "client_secret: {s}", "storage.key={s}", "  accessKey: {s}\n")(lambda rng: mixed(rng, ALNUM, 32)),
            within("AUTH_SECRET={s}", "encryption_key: {s}")(lambda rng: b64(rng, 32)),
        ),
        (
            ("token = request.headers.get('x')", "a call"),
            ("max_tokens: 4096, tokens=128000", "how many tokens"),
            ("secret: projects/acme/secrets/db/versions/latest", "the path of a secret"),
            ("api_key=os.environ.get", "a look-up"),
            ("token: ${GITHUB_TOKEN}", "a variable"),
            ("secretKeyRef: my-database-credentials", "a reference by name"),
        ),
        SECRET_KEYWORDS,
        4_096,
    ),
    named(
        "env-line-password",
        "password",
        "Line of an env file or a shell whose name ends in PASSWORD, PASS or SECRET: any value that is not a type or a template",
        r"(?:^|[\r\n;]|\\n)[ \t]{0,8}(?:export |set |setx |ENV |ARG |- |SETENV |Environment=)?[\"']?[A-Z0-9_]{0,48}(?:PASSWORD|PASSWD|PASS|PWD|PASSPHRASE|SECRET|SECRET_KEY|SECRET_KEY_BASE)"
        r"(?:_[A-Z0-9]{1,12})?=([^\s\"'`]{4,})",
        password,
        (
            within("export DB_PASSWORD={s}\nnext", "A=1\nJWT_SECRET={s}", "MYSQL_ROOT_PASSWORD={s}\n")(
                either("letmein", "open,sesame;7", "mysupersecretkey", "p(ss)w&rd")
            ),
        ),
        (
            ("DB_PASSWORD=${PASSWORD}", "a variable"),
            ("export PASSWORD=changeme", "a placeholder"),
            ("OLDPWD=/srv/app", "a folder"),
            ("API_SECRET=env:API_SECRET", "a reference"),
        ),
        ("pass", "pwd", "secret"),
        512,
        case_insensitive=False,
    ),
    named(
        "env-line-key",
        "secret",
        "Name in capitals that ends in KEY, TOKEN, DSN, SALT, SID or AUTH, with a drawn value: env files, YAML, tables, code",
        r"(?:^|[^A-Za-z0-9_]|\\n)[A-Z0-9_]{0,48}(?:KEY|TOKEN|DSN|SALT|SID|AUTH|PAT|HASH|SEED|CERT|COOKIE|SESSION|SIGNATURE|PEPPER|CREDENTIALS|ID_RSA)"
        r"(?:_[A-Z0-9]{1,12})?[\"']?(?:=|[?:]=|=>|:[ \t]|[ \t]\||[ \t]=|,)[ \t]{0,4}[\"'`]?([^\s\"'`]{8,})",
        drawn_key,
        (
            within("A=1\nFROBNICATE_KEY={s}\nB=2", "export WIDGET_SALT={s}", "env:\n  WIDGET_IO_KEY: {s}", "run -e ACME_SEED={s}")(
                lambda rng: mixed(rng, ALNUM, 32)
            ),
        ),
        (
            ("PRIMARY_KEY=customer_id\nSORT_KEY=created_at_desc", "names of columns"),
            ("PUBLIC_KEY=./keys/public.pem", "a path"),
            ("CACHE_KEY=v2-home-page-2024", "words and a year"),
        ),
        (
            "key",
            "token",
            "dsn",
            "salt",
            "sid",
            "auth",
            "pat",
            "hash",
            "seed",
            "cert",
            "cookie",
            "session",
            "signature",
            "pepper",
            "credentials",
            "id_rsa",
        ),
        4_096,
        case_insensitive=False,
    ),
    named(
        "yaml-line-password",
        "password",
        "Line of YAML or INI whose key is a password and whose value is one plain word",
        r"(?:\b|_|\\n)[a-z0-9_.-]*(?:password|passwd|passphrase|_pass|_pwd)[ \t]{0,2}[:=][ \t]{1,4}([A-Za-z0-9_-]{4,64})[ \t]{0,4}(?:[\r\n#]|\\n|$)",
        password,
        (
            within("db:\n  user: app\n  password: {s}\n  port: 5432", "admin_password = {s}\n")(
                either("swordfish", "letmein", "correcthorse")
            ),
        ),
        (("properties:\n  password:\n    type: string\n  old_password: string\n", "a schema"), ("password: optional", "a state")),
        ("pass", "pwd"),
        256,
        case_insensitive=False,
    ),
    named(
        "quoted-key-strict",
        "secret",
        "Any quoted field whose name ends in key, with a long drawn value of three classes",
        r"[\"'][A-Za-z0-9_.-]{0,32}(?:key|Key|KEY)[\"'][ \t]{0,2}(?::|=>|=|,)[ \t]{0,2}[\"']([A-Za-z0-9+/=_.~-]{20,})[\"']",
        drawn_key,
        (within('{"frob_key": "{s}"}', "'widgetKey' => '{s}'")(lambda rng: mixed(rng, ALNUM, 40)),),
        (
            ('{"primary_key": "3f2504e0-4f89-41d3-9a0c-0305e82c3301"}', "a UUID in a field that is not secret"),
            ('{"cache_key": "users:list:page-2:sort-created"}', "words"),
        ),
        ("key",),
        4_096,
        case_insensitive=False,
    ),
    named(
        "camel-key",
        "secret",
        "Name that ends in Key or _key, with a quoted value that is long and drawn",
        r"[a-z0-9](?:Key|_key)[\"'`\])]{0,3}[ \t]*(?:=>|:=|=|:)[ \t]*[\"'`]([A-Za-z0-9+/=_.:~-]{20,})[\"'`]",
        drawn_key,
        (within('acmeKey="{s}"', "widgetKey: '{s}',", 'fal_key = "{s}"')(lambda rng: mixed(rng, ALNUM, 32)),),
        (('cacheKey = "users:list:page-2:sorted-by-name"', "words"), ('partitionKey: "3f2504e0-4f89-41d3-9a0c-0305e82c3301"', "a UUID")),
        ("key",),
        4_096,
        case_insensitive=False,
    ),
    named(
        "name-value-password",
        "password",
        "Name and value of a container's environment, in YAML or JSON, for passwords",
        r"name[\"']?[ \t]*:[ \t]*[\"']?[a-z0-9_.-]*(?:password|passwd|passphrase|_pass|_pwd)[a-z0-9_]*[\"']?[ \t]*,?\s*[\"']?value[\"']?[ \t]*:[ \t]*[\"']?([^\s\"']{4,})",
        password,
        (within("- name: DB_PASSWORD\n  value: {s}", '{"name": "DB_PASSWORD", "value": "{s}"}')(weak_password),),
        (
            ("- name: DB_PASSWORD\n  value: $(DB_PASSWORD)", "a template"),
            ("- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef: {name: db}", "a reference"),
        ),
        ("value",),
        512,
    ),
    named(
        "name-value-secret",
        "secret",
        "Name and value of a container's environment, in YAML or JSON, for keys and tokens",
        r"name[\"']?[ \t]*:[ \t]*[\"']?[a-z0-9_.-]*(?:secret|token|key|credential|dsn|auth)[a-z0-9_]*[\"']?[ \t]*,?\s*[\"']?value[\"']?[ \t]*:[ \t]*[\"']?([^\s\"']{8,})",
        secret_like,
        (within("- name: API_KEY\n  value: {s}", '{"name": "WIDGET_TOKEN", "value": "{s}"}')(lambda rng: mixed(rng, ALNUM, 32)),),
        (("- name: CACHE_KEY\n  value: users-by-region", "words"),),
        ("value",),
        4_096,
    ),
    named(
        "connection-string-password",
        "password",
        "Password between semicolons or in a query, whatever it is: connection strings, forms, addresses",
        r"[;?&][ \t]?(?:password|passwd|pwd|pass|passphrase)=([^\s\"'`;&<>#]{3,})",
        password,
        (
            within("Server=db;User Id=sa;Password={s};", "jdbc:postgresql://db/shop?user=app&password={s}", "user=bob&pwd={s}&x=1")(
                either("swordfish", "harbor", "letmein")
            ),
        ),
        (
            ("grant_type=password&password={password}&username=x", "a template"),
            ("Server=db;Password=${PASSWORD};", "a variable"),
            ("/reset?password=required", "a state"),
        ),
        ("pass", "pwd"),
        512,
    ),
    named(
        "block-password",
        "password",
        "Default value in a block that is named after a password, as in Terraform",
        r"[\"'][a-z0-9_.-]*(?:password|passwd|passphrase|secret|token)[\"'][ \t]*\{[^{}]{0,160}?\b(?:default|value)[ \t]*=[ \t]*\"([^\"\r\n]{4,})\"",
        password,
        (within('variable "db_password" {\n  type = string\n  default = "{s}"\n}')(weak_password),),
        (('variable "db_password" {\n  default = "${var.other}"\n}', "a template"),),
        ("pass", "secret", "token"),
        512,
    ),
    named(
        "directive-password",
        "password",
        "Password after a directive of a server's configuration: requirepass, masterauth, bindpw, PASS",
        r"(?:^|[\s\"'`])(?:requirepass|masterauth|bindpw|rootpw|smtp_password|sasl_password|ldap_password|neighbor [0-9.]{7,15} password|enable secret|enable password|snmp-server community)[ \t]+[\"']?([^\s\"'`]{4,})",
        password,
        (within("requirepass {s}", "masterauth {s}\nport 6379", "bindpw {s}")(weak_password),),
        (("requirepass ${REDIS_PASSWORD}", "a variable"), ("enable secret for all routes", "a sentence")),
        ("pass", "auth", "pw", "secret", "community"),
        256,
    ),
    named(
        "table-password",
        "password",
        "First row of a table whose last column is the password: markdown and CSV",
        r"(?:\|[ \t]*(?:password|passwd|passwort|contraseña|mot de passe|secret|token|api key)[ \t]*\|[ \t]*\r?\n[ \t]*\|[-:| \t]+\|[ \t]*\r?\n[^\r\n]{0,200}\|[ \t]*`?([^|\s`]{4,})`?[ \t]*\|[ \t]*(?:[\r\n]|$))",
        password,
        (
            within("| host | user | password |\n|---|---|---|\n| db1 | root | {s} |", "| name | Passwort |\n| - | - |\n| bob | `{s}` |\n")(
                weak_password
            ),
        ),
        (("| field | password |\n|---|---|\n| rule | optional |", "a state"),),
        ("|",),
        512,
    ),
    named(
        "uuid-token",
        "secret",
        "UUID straight after the word token, secret or API key",
        r"\b(?:api[ _-]?key|access[ _-]?key|token|secret)[\"'`]?(?:[ \t]*[:=][ \t]*|[ \t]+)[\"'`]?([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\b",
        secret_like,
        (within("use this token {s} please", "the api key {s} works", "missing scope for token {s}")(uuid),),
        (("the primary key 3f2504e0-4f89-41d3-9a0c-0305e82c3301", "the key of a row"),),
        ("key", "token", "secret"),
        128,
        shaped=True,
    ),
    named(
        "directive-secret",
        "secret",
        "Name and value after a directive, without a sign of assignment: ENV API_KEY …, SetEnv …",
        r"\b(?:ENV|ARG|setenv|fastcgi_param|proxy_set_header|RequestHeader set|config set|set)[ \t]+[\"']?[A-Za-z0-9_-]*(?:password|passwd|secret|token|key)[A-Za-z0-9_]*[\"']?[ \t]+[\"']?([^\s\"'`;]{6,})",
        directive,
        (within("ENV API_KEY {s}", "SetEnv WIDGET_TOKEN {s}", "proxy_set_header X-Widget-Key {s};")(lambda rng: mixed(rng, ALNUM, 32)),),
        (("set token expiration2 to 5, env KEY $VALUE", "words and variables"),),
        ("env", "arg", "set", "fastcgi"),
        4_096,
    ),
)
