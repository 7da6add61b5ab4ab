"""How people and programs write a secret down. `{s}` is the secret, `{n}` the service, `{v}` the variable, `{w}` its name in lower case.

Each context has the way in which its format spells a value: as it is, or escaped for JSON, URLs, XML or a shell.
"""

# Contexts are read whole.
from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from urllib.parse import quote

Spell = Callable[[str], str]


def raw(value: str) -> str:
    """As it is."""
    return value


def in_json(value: str) -> str:
    """Inside the quotes of JSON, and of most languages."""
    return json.dumps(value)[1:-1]


def in_json_twice(value: str) -> str:
    """In JSON that is itself a string of JSON."""
    return in_json(in_json(value))


def in_url(value: str) -> str:
    """Percent-encoded."""
    return quote(value, safe="")


def in_xml(value: str) -> str:
    """As the text of an element."""
    return escape(value)


def in_single(value: str) -> str:
    """In the single quotes of a shell."""
    return value.replace("'", "'\\''")


# Anything that can be told by its look: no name beside it.
BARE: tuple[tuple[Spell, str], ...] = (
    (raw, "hey can you check why {s} gets a 401?"),
    (raw, "I pasted {s} into the dashboard and nothing happened, any idea?"),
    (raw, "is this still valid?\n{s}\nor did somebody rotate it"),
    (raw, "Hier ist er: {s}, bitte nicht weitergeben."),
    (raw, "je viens de recevoir {s}. Tu peux tester ?"),
    (raw, "usa {s} por ahora (caduca el viernes)"),
    (raw, "這個是 {s}，請不要外傳。"),
    (raw, "これを使ってください：{s}。よろしく"),
    (raw, "вот он: {s}, проверь пожалуйста"),
    (raw, "이거 써봐 {s}!"),
    (raw, "> {s}\nthis one leaked on Friday"),
    (raw, "`{s}`"),
    (raw, "({s})"),
    (raw, "**{s}** <- prod"),
    (raw, "- staging: {s}\n- prod: ask ops"),
    (raw, "| {n} | {s} | 2024-06-01 |"),
    (raw, "2024-11-03T10:22:41Z WARN upstream rejected {s} status=401 attempt=2"),
    (raw, '127.0.0.1 - - [03/Nov/2024:10:22:41 +0000] "GET /v1/x?k={s} HTTP/1.1" 200 512'),
    (
        raw,
        "Traceback (most recent call last):\n  File \"/app/client.py\", line 41, in call\n    raise AuthError('{s}')\napp.AuthError: {s}",
    ),
    (raw, "Error: invalid credentials ({s})\n    at Client.request (/srv/node_modules/sdk/index.js:88:13)"),
    (raw, "<!-- {s} -->"),
    (raw, "// TODO remove before merge {s}"),
    (raw, "# {s}"),
    (raw, 'print("{s}")'),
    (raw, "console.log('{s}');"),
    (raw, "foo({s})"),
    (raw, "[{s}]"),
    (raw, "<code>{s}</code>"),
    (raw, "{s}; {s}"),
    (raw, "value={s}&next=1"),
    (raw, "https://api.example.net/hook/{s}/events"),
    (raw, "diff --git a/.env b/.env\n-X={s}\n+X=\n"),
    (raw, "cat <<EOF\n{s}\nEOF"),
    (raw, 'tool_result: {{"stdout": "{s}\\n", "exit_code": 0}}'),
    (raw, '{{"choices":[{{"message":{{"content":"Sure, I found {s} in the file."}}}}]}}'),
    (raw, "args: ['run', '{s}', '--fast']"),
    (raw, "key {s}\nnext line"),
    (raw, "FYI {s}..."),
    (raw, "“{s}”"),
    (raw, "«{s}»"),
    (raw, "SELECT * FROM t WHERE k = '{s}';"),
    (raw, "slack: @channel `{s}` :point_up: use this"),
    (raw, "line1\\n{s}\\nline3"),
    (raw, "x{n}:{s}"),
    (raw, "my {n} key is={s}"),
)

# Keys and tokens with a name beside them.
KEYED: tuple[tuple[Spell, str], ...] = (
    (raw, "{v}={s}"),
    (raw, 'export {v}="{s}"'),
    (raw, "export {v}='{s}'\nmake run"),
    (raw, "DEBUG=1\n{v}={s}\nPORT=8080\n"),
    (raw, "{w}: {s}"),
    (raw, '{w}: "{s}"  # {n}'),
    (raw, 'env:\n  - name: {v}\n    value: {s}\n  - name: PORT\n    value: "80"'),
    (raw, "environment:\n  {v}: {s}\n  TZ: UTC"),
    (in_json, '{{"{w}": "{s}", "region": "eu-west-1"}}'),
    (in_json, '{{\n  "service": "{n}",\n  "apiKey": "{s}"\n}}'),
    (in_json_twice, '{{"arguments": "{{\\"{w}\\": \\"{s}\\"}}"}}'),
    (in_xml, "<config><{w}>{s}</{w}></config>"),
    (in_xml, '<add key="{v}" value="{s}" />'),
    (raw, "[default]\n{w} = {s}\nregion = us-east-1"),
    (raw, '{w} = "{s}"'),
    (raw, "const {w} = '{s}';"),
    (raw, '    {w} := "{s}"'),
    (raw, 'private static final String {v} = "{s}";'),
    (raw, 'client = Client(api_key="{s}", timeout=30)'),
    (raw, 'let token: &str = "{s}";'),
    (raw, "define('{v}', '{s}');"),
    (raw, 'os.environ["{v}"] = "{s}"'),
    (raw, "process.env.{v} = '{s}'"),
    (raw, "ENV {v}={s}"),
    (raw, "ENV {v} {s}"),
    (raw, "docker run -e {v}={s} -p 80:80 app"),
    (raw, 'setx {v} "{s}"'),
    (raw, "$env:{v} = '{s}'"),
    (raw, "heroku config:set {v}={s} -a shop"),
    (raw, 'terraform apply -var "{w}={s}"'),
    (raw, "helm upgrade app . --set secrets.{w}={s}"),
    (raw, "curl -H 'Authorization: Bearer {s}' https://api.example.net/v1/me"),
    (raw, "curl https://api.example.net/v1 \\\n  -H \"X-API-Key: {s}\" \\\n  -d '{{}}'"),
    (raw, "Authorization: Bearer {s}\nAccept: */*"),
    (raw, "Authorization: Token {s}"),
    (raw, "headers = {{'Authorization': f'Bearer {s}'}}"),
    (raw, "wget --header='PRIVATE-TOKEN: {s}' https://git.example.net/x"),
    (in_url, "https://api.example.net/v1/items?api_key={s}&page=2"),
    (in_url, "GET /callback?state=1&access_token={s}&expires_in=3600 HTTP/1.1"),
    (in_url, "https://example.net/#access_token={s}&token_type=bearer"),
    (raw, "git clone https://oauth2:{s}@git.example.net/team/app.git"),
    (raw, "git clone https://x-access-token:{s}@github.com/acme/app"),
    (raw, "app login --token {s}"),
    (raw, "mytool --api-key={s} sync"),
    (raw, "mytool -token {s}"),
    (raw, "2024-11-03 10:22:41 INFO config loaded {w}={s} retries=3"),
    (raw, 'level=debug msg="auth" token={s} user=bob'),
    (raw, "KeyError: missing scope for {n} token {s}"),
    (raw, "    self.token = '{s}'\nValueError: bad token"),
    (raw, "| name | value |\n|---|---|\n| {v} | {s} |"),
    (raw, "| {n} API key | `{s}` |"),
    (raw, "- **{n} API key**: `{s}`"),
    (raw, "{n} token: `{s}`"),
    (raw, "the {n} api key is {s}, please rotate it"),
    (raw, "My {n} API key is: {s}"),
    (raw, "here's the {n} key:\n\n{s}\n\nthanks"),
    (raw, "use this token {s} for {n}"),
    (raw, "hey, {n} access token → {s}"),
    (raw, "> the secret is `{s}`\nwhy does it not work?"),
    (raw, "der API-Schlüssel für {n} lautet {s}, danke"),
    (raw, "Unser {n}-Token ist {s}."),
    (raw, "la clé API de {n} est {s}."),
    (raw, "voici le jeton {n} : {s}"),
    (raw, "la clave de API de {n} es {s}"),
    (raw, "el token de {n} es: {s}"),
    (raw, "la chiave API di {n} è {s}"),
    (raw, "a chave da API do {n} é {s}"),
    (raw, "de API-sleutel van {n} is {s}"),
    (raw, "klucz API do {n}: {s}"),
    (raw, "{n} API anahtarı: {s}"),
    (raw, "ключ API для {n}: {s}"),
    (raw, "токен {n} — {s}"),
    (raw, "{n}的API密钥是{s}，请保密"),
    (raw, "{n} 的 token：{s}"),
    (raw, "{n}のAPIキーは{s}です"),
    (raw, "{n} API 키는 {s} 입니다"),
    (raw, "مفتاح API الخاص بـ {n} هو {s}"),
    (raw, "API khóa của {n} là {s}"),
    (raw, "tool output:\n{{'status': 'ok', 'token': '{s}'}}"),
    (raw, "Set-Cookie: session_token={s}; Path=/; HttpOnly"),
    (raw, "Cookie: theme=dark; auth_token={s}; lang=en"),
    (raw, "machine api.example.net login bot password {s}"),
    (raw, "//packages.example.net/:_authToken={s}"),
    (raw, "{v}?={s}"),
    (raw, "set {v}={s}"),
    (raw, "secret_key_base: {s}"),
    (raw, '"token" => "{s}",'),
    (raw, "{w}='{s}', region='eu'"),
    (raw, "-e {v}='{s}'"),
    (raw, "data:\n  {w}: {s}\nkind: Secret"),
    (raw, "+{v}={s}\n-{v}=\n"),
    (raw, "{v} = {s}; DEBUG = true"),
    (raw, "auth({{ token: '{s}' }})"),
    (raw, "kubectl create secret generic app --from-literal={w}={s}"),
    (raw, 'gh secret set {v} --body "{s}"'),
    (raw, "aws configure set {w} {s}"),
    (raw, 'echo "{s}" | docker login -u bob --password-stdin'),
)

# Passwords, in files and programs.
PASSWORD_FILES: tuple[tuple[Spell, str], ...] = (
    (raw, "DB_PASSWORD={s}\nDB_HOST=db"),
    (raw, "export PGPASSWORD={s}"),
    (raw, "MYSQL_ROOT_PASSWORD={s}"),
    (raw, "SMTP_PASS={s}\n"),
    (raw, "db:\n  user: app\n  password: {s}\n  port: 5432"),
    (raw, "spring.datasource.password={s}"),
    (raw, "password = {s}"),
    (raw, "Server=db;Database=shop;User Id=sa;Password={s};Encrypt=true"),
    (raw, "Host=db;Username=app;Pwd={s};Port=5432"),
    (raw, 'psql "host=db user=app password={s} dbname=shop"'),
    (raw, "mysql -u root -p{s} shop"),
    (raw, "sshpass -p {s} ssh ops@10.0.0.4"),
    (raw, "curl -u deploy:{s} https://ci.example.net/job"),
    (raw, "redis-cli -h cache -a {s} ping"),
    (raw, "mytool login --user bob --password {s}"),
    (raw, "mytool --password={s} --verbose"),
    (raw, "net use \\\\srv\\share {s} /user:bob"),
    (raw, "machine ftp.example.net login bob password {s}"),
    (raw, "2024-11-03 INFO login user=bob password={s} ok"),
    (raw, "user: bob\npass: {s}"),
    (raw, "Username: bob\nPassword: {s}\nURL: https://intra.example.net"),
    (raw, "login: bob / {s}"),
    (raw, "| host | user | password |\n|---|---|---|\n| db1 | root | {s} |"),
    (raw, "ansible_ssh_pass: {s}"),
    (raw, "ansible_password={s}"),
    (raw, "wpa_passphrase={s}"),
    (raw, "requirepass {s}"),
    (raw, "openssl enc -aes-256-cbc -pass pass:{s} -in a"),
    (raw, "keytool -storepass {s} -list"),
    (raw, "username=bob&password={s}&submit=1"),
)
PASSWORD_QUOTED: tuple[tuple[Spell, str], ...] = (
    (in_json, '{{"user": "bob", "password": "{s}"}}'),
    (in_json, '{{"db": {{"host": "db", "passwd": "{s}", "port": 5432}}}}'),
    (in_json, 'const config = {{ user: "app", password: "{s}" }};'),
    (in_json, 'password = "{s}"'),
    (in_json, 'db_password: "{s}"'),
    (in_json, 'String dbPassword = "{s}";'),
    (in_json, "conn = connect(host='db', user='app', password=\"{s}\")"),
    (in_json, 'DriverManager.getConnection(url, "app", "{s}")'),
    (in_json_twice, '{{"body": "{{\\"password\\": \\"{s}\\"}}"}}'),
    (in_xml, "<user>bob</user><password>{s}</password>"),
    (in_xml, '<property name="password" value="{s}"/>'),
    (in_single, "export DB_PASSWORD='{s}'"),
    (in_single, "mytool --password '{s}'"),
    (in_single, "password: '{s}'"),
    (in_json, '$password = "{s}";'),
    (in_json, 'pwd := "{s}"'),
    (in_json, 'let secret = "{s}";'),
    (in_json, 'variable "db_password" {{ default = "{s}" }}'),
    (in_json, '"ConnectionStrings": {{"Default": "Server=db;User Id=sa;Password={s};"}}'),
    (in_url, "username=bob&password={s}"),
    (in_url, "https://example.net/login?user=bob&password={s}"),
    (in_single, "ALTER USER app WITH PASSWORD '{s}';"),
    (in_single, "CREATE USER 'app'@'%' IDENTIFIED BY '{s}';"),
    (in_json, "assert login('bob', \"{s}\")"),
)
PASSWORD_PROSE: tuple[tuple[Spell, str], ...] = (
    (raw, "my password is {s}"),
    (raw, "the wifi password is {s}, enjoy"),
    (raw, "Password for the staging box: {s}"),
    (raw, "the root password on db1 is `{s}`"),
    (raw, "log in with admin / {s}"),
    (raw, "try admin:{s}, that used to work"),
    (raw, "user bob, password {s}, port 22"),
    (raw, "pw: {s}"),
    (raw, "pass is {s} (don't share)"),
    (raw, "I changed the password to {s} yesterday."),
    (raw, "> what's the password?\n{s} is the password for the VPN"),
    (raw, "**Password:** {s}"),
    (raw, "credentials: bob / {s}"),
    (raw, "Mein Passwort ist {s}, kannst du prüfen ob es sicher ist?"),
    (raw, "das WLAN-Passwort lautet {s}"),
    (raw, "Kennwort: {s}"),
    (raw, "mon mot de passe est {s}."),
    (raw, "le mot de passe du wifi : {s}"),
    (raw, "mi contraseña es {s}"),
    (raw, "la contraseña del servidor es {s}, gracias"),
    (raw, "la mia password è {s}"),
    (raw, "la password del database: {s}"),
    (raw, "a senha do banco é {s}"),
    (raw, "het wachtwoord is {s}"),
    (raw, "hasło do serwera to {s}"),
    (raw, "şifrem {s}"),
    (raw, "lösenordet är {s}"),
    (raw, "мой пароль {s}"),
    (raw, "пароль от сервера: {s}"),
    (raw, "密码是{s}。"),
    (raw, "服务器密码：{s}，别告诉别人"),
    (raw, "パスワードは{s}です。"),
    (raw, "비밀번호는 {s} 입니다"),
    (raw, "كلمة المرور هي {s}"),
    (raw, "mật khẩu là {s}"),
    (raw, "kata sandinya adalah {s}"),
)

# Passwords in addresses.
ADDRESSES: tuple[tuple[Spell, str], ...] = tuple(
    (in_url, form)
    for form in (
        "DATABASE_URL=postgresql://app:{s}@db.example.net:5432/shop?sslmode=require",
        "mongodb+srv://app:{s}@cluster0.example.net/shop",
        "redis://:{s}@cache:6379/0",
        "amqp://worker:{s}@rabbit:5672/%2f",
        "engine = create_engine('mysql+pymysql://root:{s}@db/shop')",
        "could not connect to postgres://app:{s}@10.0.0.5/shop: timeout",
        "jdbc:postgresql://db/shop?user=app&password={s}",
        "jdbc:sqlserver://db;user=sa;password={s};encrypt=true",
        "ftp://bob:{s}@files.example.net/in",
        "https://bob:{s}@intra.example.net/wiki",
        "smtp://mailer:{s}@mail.example.net:587",
        "rediss://default:{s}@eu1.example.net:6380",
        "clickhouse://app:{s}@ch:9000/logs",
        "socks5://u:{s}@proxy:1080",
        "cloudinary://391234567890123:{s}@shop",
    )
)


def spelled(context: tuple[Spell, str], value: str, service: str = "the service", variable: str = "API_KEY") -> tuple[str, str]:
    """The text of a context with the value in it, and the value as it is spelled there."""
    spell, form = context
    written = spell(value)
    text = (
        form.replace("{{", "\ue000")
        .replace("}}", "\ue001")
        .replace("{n}", service)
        .replace("{v}", variable)
        .replace("{w}", variable.lower())
    )
    return text.replace("\ue000", "{").replace("\ue001", "}").replace("{s}", written), written
