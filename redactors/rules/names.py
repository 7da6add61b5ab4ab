"""Names of people where the words around say that one follows: introductions, salutations, signatures, labeled fields."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

from random import Random
from typing import Final

from redactors.rules.given_names import GIVEN, NO_NAME, PARTICLES
from redactors.rules.model import Must, Rule
from redactors.rules.personal import personal
from redactors.rules.samples import Draw, within

_WIDE = "À-ÖØ-öø-ÿĀ-ɏ"
_WORD = rf"(?:(?:[A-Z]['’])?[A-Z{_WIDE}][A-Za-z{_WIDE}]+(?:['’-][A-Za-z{_WIDE}]+){{0,2}}|[A-Z]\.)"
_SMALL = "(?:van|von|de|der|den|del|della|di|da|do|dos|das|la|le|du|af|av|al|el|bin|ibn|ben|ten|ter|zu|y|e)"
NAME: Final = rf"(?:{_SMALL}[ ]){{0,2}}{_WORD}(?:[ ](?:{_SMALL}[ ]){{0,2}}{_WORD}){{0,3}}"
"""One to four words that may be capitalized, with the particles that stand between them; which are names the check says."""

_TWO = rf"{_WORD}(?:[ ](?:{_SMALL}[ ]){{0,2}}{_WORD}){{1,3}}"
_LOWER = r"[a-z]{2,15}(?:[ ][a-z]{2,15}){1,2}"
_CYRILLIC = r"[А-ЯЁІЇЄҐ][а-яёіїєґ]{1,20}(?:-[А-ЯЁІЇЄҐ][а-яёіїєґ]{1,20})?(?:[ ][А-ЯЁІЇЄҐ][а-яёіїєґ]{1,20}){0,2}"
_HAN_FAMILY = "王李张張刘劉陈陳杨楊赵趙黄黃周吴吳徐孙孫胡朱高林何郭马馬罗羅梁宋郑鄭谢謝韩韓唐冯馮于董萧蕭程曹袁邓鄧许許傅沈曾彭吕呂苏蘇卢盧蒋蔣蔡贾賈丁魏薛叶葉阎閻余潘杜戴夏钟鍾汪田任姜范方石姚谭譚廖邹鄒熊金陆陸郝孔白崔康毛邱秦江史顾顧侯邵孟龙龍万萬段钱錢汤湯尹黎易常武乔喬贺賀赖賴龚龔文"
_GAP = r"[\"'`*_]{0,3}[ \t]{0,3}(?:[:=：]|=>)[ \t]{0,3}[\"'`*_]{0,3}"
_SAID = (
    r"(?i:\bmy (?:full |first |last |real |legal )?name is|\bmy name['’]s|\bmein name ist|\bich hei(?:ß|ss)e|\bje m['’]appelle|\bmon nom est|\bme llamo|\bmi nombre es|"
    r"\bmi chiamo|\bil mio nome è|\bmeu nome é|\bme chamo|\bchamo-me|\bmijn naam is|\bik heet|\bnazywam się|\bmam na imię|\bjag heter|\bmitt namn är|\bjeg hedder|\bmit navn er|"
    r"\bjeg heter|\bmitt navn er|\bnimeni on|\bjmenuji se|\bvolám sa|\bnumele meu este|\bmă numesc|\ba nevem|\bbenim adım|\bnama saya(?: adalah)?|\btên tôi là|\bzovem se)"
)
_TITLE = (
    r"(?:\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|Mme|Mlle|Dott|Dhr|Mevr)\.?|\b(?:Miss|Herrn?|Frau|Monsieur|Madame|Mademoiselle|Señora?|Señorita|Signora?|Senhora?|Mevrouw|Meneer|Pani|Sayın|Rouva|Doña)|"
    r"\b(?:Sig|Sig\.ra|Sig\.na)\.?|(?:\b[Ee]l|\b[Ll]a|\b[Aa]l|\bEstimad[oa]) Sra?\.)"
)
_GREETING = (
    r"(?:Dear|Hi|Hello|Hey|Good (?:morning|afternoon|evening)|Hallo|Liebe[r]?|Guten (?:Tag|Morgen|Abend)|Moin|Servus|Bonjour|Salut|Bonsoir|Ch(?:er|ère)|Hola|Buenos días|Buenas tardes|Querid[oa]|Estimad[oa]|"
    r"Ciao|Buongiorno|Car[oa]|Gentile|Olá|Oi|Bom dia|Boa tarde|Prezad[oa]|Beste|Dag|Hoi|Cześć|Drog[ia]|Szanown[ya]|Hej|Kära|Kære|Hei|Kjære|Ahoj|Dobrý den|Merhaba|Salam)"
)
_CLOSING = (
    r"(?i:(?:kind|best|warm|many|with) (?:kind |best |warm )?(?:regards|wishes|thanks)|\bregards|\bsincerely(?: yours)?|\byours (?:sincerely|faithfully|truly)|\bcheers|\bthanks|\bthank you|\bbest|"
    r"mit freundlichen gr(?:ü|ue)(?:ß|ss)en|(?:viele|beste|liebe|herzliche|freundliche) gr(?:ü|ue)(?:ß|ss)e|\bmfg|\bcordialement|bien à vous|meilleures salutations|\bsaludos(?: cordiales)?|\batentamente|un saludo|"
    r"cordiali saluti|distinti saluti|\batenciosamente|com os melhores cumprimentos|\babraços|met vriendelijke groet(?:en)?|\bgroetjes|z poważaniem|\bpozdrawiam|(?:med )?vänliga? hälsning(?:ar)?|med venlig hilsen|"
    r"med vennlig hilsen|ystävällisin terveisin|s pozdravem|\bsaygılarımla)"
)
_SURE_LABEL = (
    r"(?i:\b(?:full[ _-]?name|first[ _-]?name|last[ _-]?name|middle[ _-]?name|given[ _-]?names?|family[ _-]?name|sur-?name|maiden[ _-]?name|mother['’]?s?[ _-]maiden[ _-]name|"
    r"(?:customer|patient|employee|passenger|guest|student|applicant|candidate|tenant|beneficiary|cardholder|card[ _-]?holder|account[ _-]?holder|policy[ _-]?holder|contact|recipient|emergency[ _-]contact|spouse)(?:['’]s)?[ _-]?name|"
    r"card-?holder|account[ _-]holder|policy-?holder|name[ _-]on[ _-]card|vor-?name|nach-?name|familienname|geburtsname|vollständiger name|kontoinhaber(?:in)?|karteninhaber|"
    r"pr(?:é|e)nom|nom de famille|nom complet|titulaire|nombre completo|apellidos?|titular|nome completo|cognome|sobrenome|apelido|intestatario|voornaam|achternaam|volledige naam|"
    r"imi(?:ę|e) i nazwisko|nazwisko|förnamn|efternamn|fornavn|efternavn|etternavn|etunimi|sukunimi|jméno a příjmení|příjmení|ad(?:ı)? soyad(?:ı)?|soyad(?:ı)?|nama lengkap|họ và tên|họ tên)\b)"
)
_VAGUE_LABEL = (
    r"(?i:\b(?:name|attn|attention|contact(?: person)?|contact_person|patient|client|customer|employee|passenger|guest|tenant|applicant|recipient|consignee|payee|beneficiary|sender|signed(?: by)?|author|prepared by|"
    r"ansprechpartner(?:in)?|kunde|kundin|patientin|mieter(?:in)?|empfänger(?:in)?|z\. ?hd\.|nom|destinataire|nombre|cliente|paciente|destinatario|nome|naam|klant|klient|pacjent|namn|navn|nimi|jméno|isim|nama)\b)"
)


def _words(value: str) -> list[str]:
    return [word for word in value.replace(".", " ").split() if word.lower() not in PARTICLES]


def person(value: str) -> bool:
    """Words of a name: each begins with a capital, has a small letter somewhere, and is no word of greetings, roles and forms."""
    words = _words(value)
    if not words or not any(len(word) > 1 for word in words):
        return False
    return all(word[0].isupper() and word.lower() not in NO_NAME and (len(word) < 2 or not word[1:].isupper()) for word in words)


def shouted(value: str) -> bool:
    """A name after a sure label, which forms also write in capitals."""
    words = _words(value)
    return person(value) or (len(words) > 1 and value.isupper() and all(len(word) > 1 and word.lower() not in NO_NAME for word in words))


def given(value: str) -> bool:
    """Words of a name of which the first is a common given name, or the last where the family's stands first."""
    words = _words(value)
    return person(value) and bool({words[0].lower(), words[0].lower().split("-")[0], words[-1].lower()} & GIVEN)


def plain_given(value: str) -> bool:
    """A name in small letters: a common given name and another word that no sentence goes on with."""
    words = value.split()
    return words[0] in GIVEN and not any(word in NO_NAME for word in words)


_FIRST: Final = ("Hannah", "Jürgen", "Élodie", "Carlos", "Priya", "Zofia", "Björn", "Giulia", "Mateus", "Anneke", "Thomas", "Fatima")
_LAST: Final = (
    "Whitfield",
    "Kästner",
    "Moreau",
    "Quintana",
    "Raghavan",
    "Wiśniewska",
    "Lindqvist",
    "Bianchi",
    "O'Rourke",
    "van der Meer",
    "Okafor",
    "Smith-Jones",
)
_KNOWN: Final = ("Hannah", "Jürgen", "Carlos", "Priya", "Zofia", "Björn", "Giulia", "Thomas", "Fatima", "Peter", "Maria")


def full_name(rng: Random) -> str:
    """A given and a family name of several countries."""
    return f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"


def _known_name(rng: Random) -> str:
    return f"{rng.choice(_KNOWN)} {rng.choice(_LAST)}"


def _last(rng: Random) -> str:
    return rng.choice(_LAST)


def _first(rng: Random) -> str:
    return rng.choice(_KNOWN)


def _choice(*names: str) -> Draw:
    def draw(rng: Random) -> str:
        return rng.choice(names)

    return draw


_VCARD = "https://www.rfc-editor.org/rfc/rfc6350#section-6.2"
_FORMS = "https://www.w3.org/International/questions/qa-personal-names"

RULES: tuple[Rule, ...] = (
    personal(
        "name-said",
        "person",
        "Name behind an introduction in more than twenty languages of the Latin script",
        _SAID + r"[ \t]{1,3}[\"'*_]{0,2}(" + NAME + ")",
        _FORMS,
        validate=person,
        group=1,
        longest=160,
        must=(
            Must(
                within(
                    "Hi, my name is {s}, I need help",
                    "Mein Name ist {s} und ich",
                    "ich heiße {s}.",
                    "Je m'appelle {s}.",
                    "Me llamo {s}, vivo aquí",
                    "Mi chiamo {s}!",
                    "Meu nome é {s}.",
                )(full_name)
            ),
            Must(
                within(
                    "Mijn naam is {s}.",
                    "Nazywam się {s}.",
                    "Jag heter {s}.",
                    "Jeg hedder {s},",
                    "Nimeni on {s}.",
                    "Jmenuji se {s}.",
                    "Benim adım {s}.",
                    "Nama saya {s}.",
                )(full_name)
            ),
        ),
        must_not=(
            ("My name is Not Important, my name is on the list, my name is Nobody", "sentences without a name"),
            ("Mein Name ist leider falsch geschrieben. Je m'appelle comment ?", "sentences about a name"),
        ),
    ),
    personal(
        "name-said-plainly",
        "person",
        "Name in small letters behind an English introduction",
        r"(?i:\bmy name is|\bmy name['’]s|\bi am called|\bthis is)[ ](" + _LOWER + r")(?:[.,!;\n]|$|[ ](?:and|from|here|calling)\b)",
        _FORMS,
        validate=plain_given,
        group=1,
        longest=128,
        must=(
            Must(
                within("hey my name is {s} and i need help", "my name is {s}, account locked", "hello this is {s} from accounting")(
                    _choice("thomas whitfield", "maria quintana", "peter lindqvist")
                )
            ),
        ),
        must_not=(("my name is spelled wrong, this is really bad and this is mark up, my name is not there.", "sentences"),),
    ),
    personal(
        "name-titled",
        "person",
        "Name behind a title in eleven languages",
        _TITLE + r"[ ](?:(?:Dr|Prof|Ing|Dipl)\.[ -]?(?:(?:med|jur|rer|h\.c|nat|phil)\.[ ]?){0,2}[ ]?){0,2}(" + NAME + ")",
        _FORMS,
        validate=person,
        group=1,
        longest=160,
        must=(
            Must(
                within(
                    "Dear Ms {s},",
                    "please ask Dr. {s} about it",
                    "Sehr geehrte Frau {s},",
                    "Sehr geehrter Herr Dr. {s},",
                    "Chère Madame {s},",
                    "Monsieur {s} est là",
                    "Estimada Señora {s}:",
                    "Gentile Signor {s},",
                    "Prezada Senhora {s},",
                    "Geachte mevrouw, Mevrouw {s}",
                    "Szanowna Pani {s}",
                )(_last)
            ),
            Must(within("Mr. {s} called", "Mrs {s} is here", "Prof. {s} wrote it")(full_name)),
        ),
        must_not=(
            ("Dear Ms or Mr, Sehr geehrte Frau Kollegin? No: Madame Monsieur, Señor Director", "titles without a name"),
            ("MS Office and DR site, Dr. No? the Mr and Mrs", "abbreviations of other things"),
        ),
    ),
    personal(
        "name-greeted",
        "person",
        "Name that is greeted at the beginning of a line, in more than fifteen languages, when it is a common one",
        r"(?:^|\n|\\n|[\"'>]|(?:[.!?:] ))" + _GREETING + r",?[ ](" + NAME + r")[ ]?(?:[,!:.\n–—-]|\\n|$)",
        _FORMS,
        validate=given,
        group=1,
        longest=160,
        must=(
            Must(
                within(
                    "Dear {s},\nthank you",
                    "Hi {s}!",
                    "Liebe {s},\ndanke",
                    "Bonjour {s},",
                    "Hola {s}:",
                    "Ciao {s},",
                    "Olá {s},",
                    "Beste {s},",
                    "Cześć {s},",
                    "Hej {s},",
                    "Merhaba {s},",
                )(_first)
            ),
            Must(within("Dear {s},\n", "Hello {s},")(_known_name)),
        ),
        must_not=(
            ("Dear Team,\nHello World!\nHi All,\nHallo Zusammen,\nHey Siri, Hola Todos, Dear Customer,", "greetings of nobody"),
            ("Hello Kitty, Hi Docker, Dear Santa,", "words that are no common names"),
        ),
    ),
    personal(
        "name-signed",
        "person",
        "Name under a letter, behind its closing words in fourteen languages",
        _CLOSING + r"[,!.]?[ \t]{0,3}(?:(?:\r?\n|\\n|\\r\\n)[ \t]{0,3}){1,3}[-–—* ]{0,3}(" + NAME + r")[ \t]{0,3}(?:[,\n\r|]|\\n|\\r|$|\")",
        _FORMS,
        validate=person,
        group=1,
        longest=200,
        must=(
            Must(
                within(
                    "Best regards,\n{s}\n",
                    "Sincerely,\n\n{s}",
                    "Mit freundlichen Grüßen\n{s}\nVertrieb",
                    "Cordialement,\n{s}\n",
                    "Saludos,\n{s}",
                    "Cordiali saluti\n{s}\n",
                    "Atenciosamente,\n{s}\n",
                )(full_name)
            ),
            Must(
                within(
                    "Met vriendelijke groet,\n{s}\n",
                    "Z poważaniem\n{s}\n",
                    "Med vänlig hälsning\n{s}\n",
                    "Kind regards,\\n{s}\\n",
                    "Thanks,\n{s}",
                )(full_name)
            ),
        ),
        must_not=(
            ("Best regards,\nThe Support Team\n\nThanks,\nYour Bank\n\nCheers,\nEveryone", "letters of nobody"),
            ("Thanks\nPlease see the file.\nbest\nRESULTS\n", "lines that begin with a capital"),
        ),
    ),
    personal(
        "name-labeled",
        "person",
        "Name in a field that holds nothing else (first name, Nachname, nom de famille, apellidos, …), in sixteen languages",
        _SURE_LABEL + _GAP + "(" + NAME + ")",
        _VCARD,
        validate=shouted,
        group=1,
        longest=200,
        must=(
            Must(
                within(
                    "Full name: {s}",
                    "Cardholder: {s}, exp 12/29",
                    "Patient name: {s}\n",
                    '{"full_name": "{s}", "plan": "pro"}',
                    "Nachname: {s}",
                    "Nom complet : {s}",
                    "Nombre completo: {s}",
                    "Nome completo: {s}",
                    "Volledige naam: {s}",
                    "Imię i nazwisko: {s}",
                )(full_name)
            ),
            Must(within('"first_name": "{s}"', "first_name={s}", "Vorname: {s}", "Prénom : {s}", "Förnamn: {s}", "Etunimi: {s}")(_first)),
            Must(within("ACCOUNT HOLDER: {s}", "surname: {s}")(_choice("THOMAS WHITFIELD", "MARIA QUINTANA"))),
        ),
        must_not=(
            ("first_name: String, last_name: Optional[str], full_name: Required, surname: Unknown", "types and placeholders of fields"),
            ("firstName = User.Name; Vorname: Pflichtfeld; lastName: your-last-name", "code and forms"),
        ),
    ),
    personal(
        "name-labeled-vaguely",
        "person",
        "Common name in a field that often holds other things too (name, contact, client, attn, …)",
        _VAGUE_LABEL + _GAP + "(" + _TWO + ")",
        _VCARD,
        validate=given,
        group=1,
        longest=200,
        must=(
            Must(
                within(
                    "Name: {s}\nRole: admin",
                    '{"name": "{s}"}',
                    "Attn: {s}",
                    "Contact: {s}",
                    "Kunde: {s}",
                    "Nom : {s}",
                    "Nombre: {s}",
                    "Nome: {s}",
                    "Naam: {s}",
                    "Namn: {s}",
                )(_known_name)
            ),
        ),
        must_not=(
            ('name: Visual Studio Code\nname: Build And Test\n"name": "Acme Payment Service"\nContact: Sales Team', "names of things"),
            ("Author: Continuous Integration; Client: Mobile App", "names of programs"),
        ),
    ),
    personal(
        "name-cyrillic",
        "person",
        "Name behind an introduction, a form of address or a field's name in Russian, Ukrainian and Bulgarian",
        r"(?:[Мм]еня зовут|[Мм]ене звати|[Мм]оё имя|[Кк]азвам се|[Уу]важаем(?:ый|ая)(?: (?:господин|госпожа))?|[Гг]осподин|[Гг]оспожа|(?:ФИО|Ф\.И\.О\.|[Фф]амилия|[Ии]мя(?: и фамилия)?|[Оо]тчество|П\.?І\.?Б\.?|[Пп]різвище|[Кк]лиент|[Пп]ациент)[ ]?[:：])[ ]{0,3}("
        + _CYRILLIC
        + ")",
        _FORMS,
        group=1,
        longest=256,
        must=(
            Must(
                within("Меня зовут {s}, помогите", "ФИО: {s}\n", "Фамилия: {s}", "Уважаемый {s}!", "Мене звати {s}.")(
                    _choice("Дмитрий Ковалёв", "Ольга Соколова", "Тарас Шевчук")
                )
            ),
        ),
        must_not=(("меня зовут на обед; имя: не указано; Фамилия: -", "sentences and empty fields"),),
    ),
    personal(
        "name-chinese",
        "person",
        "Chinese name behind an introduction or a field's name, beginning with a common family name",
        rf"(?:我叫|我的名字(?:是|叫)|姓名(?:[:：]|是|為|为)|联系人[:：]|聯絡人[:：]|收件人[:：]|客户(?:姓名)?[:：]|患者(?:姓名)?[:：]|持卡人[:：])[ ]?([{_HAN_FAMILY}][一-鿿]{{1,2}}?)(?:[，。,.；;、！!\s\"]|$|是|住|的|和)",
        _FORMS,
        group=1,
        longest=96,
        must=(Must(within("我叫{s}，请帮我", "姓名：{s}\n电话", "联系人：{s}，", "我的名字是{s}。")(_choice("王小明", "李娜", "陈建国"))),),
        must_not=(("我叫你过来。姓名：必填项，联系人：无", "a call and empty fields"),),
    ),
    personal(
        "name-japanese",
        "person",
        "Japanese name behind an introduction or a field's name",
        r"(?:(?:私の名前は|わたしの名前は|名前は)([一-鿿々]{2,6}|[ァ-ヶー]{2,16})(?:です|と申|といいます|と言います))|(?:(?:氏名|お名前|担当者|宛名|口座名義)[:：][ 　]?)([一-鿿々]{1,4}[ 　]?[一-鿿々ぁ-んァ-ヶ]{1,4})(?:様|[\s,、。\"]|$)",
        _FORMS,
        group=0,
        longest=160,
        must=(
            Must(within("宛先\n{s}\n")(_choice("氏名：田中 太郎", "お名前：佐藤花子"))),
            Must(within("こんにちは、{s}。")(_choice("私の名前は山田太郎です", "名前は鈴木一郎といいます"))),
        ),
        must_not=(("氏名：\n名前はまだない。お名前を入力してください", "an empty field and sentences"),),
    ),
    personal(
        "name-korean",
        "person",
        "Korean name behind an introduction or a field's name",
        r"(?:제 이름은|내 이름은|저는|이름[:：]|성명[:：]|성함[:：]|고객명[:：]|예금주[:：]|받는 사람[:：]|수취인[:：])[ ]?([김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민진나지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모][가-힣]{2})(?:입니다|이에요|예요|이라고|라고|[ ,.\n\"]|$|님)",
        _FORMS,
        group=1,
        longest=96,
        must=(
            Must(
                within("제 이름은 {s}입니다.", "성명: {s}\n전화", "이름: {s}, 나이", "저는 {s}입니다")(
                    _choice("김민수", "박지영", "최수진")
                )
            ),
        ),
        must_not=(("이름: 필수, 저는 학생입니다. 성명: 없음", "empty fields and a sentence"),),
    ),
    personal(
        "name-arabic",
        "person",
        "Name behind an introduction or a field's name in Arabic, Persian and Hebrew",
        r"(?:اسمي|أنا اسمي|نام من|الاسم(?: الكامل)?[ ]?:|اسم العميل[ ]?:|اسم المريض[ ]?:|نام و نام خانوادگی[ ]?:|קוראים לי|שמי|שם מלא[ ]?:)[ ]{1,2}((?:[ء-ي]{2,12}[ ](?:بن |ال)?[ء-ي]{2,14})|(?:[א-ת]{2,12}[ ][א-ת]{2,14}))",
        _FORMS,
        group=1,
        longest=160,
        must=(
            Must(within("مرحبا، اسمي {s}", "الاسم الكامل: {s}\n")(_choice("محمد الخطيب", "فاطمة حسن"))),
            Must(within("שלום, שמי {s}.", "קוראים לי {s}")(_choice("דנה כהן", "יוסי לוי"))),
        ),
        must_not=(("الاسم: -\nاسم المستخدم غير صحيح", "an empty field and a name of an account"),),
    ),
    personal(
        "name-hindi",
        "person",
        "Name behind an introduction or a field's name in Hindi, Bengali and Thai",
        r"(?:मेरा नाम|नाम[ ]?[:：]|ग्राहक का नाम[ ]?:|আমার নাম|নাম[ ]?[:：])[ ]?([ऀ-ॿ]{2,16}(?:[ ][ऀ-ॿ]{2,16}){0,2}?|[ঀ-৿]{2,16}(?:[ ][ঀ-৿]{2,16}){0,2}?)(?:[ ]है|[।,.\n]|$)|(?:ชื่อ(?:[-–]?นามสกุล)?[ ]?[:：][ ]?)([ก-๙]{2,20}[ ][ก-๙]{2,24})",
        _FORMS,
        group=0,
        longest=256,
        must=(
            Must(within("नमस्ते, {s}।")(_choice("मेरा नाम प्रिया शर्मा है", "मेरा नाम राहुल वर्मा है"))),
            Must(within("{s}\nโทร")(_choice("ชื่อ: สมชาย ใจดี", "ชื่อ-นามสกุล: มานี รักไทย"))),
        ),
        must_not=(("नाम\nयह आवश्यक है", "a label alone"),),
    ),
)
