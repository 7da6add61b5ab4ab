"""The words by which people and programs name secrets, as expressions: identifiers in code, and prose in many languages.

Non-ASCII letters stand as plain sequences with both cases spelled out, never in classes, so that a scanner of bytes and one of code
points agree about them.
"""

# ruff: noqa: E501, S105
# Expressions and samples are read whole; names of expressions are not passwords.
from __future__ import annotations

SUFFIX = (
    r"(?:[_.-]?(?:val(?:ue)?|prod(?:uction)?|dev|staging|test|live|old|new|default|plain(?:text)?|text|base64|b64|[0-9]{1,2}|v[0-9]|confirm(?:ation)?|"
    r"db|admin|root|hash|str(?:ing)?|env|base)){0,2}"
)
"""What may follow the word inside an identifier; a list, so that `password_length` and `token_type` stay out."""

PASSWORD = (
    r"(?:pass[_-]?(?:word|wd|phrase|code|wort)|passwd|pword|pwd|psw|passw|kennwort|motdepasse|mot_de_passe|mdp|contrasena|contraseña|senha|wachtwoord|"
    r"parola|haslo|hasło|sifre|şifre|losenord|lösenord|(?:\b|[_.-]|db|user|admin|root|smtp|mail|ftp|ssh|sudo|my|mysql)(?:pass|pw)|"
    r"密码|密碼|パスワード|비밀번호|пароль|Пароль|ПАРОЛЬ|passord|adgangskode|salasana|heslo|jelszó|jelszo|kata_sandi|passphrase)"
)
"""Identifiers of password fields in code, JSON, YAML and env files."""

_KEYED = (
    "api|app|access|auth|secret|private|client|consumer|signing|signature|encryption|master|account|storage|service|subscription|license|session|"
    "shared|webhook|admin|root|hmac|jwt|server|live|wallet|cipher|instrumentation"
)
"""Words that make a `key` a secret one, in front of it."""

SECRET = rf"(?:(?:{_KEYED})[_. -]?keys?|secrets?|tokens?|credentials?|creds|bearer|jwt|auth|connection_?string|seed_?phrase|mnemonic|signature|client[_-]key[_-]data)"
"""Identifiers of keys and tokens in code, JSON, YAML and env files."""

ASSIGN = r"[\"'`\])}\\]{0,5}[ \t]*(?:\r?\n[ \t]*)?(?::[ \t]*&?[A-Za-z][A-Za-z0-9_\[\].&<>?]*(?:(?:, ?| \| )[A-Za-z0-9_\[\].&<>?]+)*[ \t]*=|=>|:=|={1,3}|\?=|\+=|:|<-|->|：|＝)[ \t]*(?:\r?\n[ \t]*)?"
"""Closers of the name, then what assigns: `=`, `:=`, `=>`, `:`, with an optional type in between."""

WRAP = r"(?:[bruf@$]{1,2}|(?:Secret(?:Str)?|String|Some|b64decode|btoa|atob|SecureString|from)\()?"
"""What may wrap a literal: prefixes of strings and the calls that turn text into something else."""

BARE = r"[!#-&(*-;=?-_a-~]"
"""Printable ASCII without blanks, quotes, closing parentheses and angle brackets: characters of a value that stands without quotes."""

LAST = r"[!#-&*+\-/0-9=?-Z^_a-z|~]"
"""What such a value may end with: no comma, stop, colon, semicolon or bracket, which belong to the sentence."""

CODE = r"[!#-%*+\-./0-9:=?-Z^_a-z|~]"
"""`BARE` without what separates values in code and connection strings: `,` `;` `&` and brackets."""

SAID_PASSWORD = r"(?:pass[ _-]?(?:words?|phrase|code|wd)|passwd|pwd|\bpw\b)"
SAID_PASSWORD_EUROPE = (
    r"(?:password|passwort|kennwort|losung|zugangscode|mot de passe|\bmdp\b|contrase(?:ñ|Ñ|n)a|\bclave\b|senha|palavra[- ]passe|wachtwoord|parola(?: d'ordine)?|"
    r"has(?:ł|l)(?:o|em)\b|lösenord(?:et)?|adgangskode(?:n)?|passord(?:et)?|salasana(?:ni)?|heslo|jelsz(?:ó|o)|parolă|(?:ş|Ş|s)ifre(?:m|miz|si)?)"
)
SAID_PASSWORD_WORLD = (
    r"(?:пароль|Пароль|паролем|лозинка|κωδικός|Κωδικός|סיסמה|סיסמא|密码|密碼|口令|パスワード|暗証番号|비밀번호|암호|كلمة المرور|كلمة السر|पासवर्ड|mật khẩu|Mật khẩu|รหัสผ่าน|"
    r"kata sandi(?:nya|ku|mu)?|kata laluan)"
)
"""How a password is called in prose: in English, in the other languages of Europe, in more than ten others."""

SAID_SECRET = (
    r"(?:api[ _-]?keys?|(?:access|secret|private|signing|license|encryption|master|admin|service|account|personal|auth|session|client)[ _-]keys?|"
    r"\bkey\b|secret|token|credentials?|\bcreds\b|\bjwt\b)"
)
SAID_SECRET_EUROPE = (
    r"(?:schlüssel|geheimnis|token|api[ -]?key|\bclé(?: d'api| api| secrète)?|jeton|clave (?:de )?(?:api|acceso|secreta)|llave|chave(?: de api| secreta)?|chiave(?: api| segreta)?|sleutel|"
    r"klucz(?:a|em)?|anahtar(?:ı|ım)?|nyckel|nøkkel|nøgle|avain|klíč|kulcs)"
)
SAID_SECRET_WORLD = r"(?:ключ|Ключ|токен|Токен|секрет|Секрет|密钥|密鑰|秘钥|令牌|金鑰|キー|トークン|鍵|시크릿|키|토큰|مفتاح|رمز|कुंजी|टोकन|khóa|kunci|κλειδί|מפתח)"
"""How a key or a token is called in prose, likewise."""

_SIGN = r"(?:[ \t]*(?:[:|\t]|=>|->|→|–|—)[ \t]*|[ \t]+=[ \t]*|=[ \t]+)"
"""A sign between a name and what it is. A `=` without blanks is an assignment, whose value ends where its format says."""

SAYS = (
    r"(?:[ \t]+[^\s:=|]+){0,6}?(?:[\"'`*_)\]]{0,3}" + _SIGN + r"[*_]{0,2}[ \t]*|"
    r"[\"'`*_)]{0,2}[ \t]+(?:is|was|are|equals|as|to)(?: now| still| currently| like| this| the following)?[ \t:]+)"
)
SAYS_EUROPE = (
    r"(?:[ \t]+[^\s:=|]+){0,6}?(?:[\"'`*_)\]]{0,3}" + _SIGN + r"[*_]{0,2}[ \t]*|"
    r"[\"'`*_)]{0,2}[ \t]+(?:is|ist|lautet|war|est|es|era|é|è|jest|brzmi|to|är|er|on|je)(?: jetzt| ahora| maintenant| adesso| agora| nu| teraz| jest)?[ \t:]+)"
)
SAYS_WORLD = (
    r"(?:[ \t]+[^\s:=|]+){0,6}?(?:[\"'`*_)\]]{0,3}[ \t]*(?:[:=|\t]|：|＝|=>|->|→|–|—)[ \t]*[*_]{0,2}[ \t]*|"
    r"[\"'`*_)]{0,2}[ \t]+(?:это|такой|là|adalah|ialah|είναι|הוא|هو|هي|है|คือ|is)[ \t:]+|"
    r"[ \t]{0,2}(?:は|が|是|为|為|就是|은|는|이|가)[ \t:]*)"
)
"""How prose says what something is: a colon, an arrow, a table's bar, or a verb; up to six words may stand before."""

OPEN = r"(?:[\"'`(\[{<*_]|“|‘|« ?|„|「|『|【|《){0,3}"
"""What may open a quotation in prose."""
