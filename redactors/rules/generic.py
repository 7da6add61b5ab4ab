"""Secrets that only their name gives away, in code, configuration and prose: passwords, keys and tokens of any maker."""

from __future__ import annotations

from random import Random

from redactors.rules.model import Must, MustNot, Rule, Validator
from redactors.rules.passwords import drawn_key, marked_password, password, secret_like, spoken, token_like
from redactors.rules.samples import ALNUM, Draw, Text, b64, either, fixed, mixed, password_sample, weak_password, within
from redactors.rules.shapes import DATED
from redactors.rules.vocabulary import ASSIGN, BARE, CODE, LAST, OPEN, PASSWORD, SAID_PASSWORD, SAID_PASSWORD_EUROPE, SAID_PASSWORD_WORLD, SAID_SECRET, SAID_SECRET_EUROPE, SAID_SECRET_WORLD, SAYS, SAYS_EUROPE, SAYS_WORLD, SECRET, SUFFIX, WRAP

_SOURCE = "https://cwe.mitre.org/data/definitions/798.html"

_DOUBLE = r'"((?:[^"\\\r\n]|\\.){3,})(?:"|[\r\n]|$)'
_SINGLE = r"'((?:[^'\\\r\n]|\\.){3,})(?:'|[\r\n]|$)"
_BACKTICK = r"`([^`\r\n]{3,})`"
_ESCAPED = r"\\{1,3}[\"']([^\"'\\\r\n]{3,})\\{1,3}[\"']"

_PASSWORD_KEYWORDS = (
    "pass", "pwd", "psw", "pw", "wort", "mdp", "contrase", "senha", "wachtwoord", "parola", "has", "sifre", "şifre", "senord", "parol", "пароль", "密", "パスワード",
    "비밀번호", "adgangskode", "salasana", "heslo", "jelsz", "kata", "mot", "clave", "losung", "zugang", "κωδικός", "סיסמ", "口令", "暗証", "암호", "كلمة",
    "पासवर्ड", "mật", "รหัส", "лозинка", "pin",
)  # fmt: skip
_SECRET_KEYWORDS = (
    "key", "secret", "token", "cred", "bearer", "jwt", "auth", "string", "url", "assertion", "seed", "mnemonic", "recovery", "pat", "sig", "schl", "geheim",
    "cl", "jeton", "llave", "chave", "chiave", "sleutel", "klucz", "ключ", "токен", "секрет", "anahtar", "nyckel", "nøkkel", "nøgle", "avain", "klíč",
    "kulcs", "密", "秘", "令", "金", "キー", "トークン", "鍵", "시크릿", "키", "토큰", "مفتاح", "رمز", "कुंजी", "टोकन", "khóa", "kunci", "κλειδί", "מפתח",
)  # fmt: skip


def _rule(
    id: str,  # noqa: A002 - the field's name in Rule
    kind: str,
    about: str,
    pattern: str,
    validate: Validator,
    must: tuple[Text, ...],
    must_not: tuple[tuple[str, str], ...],
    keywords: tuple[str, ...] = (),
    longest: int = 1_024,
    case_insensitive: bool = True,
) -> Rule:
    return Rule(
        id=id,
        kind=kind,
        about=about,
        pattern=pattern,
        group=1,
        source=_SOURCE,
        dated=DATED,
        keywords=keywords,
        longest=longest,
        validate=validate,
        must=tuple(Must(text) for text in must),
        must_not=tuple(MustNot(fixed(text), reason) for text, reason in must_not),
        case_insensitive=case_insensitive,
    )


def _quoted(shape: str, form: str, mark: str) -> tuple[Rule, Rule]:
    """The two rules of one kind of quotes: for passwords, where words count too, and for keys, which must look drawn."""
    q = mark
    words: Draw = either("swordfish", "Tr0ub4dor", "correcthorsebattery", "open sesame 7")
    frames = (f"password = {q}{{s}}{q}", f"DB_PASSWORD_PROD := {q}{{s}}{q},", f"{{{q}userPassword{q}: {q}{{s}}{q}}}", f"passphrase: str = {q}{{s}}{q}")
    keys = (f"api_token = {q}{{s}}{q}", f"{{{q}clientSecret{q}: {q}{{s}}{q}}}", f"const signingKey = {q}{{s}}{q};", f"{q}access_token{q} => {q}{{s}}{q},")
    return (
        _rule(
            f"password-in-{form}",
            "password",
            f"Password field with a value in {form}",
            PASSWORD + SUFFIX + ASSIGN + WRAP + shape,
            password,
            (within(*frames)(words), within(*frames)(weak_password)),
            (
                (f"password = {q}your_password_here{q}", "a placeholder"),
                (f"{{{q}password{q}: {q}string{q}, {q}passwordHint{q}: {q}Your first pet{q}}}", "a type, and a name that only begins with the word"),
                (f"password: {q}Please enter your password{q}", "a sentence of a form"),
                (f"password = {q}${{DB_PASSWORD}}{q}", "a template"),
                (f"password_length = {q}at least 12{q}", "a name that says something about passwords"),
            ),
            _PASSWORD_KEYWORDS,
            4_096,
        ),
        _rule(
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
            _SECRET_KEYWORDS,
            8_192,
        ),
    )


_QUOTED = (
    *_quoted(_DOUBLE, "double-quotes", '"'),
    *_quoted(_SINGLE, "single-quotes", "'"),
    *_quoted(_BACKTICK, "backticks", "`"),
    *_quoted(_ESCAPED, "escaped-quotes", '\\"'),
)

_NEXT_LINE = r"(?:[ \t]*\r?\n){0,2}[ \t>]*"
_PASSWORD_VALUE = rf"({BARE}{{3,}}{LAST})"
_SECRET_VALUE = r"([A-Za-z0-9_\-+/=.~:%!@#$^*|]{7,}[A-Za-z0-9_\-+/=~%!@#$^*|])"


def _said_passwords() -> tuple[Rule, Rule, Rule]:
    """Passwords told in a sentence, a note, a table or a chat."""
    return (
        _rule(
            "said-password",
            "password",
            "Password told in English: my password is …, **Password:** …, | password | … |",
            SAID_PASSWORD + SAYS + _NEXT_LINE + OPEN + _PASSWORD_VALUE,
            spoken,
            (within("my password is {s}", "the wifi password for the office is {s}, ok?", "Password (admin): `{s}`", "| password | {s} |", "**Password:** {s}")(weak_password),),
            (
                ("the password is incorrect, the password was changed yesterday", "words"),
                ("the password is 12 characters long and the password is case-sensitive", "properties of passwords"),
                ("our password hashing is argon2id and the password policy is OAuth2-based", "methods"),
                ("password: see https://wiki.example.com/page2", "an address"),
            ),
            _PASSWORD_KEYWORDS,
            512,
        ),
        _rule(
            "said-password-europe",
            "password",
            "Password told in German, French, Spanish, Italian, Portuguese, Dutch, Polish, Turkish, Swedish, Danish, Norwegian, Finnish, Czech, Hungarian, Romanian",
            SAID_PASSWORD_EUROPE + SAYS_EUROPE + _NEXT_LINE + OPEN + _PASSWORD_VALUE,
            spoken,
            (
                within("mein Passwort lautet {s}.", "mi contraseña es {s}", "mon mot de passe est « {s} »", "la mia parola d'ordine è {s}", "a minha senha é {s}")(weak_password),
                within("mijn wachtwoord is {s}", "moje hasło to jest {s}", "şifrem: {s}", "mitt lösenord är {s}", "heslo je {s}", "salasanani on {s}")(weak_password),
            ),
            (("Das Passwort ist abgelaufen. Le mot de passe est requis. La senha é obrigatória.", "words"),),
            _PASSWORD_KEYWORDS,
            512,
        ),
        _rule(
            "said-password-world",
            "password",
            "Password told in Russian, Serbian, Greek, Hebrew, Chinese, Japanese, Korean, Arabic, Hindi, Vietnamese, Thai, Indonesian, Malay",
            SAID_PASSWORD_WORLD + SAYS_WORLD + _NEXT_LINE + OPEN + _PASSWORD_VALUE,
            spoken,
            (
                within("мой пароль: {s}", "密码是{s}。谢谢", "パスワードは{s}です", "비밀번호는 {s} 입니다", "κωδικός είναι {s}")(weak_password),
                within("كلمة المرور هي {s}", "पासवर्ड है {s}", "mật khẩu là {s}", "kata sandi adalah {s}", "סיסמה: {s}")(weak_password),
            ),
            (("пароль неверный. 密码是错误的。パスワードは必須です", "words"),),
            _PASSWORD_KEYWORDS,
            512,
        ),
    )


def _said_secrets() -> tuple[Rule, Rule, Rule]:
    """Keys and tokens told in a sentence, a note, a table or a chat."""

    def key(rng: Random) -> str:
        return mixed(rng, ALNUM, 32)

    return (
        _rule(
            "said-secret",
            "secret",
            "Key or token told in English",
            SAID_SECRET + SAYS + _NEXT_LINE + OPEN + _SECRET_VALUE,
            secret_like,
            (within("my key is {s}", "the api key for staging is {s}, thanks", "Token (prod): `{s}`", "| secret | {s} |", "here is the token:\n\n{s}\n")(key),),
            (
                ("the key is to listen, and the token is invalid", "words"),
                ("the token is base64-encoded and the key is 32 bytes, AES-256-GCM", "properties of keys"),
                ("the primary key is customer_id_v2", "a name"),
                ("the secret is at projects/acme/secrets/db/versions/latest", "a path"),
                ("the key is gpt-4o-2024-08-06", "the name of a model"),
            ),
            _SECRET_KEYWORDS,
            1_024,
        ),
        _rule(
            "said-secret-europe",
            "secret",
            "Key or token told in German, French, Spanish, Italian, Portuguese, Dutch, Polish, Turkish, Swedish, Danish, Norwegian, Finnish, Czech, Hungarian",
            SAID_SECRET_EUROPE + SAYS_EUROPE + _NEXT_LINE + OPEN + _SECRET_VALUE,
            secret_like,
            (within("mein API-Schlüssel lautet {s}.", "mi clave de API es {s}", "ma clé est {s}", "la chiave è {s}", "a chave é {s}", "de sleutel is {s}", "klucz: {s}")(key),),
            (("der Schlüssel ist abgelaufen, la clé est invalide, la llave es inválida", "words"),),
            _SECRET_KEYWORDS,
            1_024,
        ),
        _rule(
            "said-secret-world",
            "secret",
            "Key or token told in Russian, Chinese, Japanese, Korean, Arabic, Hindi, Vietnamese, Indonesian, Greek, Hebrew",
            SAID_SECRET_WORLD + SAYS_WORLD + _NEXT_LINE + OPEN + _SECRET_VALUE,
            secret_like,
            (within("мой ключ: {s}", "密钥是{s}，谢谢", "キーは{s}です", "토큰은 {s} 입니다", "مفتاح: {s}", "कुंजी: {s}")(key),),
            (("ключ недействителен. 密钥是无效的。キーは必須です", "words"),),
            _SECRET_KEYWORDS,
            1_024,
        ),
    )


RULES: tuple[Rule, ...] = (
    *_QUOTED,
    _rule(
        "password-assigned",
        "password",
        "Password field with a value without quotes: env files, YAML, INI, connection strings, query strings",
        PASSWORD + SUFFIX + ASSIGN + rf"((?:{CODE}|[&@$]){{2,}}{LAST})",
        marked_password,
        (
            within("DB_PASSWORD={s}", "spring.datasource.password={s}\nx=1", "  password: {s}", "Server=db;Uid=sa;Pwd={s};Database=x")(password_sample),
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
        _PASSWORD_KEYWORDS,
        512,
    ),
    _rule(
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
        _SECRET_KEYWORDS,
        4_096,
    ),
    _rule(
        "env-line-password",
        "password",
        "Line of an env file or a shell whose name ends in PASSWORD, PASS or SECRET: any value that is not a type or a template",
        r"(?:^|[\r\n;]|\\n)[ \t]{0,8}(?:export |set |setx |ENV |ARG |- |SETENV |Environment=)?[\"']?[A-Z0-9_]{0,48}(?:PASSWORD|PASSWD|PASS|PWD|PASSPHRASE|SECRET|SECRET_KEY|SECRET_KEY_BASE)"
        r"(?:_[A-Z0-9]{1,12})?=([^\s\"'`]{4,})",
        password,
        (within("export DB_PASSWORD={s}\nnext", "A=1\nJWT_SECRET={s}", "MYSQL_ROOT_PASSWORD={s}\n")(either("letmein", "open,sesame;7", "mysupersecretkey", "p(ss)w&rd")),),
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
    _rule(
        "env-line-key",
        "secret",
        "Line of an env file whose name ends in KEY, TOKEN, DSN, SALT, SID or AUTH with a drawn value",
        r"(?:^|[\r\n;]|\\n)[ \t]{0,8}(?:export |set |setx |ENV |ARG |- |Environment=)?[\"']?[A-Z0-9_]{0,48}(?:KEY|TOKEN|DSN|SALT|SID|AUTH|PAT|HASH|SEED|CERT|COOKIE|SESSION|SIGNATURE|PEPPER|CREDENTIALS|ID_RSA)"
        r"(?:_[A-Z0-9]{1,12})?=[\"']?([^\s\"'`]{8,})",
        drawn_key,
        (within("A=1\nFROBNICATE_KEY={s}\nB=2", "export WIDGET_SALT={s}")(lambda rng: mixed(rng, ALNUM, 32)),),
        (
            ("PRIMARY_KEY=customer_id\nSORT_KEY=created_at_desc", "names of columns"),
            ("PUBLIC_KEY=./keys/public.pem", "a path"),
            ("CACHE_KEY=v2-home-page-2024", "words and a year"),
        ),
        ("key", "token", "dsn", "salt", "sid", "auth", "pat", "hash", "seed", "cert", "cookie", "session", "signature", "pepper", "credentials", "id_rsa"),
        4_096,
        case_insensitive=False,
    ),
    _rule(
        "yaml-line-password",
        "password",
        "Line of YAML or INI whose key is a password and whose value is one plain word",
        r"(?:\b|_|\\n)[a-z0-9_.-]*(?:password|passwd|passphrase|_pass|_pwd)[ \t]{0,2}[:=][ \t]{1,4}([A-Za-z0-9_-]{4,64})[ \t]{0,4}(?:[\r\n#]|\\n|$)",
        password,
        (within("db:\n  user: app\n  password: {s}\n  port: 5432", "admin_password = {s}\n")(either("swordfish", "letmein", "correcthorse")),),
        (("properties:\n  password:\n    type: string\n  old_password: string\n", "a schema"), ("password: optional", "a state")),
        ("pass", "pwd"),
        256,
        case_insensitive=False,
    ),
    _rule(
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
    *_said_passwords(),
    *_said_secrets(),
    _rule(
        "password-beside",
        "password",
        "Password straight after the word, without a verb: `with password hunter2`",
        r"(?:with|using|use|and|the|my|by|mit|avec|con|com|med|met|z|user|login|/)[ \t]{1,3}(?:the |my |dem |le |la )?" + SAID_PASSWORD + r"[ \t]{1,3}" + OPEN + rf"({BARE}{{4,}}{LAST})",
        spoken,
        (within("log in as bob with password {s}", "and the passphrase {s} please", "use passcode {s}")(weak_password),),
        (("use password authentication with the password manager", "words"), ("with password-based encryption (PBKDF2)", "a method")),
        _PASSWORD_KEYWORDS,
        512,
    ),
)
