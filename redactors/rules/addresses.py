"""Postal addresses by their form, country by country, and whatever stands behind a word for address."""

# ruff: noqa: E501, SIM905
# Expressions and samples are read whole.
from __future__ import annotations

from random import Random
from typing import Final

from redactors.later import compiled_later
from redactors.rules.model import Must, Rule
from redactors.rules.personal import personal
from redactors.rules.samples import Draw, within

_WIDE = "À-ÖØ-öø-ÿĀ-ɏ"
_CAP = rf"(?:Ste?\.|[A-Z{_WIDE}][A-Za-z{_WIDE}'’-]*)"
_CITY = rf"{_CAP}(?:[ ]{_CAP}){{0,2}}"
_NEXT = r"(?:,?[ ]|,?[ ]?(?:\n|\\n)[ ]{0,3})"
_STATES = "A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[TA]|W[AVIY]"
_ENGLISH_END = rf"(?:{_NEXT}(?:Apt|Apartment|Suite|Ste|Unit|Floor|Flat|Room|#)\.?[ ]?#?[0-9A-Za-z-]{{1,6}})?"
_AMERICAN_TAIL = rf"{_NEXT}{_CITY},?[ ](?:{_STATES})\b(?:,?[ ][0-9]{{5}}(?:-[0-9]{{4}})?)?"
_BRITISH_POSTCODE = "[A-Z]{1,2}[0-9][0-9A-Z]?[ ][0-9][A-Z]{2}"
_CANADIAN_POSTCODE = "[A-Z][0-9][A-Z][ ]?[0-9][A-Z][0-9]"
_COMMONWEALTH_TAIL = rf"{_NEXT}(?:{_CAP}(?:[ ]{_CAP})?{_NEXT}){{0,2}}(?:{_BRITISH_POSTCODE}|(?:[A-Z]{{2}}[ ]{{1,2}})?{_CANADIAN_POSTCODE}|(?:NSW|VIC|QLD|WA|SA|TAS|ACT|NT)[ ][0-9]{{4}}|(?:Co\.?[ ])?Dublin(?:[ ][0-9]{{1,2}})?)\b"
_SURE_STREET = "Street|Avenue|Road|Boulevard|Lane|Crescent|Terrace|Parkway|Ave|Blvd|Rd|Hwy|Highway"
_ANY_STREET = (
    _SURE_STREET
    + "|Drive|Court|Way|Place|Square|Close|Gardens|Mews|Row|Alley|Trail|Circle|Loop|St|Ln|Dr|Ct|Pl|Sq|Cir|Ter|Broadway|Walk|Hill|Park|Green|Grove"
)
_HOUSE = r"\b[1-9][0-9]{0,4}[A-Za-z]?(?:-[0-9]{1,4})?[ ]"
_WORDS = rf"(?:(?:[NSEW]\.?|North|South|East|West)[ ])?(?:{_CAP}|[0-9]{{1,3}}(?:st|nd|rd|th))(?:[ ]{_CAP}){{0,3}}?[ ]"

_NOT_STREETS: Final = frozenset(
    "page chapter section step version error phase line issue ticket build figure table part question lesson level http".split()
)
_PLACEHOLDER: Final = compiled_later(
    r"(?i)your|street address|example|placeholder|required|unknown|none|n/a|null|undefined|0x|://|@|[{}<>\[\]=$]|localhost|[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"
)


def street(value: str) -> bool:
    """A street whose words are capitalized, with a number that is no status code in front of its reason."""
    words = value.split()
    return words[0] not in {"400", "401", "403", "404", "500", "502", "503"} and not any(word.lower() in _NOT_STREETS for word in words)


def capitalized(value: str) -> bool:
    """The first word is written with a capital."""
    found = next((character for character in value if character.isalpha()), "")
    return found.isupper() or not found.islower()


def labeled(value: str) -> bool:
    """What stands behind a word for address: letters and a house number or post code, and no placeholder, host or reference to memory."""
    return (
        any(map(str.isdigit, value))
        and sum(map(str.isalpha, value)) >= 4
        and not _PLACEHOLDER.search(value)
        and (" " in value.strip() or not value.isascii())
        and capitalized(value)
    )


def _pick(*values: str) -> Draw:
    def draw(rng: Random) -> str:
        return rng.choice(values).replace("{n}", str(rng.randint(2, 189)))

    return draw


def _plain(*values: str) -> tuple[Must, ...]:
    return (Must(within("{s}", "I live at {s}.", "see {s}, thanks", "x\n{s}\ny", '"{s}"')(_pick(*values))),)


_UPU = "https://www.upu.int/en/Postal-Solutions/Programmes-Services/Addressing-Solutions"

RULES: tuple[Rule, ...] = (
    personal(
        "address-street-english",
        "address",
        "House number and street in English, with a word that only streets have",
        _HOUSE
        + _WORDS
        + rf"(?:{_SURE_STREET})\b\.?(?:[ ](?:NW|NE|SW|SE|N|S|E|W)\b)?"
        + _ENGLISH_END
        + rf"(?:{_AMERICAN_TAIL}|{_COMMONWEALTH_TAIL})?",
        _UPU,
        validate=street,
        longest=240,
        must=_plain(
            "{n} Maple Street",
            "{n} Old Mill Road, Apt 4B",
            "{n} N. Lamar Blvd, Austin, TX 78701",
            "{n} 5th Avenue, Suite 210, New York, NY 10011",
            "{n}B Baker Street, London NW1 6XE",
            "{n} Queen Elizabeth Road, Ottawa, ON K1A 0B1",
            "{n} Collins Street, Melbourne VIC 3000",
        ),
        must_not=(
            ("404 Not Found Road, the 3 main roads and 2 street lights; 5 star avenue", "a status, counts"),
            ("Phase 2 Road map, 3 Section Road", "plans"),
        ),
    ),
    personal(
        "address-street-american",
        "address",
        "House number and any street in the United States, before its city and state",
        _HOUSE + _WORDS + rf"(?:{_ANY_STREET})\b\.?(?:[ ](?:NW|NE|SW|SE|N|S|E|W)\b)?" + _ENGLISH_END + _AMERICAN_TAIL,
        _UPU,
        validate=street,
        longest=240,
        must=_plain(
            "{n} Cedar Ct, Springfield, IL 62704",
            "{n} Harbor View Dr, Unit 3, San Diego, CA 92101",
            "{n} Sunset Way\nPortland, OR 97205",
            "{n} W Elm St, Boise, ID",
        ),
        must_not=(("2 Way Street-like St, 3 Best Place, OK then", "words without a city"),),
    ),
    personal(
        "address-street-commonwealth",
        "address",
        "House number and any street before a post code of the United Kingdom, Canada, Australia or Ireland",
        _HOUSE + _WORDS + rf"(?:{_ANY_STREET})\b\.?" + _ENGLISH_END + _COMMONWEALTH_TAIL,
        _UPU,
        validate=street,
        longest=240,
        must=_plain(
            "{n} Church Close, Reading RG1 4PS",
            "{n} Orchard Gardens, Leeds, LS1 3EX",
            "{n} Birch Place, Toronto, ON M5V 2T6",
            "{n} Ocean Drive, Perth WA 6000",
            "{n} Abbey Square, Dublin 2",
        ),
        must_not=(("12 Release Place, see RG1 and 3000", "no post code"),),
    ),
    personal(
        "address-city-american",
        "address",
        "City, state and ZIP code of the United States",
        rf"({_CITY},[ ](?:{_STATES})[ ][0-9]{{5}}(?:-[0-9]{{4}})?)\b",
        "https://pe.usps.com/text/pub28/28c2_001.htm",
        validate=capitalized,
        group=1,
        longest=160,
        must=_plain("Springfield, IL 62704", "New York, NY 10011-1234", "St. Paul, MN 55102"),
        must_not=(("See RFC, OK 200 and Table, IN 5", "no ZIP code"),),
    ),
    personal(
        "address-german",
        "address",
        "Street and house number in German, with the post code where the street's word is used for other things too",
        rf"(?:{_CAP}(?:straße|strasse|str\.|gasse|allee)|{_CAP}(?:-|[ ])(?:Straße|Strasse|Str\.|Allee|Gasse))[ ][1-9][0-9]{{0,3}}(?:[ ]?[a-z]\b)?(?:[ ]?[-/][ ]?[0-9]{{1,4}})?(?:{_NEXT}(?:D-|A-|CH-)?[0-9]{{4,5}}[ ]{_CITY})?"
        rf"|{_CAP}(?:weg|platz|ring|damm|ufer|chaussee|steig|hof|markt|[ ](?:Weg|Platz|Ring|Damm|Ufer))[ ][1-9][0-9]{{0,3}}(?:[ ]?[a-z]\b)?{_NEXT}(?:D-|A-|CH-)?[0-9]{{4,5}}[ ]{_CITY}",
        _UPU,
        validate=capitalized,
        longest=240,
        must=_plain(
            "Musterstraße {n}",
            "Lindenstr. {n}a, 10969 Berlin",
            "Konrad-Adenauer-Allee {n}, 60313 Frankfurt",
            "Kirchweg {n}\n50733 Köln",
            "Mariahilfer Straße {n}, 1060 Wien",
            "Bahnhofplatz {n}, 8001 Zürich",
        ),
        must_not=(("Lösungsweg 2, Arbeitsplatz 4, auf der Straße 3 Autos, Einbahnstraße", "words that are no addresses"),),
    ),
    personal(
        "address-french",
        "address",
        "House number and street in French",
        rf"\b[1-9][0-9]{{0,3}}(?:[ ]?(?:bis|ter|quater))?,?[ ](?:rue|avenue|av\.|boulevard|bd|place|chemin|all(?:é|e)e|impasse|quai|route|cours|square|passage|faubourg|Rue|Avenue|Boulevard|Place|Chemin|Allée|Impasse|Quai|Route|Cours)[ ]"
        rf"(?:(?:de la|de l['’]|de|du|des|d['’]|la|le|les|l['’])[ ]?){{0,2}}{_CAP}(?:[ ](?:(?:de|du|des|la|le|et)[ ]){{0,2}}{_CAP}){{0,3}}(?:{_NEXT}[0-9]{{5}}[ ]{_CITY})?",
        _UPU,
        longest=240,
        must=_plain(
            "{n} rue de la Paix, 75002 Paris",
            "{n} bis avenue Victor Hugo",
            "{n}, boulevard Saint-Germain, 75006 Paris",
            "{n} chemin des Vignes\n69005 Lyon",
        ),
        must_not=(("3 place disponible, 2 cours par jour, 12 route de transport", "counts of things"),),
    ),
    personal(
        "address-spanish",
        "address",
        "Street and house number in Spanish",
        rf"\b(?:Calle|C/|Avda\.|Avenida|Av\.|Plaza|Paseo|Pº|Camino|Ronda|Travesía|calle|avenida|plaza)[ ]?(?:(?:de las|de los|de la|del|de|la|el|los)[ ]){{0,2}}{_CAP}"
        rf"(?:[ ](?:(?:de|del|la|y)[ ]){{0,2}}{_CAP}){{0,2}},?[ ](?:(?:n\.?º|nº|n°|No\.?|#|número|num\.)[ ]?)?[1-9][0-9]{{0,4}}\b(?:,?[ ][0-9]{{1,2}}[ºª°](?:[ ]?[A-Z]\b)?)?(?:{_NEXT}[0-9]{{5}}(?:[ ]{_CAP})?)?",
        _UPU,
        longest=280,
        must=_plain("Calle de Alcalá {n}, 28014 Madrid", "C/ Mayor {n}, 3º B", "Avenida de la Constitución, nº {n}", "Paseo de Gracia {n}"),
        must_not=(("la calle 5 veces, Plaza mayor sin número", "words without a name"),),
    ),
    personal(
        "address-portuguese",
        "address",
        "Street and house number in Portuguese",
        rf"\b(?:Rua|R\.|Av\.|Avenida|Travessa|Praça|Alameda|Estrada|Rodovia|rua)[ ](?:(?:da|do|das|dos|de)[ ]){{0,2}}{_CAP}(?:[ ](?:(?:da|do|das|dos|de|e)[ ]){{0,2}}{_CAP}){{0,2}},[ ]?(?:(?:n\.?º|nº|n°)[ ]?)?[1-9][0-9]{{0,4}}\b"
        rf"(?:{_NEXT}(?:{_CAP}(?:[ ]{_CAP})?(?:,[ ]|[ ]-[ ]|[ ]))?(?:[0-9]{{5}}-[0-9]{{3}}|[0-9]{{4}}-[0-9]{{3}})(?:[ ]{_CAP})?)?",
        _UPU,
        longest=280,
        must=_plain(
            "Avenida Paulista, {n}", "Rua das Flores, nº {n}, 1200-195 Lisboa", "Rua Augusta, {n} - 01305-100".replace(" - ", ", ")
        ),
        must_not=(("Rua 3, a rua, 5 vezes", "words without a name"),),
    ),
    personal(
        "address-italian",
        "address",
        "Street and house number in Italian",
        rf"\b(?:Via|Viale|Piazza|Piazzale|Corso|Largo|Vicolo|Strada|via|viale|piazza|corso)[ ](?:(?:dei|delle|degli|della|dello|dell['’]|del|di|da|San|Santa|la|il)[ ]?){{0,2}}{_CAP}(?:[ ](?:(?:di|del|da|e)[ ])?{_CAP}){{0,3}},?[ ](?:n\.?[ ]?)?[1-9][0-9]{{0,3}}(?:/[A-Za-z0-9]{{1,3}})?\b(?:{_NEXT}[0-9]{{5}}[ ]{_CITY}(?:[ ]\([A-Z]{{2}}\))?)?",
        _UPU,
        longest=240,
        must=_plain(
            "Via Roma {n}, 00184 Roma",
            "Corso Vittorio Emanuele {n}",
            "Piazza della Repubblica, {n}\n50123 Firenze",
            "Viale dei Mille {n}/B, 20129 Milano (MI)",
        ),
        must_not=(("via HTTP 2, via e-mail 3, Via API v2", "the preposition"),),
        validate=lambda value: (
            not any(mark in value for mark in ("HTTP", "API", "TCP", "UDP", "SSH", "Port", "Version", "USB", "Python", "Chapter"))
        ),
    ),
    personal(
        "address-dutch-nordic",
        "address",
        "Street and house number in Dutch, Swedish, Danish, Norwegian and Finnish",
        rf"{_CAP}(?:straat|laan|gracht|kade|singel|dijk|dreef|plantsoen|gatan|vägen|gränden|gade|allé|gaten|veien|katu|kuja)[ ][1-9][0-9]{{0,3}}(?:[ ]?[A-Za-z]\b)?(?:{_NEXT}(?:(?:[0-9]{{4}}[ ]?[A-Z]{{2}}|[0-9]{{3}}[ ][0-9]{{2}}|[0-9]{{4,5}})[ ]{_CITY}))?"
        rf"|{_CAP}(?:(?:[ ]{_CAP})?[ ](?:gate|gata|vei|vej|allé|plads|torg)|weg|plein|hof|vej|vei|gata|tie|torget|plass)[ ][1-9][0-9]{{0,3}}(?:[ ]?[A-Za-z]\b)?{_NEXT}(?:[0-9]{{4}}[ ]?[A-Z]{{2}}|[0-9]{{3}}[ ][0-9]{{2}}|[0-9]{{4,5}})[ ]{_CITY}",
        _UPU,
        validate=capitalized,
        longest=240,
        must=_plain(
            "Keizersgracht {n}, 1015 CN Amsterdam",
            "Dorpsstraat {n}",
            "Drottninggatan {n}, 111 51 Stockholm",
            "Østergade {n}, 1100 København",
            "Mannerheimintie {n}, 00100 Helsinki",
            "Karl Johans gate {n}, 0154 Oslo",
        ),
        must_not=(("Lösungsweg 3 and the Kastrup plein 12", "no post code"),),
    ),
    personal(
        "address-polish-czech",
        "address",
        "Street and house number in Polish and Czech",
        rf"\b(?:ul\.|al\.|os\.|pl\.|ulica|aleja|ulice|nám\.|náměstí|tř\.|Ul\.)[ ]{_CAP}(?:[ ](?:{_CAP}|[0-9]{{1,2}}[ ]Maja)){{0,3}}[ ][1-9][0-9]{{0,4}}[A-Za-z]?(?:[ ]?/[ ]?[0-9]{{1,4}}|[ ]m\.[ ]?[0-9]{{1,4}})?(?:{_NEXT}(?:[0-9]{{2}}-[0-9]{{3}}|[0-9]{{3}}[ ][0-9]{{2}})[ ]{_CITY})?",
        _UPU,
        longest=240,
        must=_plain(
            "ul. Marszałkowska {n}/12, 00-590 Warszawa",
            "al. Jerozolimskie {n}",
            "os. Bohaterów Września {n} m. 4",
            "ulice Dlouhá {n}, 110 00 Praha",
        ),
        must_not=(("ul. i os. w liczbie 3, pl. 2", "abbreviations alone"),),
    ),
    personal(
        "address-russian",
        "address",
        "Street and house number in Russian and Ukrainian",
        r"(?:ул\.|улица|вул\.|вулиця|пр\.|пр-т|просп\.|проспект|пер\.|переулок|наб\.|набережная|бульвар|б-р|шоссе|пл\.|площадь)[ ]?[А-ЯЁІЇЄҐ][А-Яа-яЁёІіЇїЄєҐґ-]{1,24}(?:[ ][А-ЯЁа-яё-]{2,24}){0,2},?[ ](?:(?:д\.|дом|буд\.)[ ]?)?[1-9][0-9]{0,3}[а-яА-Я]?(?:,?[ ](?:корп\.|к\.|стр\.|кв\.|квартира|оф\.)[ ]?[0-9]{1,4}){0,3}",
        _UPU,
        longest=320,
        must=_plain("ул. Ленина, д. {n}, кв. 14", "проспект Мира {n}", "вул. Хрещатик, {n}", "наб. Реки Фонтанки, {n}"),
        must_not=(("улица была пуста, дом 3; проспект на 5 страниц", "words without a name"),),
    ),
    personal(
        "address-turkish",
        "address",
        "Neighborhood or street and number in Turkish",
        rf"{_CAP}(?:[ ]{_CAP}){{0,2}}[ ](?:Mahallesi|Mah\.|Caddesi|Cad\.|Sokak|Sokağı|Sok\.|Sk\.|Bulvarı|Blv\.)(?:,?[ ]{_CAP}(?:[ ]{_CAP}){{0,2}}[ ](?:Caddesi|Cad\.|Sokak|Sokağı|Sok\.|Sk\.|Bulvarı))?,?[ ]No[.:]?[ ]?[1-9][0-9]{{0,3}}(?:/[0-9A-Za-z]{{1,4}})?(?:,?[ ](?:D(?:aire)?[.:][ ]?[0-9]{{1,3}}))?(?:{_NEXT}(?:[0-9]{{5}}[ ])?{_CAP}(?:/{_CAP})?)?",
        _UPU,
        longest=280,
        must=_plain("Atatürk Caddesi No: {n}", "Cumhuriyet Mah. Gül Sokak No:{n}/5, Kadıköy/İstanbul", "Bağdat Cad. No {n} D: 7"),
        must_not=(("Cadde ve Sokak No yok, Mahallesi No", "words without a number"),),
    ),
    personal(
        "address-chinese",
        "address",
        "Road and number in Chinese",
        r"(?:[一-鿿]{2,8}(?:省|市|区|區|县|縣|镇|鎮)){0,3}[一-鿿]{2,8}(?:路|街|大道|巷|弄|胡同)(?:[一二三四五六七八九十]段)?[0-9]{1,5}(?:号|號|弄)(?:院)?(?:[0-9A-Za-z]{1,5}(?:号楼|號樓|栋|棟|座|楼|樓|单元|單元|室|房))*",
        _UPU,
        longest=240,
        must=(
            Must(
                within("地址是{s}。", "寄到{s}，谢谢", "x\n{s}\n")(
                    _pick("北京市海淀区中关村大街{n}号", "上海市浦东新区世纪大道{n}号3栋201室", "忠孝東路四段{n}號")
                )
            ),
        ),
        must_not=(("走路3分钟，路由5号，网络道路", "words with road in them"),),
    ),
    personal(
        "address-japanese",
        "address",
        "Prefecture, city and lot number in Japanese, and the post code with its mark",
        r"(?:東京都|北海道|(?:大阪|京都)府|[一-鿿]{2,3}県)[一-鿿ぁ-んァ-ヶ]{1,8}[市区町村郡][一-鿿ぁ-んァ-ヶ0-9０-９一二三四五六七八九十]{1,16}?(?:[0-9０-９]{1,4}|[一二三四五六七八九十]{1,3})(?:丁目|番地|番|号|[-－ー−][0-9０-９]{1,4})(?:[-－ー−]?[0-9０-９]{1,4}(?:番地|番|号)?){0,3}|〒[ ]?[0-9]{3}-[0-9]{4}",
        "https://www.post.japanpost.jp/zipcode/",
        longest=240,
        must=(
            Must(
                within("住んでいるのは{s}です", "送り先：{s}\n")(
                    _pick("東京都渋谷区神南1-{n}-8", "大阪府大阪市北区梅田3丁目1番{n}号", "〒150-0041")
                )
            ),
        ),
        must_not=(("東京都の人口は3番目、京都府の1", "a sentence about a prefecture"),),
    ),
    personal(
        "address-korean",
        "address",
        "City, district and road number in Korean",
        r"(?:서울|부산|대구|인천|광주|대전|울산|세종|[가-힣]{2,4})(?:특별시|광역시|특별자치시|시|도|특별자치도)[ ](?:[가-힣]{1,5}(?:시|군|구)[ ]){1,2}(?:[가-힣]{1,6}(?:읍|면)[ ])?[가-힣0-9]{1,10}(?:로|길)[ ]?[0-9]{1,4}(?:-[0-9]{1,4})?(?:번길[ ]?[0-9]{1,4})?",
        "https://www.juso.go.kr/",
        longest=240,
        must=(
            Must(
                within("주소는 {s}입니다", "x\n{s}\n")(
                    _pick("서울특별시 강남구 테헤란로 {n}", "경기도 성남시 분당구 판교로 {n}", "부산광역시 해운대구 우동1로 {n}")
                )
            ),
        ),
        must_not=(("서울시 강남구 길로 가다", "no number"),),
    ),
    personal(
        "address-post-box",
        "address",
        "Post office box in seven languages",
        r"(?:\b[Pp]\.?[ ]?[Oo]\.?[ ]?[Bb]ox|\bPOSTFACH|\bPostfach|\bBoîte postale|\bApartado(?: de [Cc]orreos| [Pp]ostal)?|\bCasella [Pp]ostale|\bCaixa [Pp]ostal|\bPostbus|\bPostboks|\bskr(?:ytka)?\.? poczt(?:owa|\.))[ ]{1,2}(?:[Nn]o\.?[ ])?([1-9][0-9]{1,3}(?:[ ]?[0-9]{2,3}){0,2})\b",
        _UPU,
        group=1,
        longest=96,
        must=(
            Must(
                within("P.O. Box {s}", "PO Box {s}, ok", "Postfach {s}\n", "Apartado de Correos {s}", "Postbus {s}", "Casella postale {s}")(
                    _pick("4{n}2", "1{n}7")
                )
            ),
        ),
        must_not=(("the PO box is full, Postfach voll, box 7", "no number of a box"),),
    ),
    personal(
        "address-labeled",
        "address",
        "Line behind a word for address in more than twenty languages",
        r"(?:(?i:\b(?:(?:home|postal|mailing|street|shipping|delivery|billing|residential|permanent|current|work|office|my|our|customer|patient)[ _-]address|address(?:[ _-]?line)?[ _-]?1?|ship to|deliver to|bill to|street|anschrift|(?:liefer|rechnungs|post|privat|wohn)(?:anschrift|adresse)|adresse(?: postale| de livraison| de facturation)?|wohnhaft(?: in)?|"
        r"direcci(?:ó|o)n(?: postal| de env(?:í|i)o)?|domicilio|indirizzo|residente in|endere(?:ç|c)o|morada|adres(?:i| zamieszkania)?|adressen?|osoite|adresa|cím|διεύθυνση|alamat|địa chỉ)\b)|адрес|Адрес|адреса|地址|住所|주소|العنوان|عنوان|पता|ที่อยู่|כתובת)[\"'*_]{0,3}[ \t]{0,3}[:：=][ \t]{0,3}[\"'*_]{0,3}([^\n\r\"'\\|;<>{}\[\]:：@=]{6,100})",
        _UPU,
        validate=labeled,
        group=1,
        longest=400,
        must=(
            Must(
                within(
                    "Address: {s}\n",
                    "Ship to: {s}\n",
                    '{"street": "{s}"}',
                    '"shipping_address": "{s}",',
                    "Home address: {s}\n",
                    "Anschrift: {s}\n",
                    "Lieferadresse: {s}\n",
                    "Adresse : {s}\n",
                    "Dirección: {s}\n",
                    "Indirizzo: {s}\n",
                    "Endereço: {s}\n",
                    "Adres: {s}\n",
                    "адрес: {s}\n",
                    "住所: {s}\n",
                )(_pick("Flat {n}, Rosewood House", "Am Sonnenhang {n}", "Larkspur {n}, 3rd floor", "Fjordblick {n}b"))
            ),
        ),
        must_not=(
            (
                "IP address: 10.0.0.1 port 8080\nMAC address: 00:1B:44:11:3A:B7\nAddress: 0x7fff5fbff8c0\nbind address: localhost 4000",
                "addresses of machines",
            ),
            ("Address: your street address here 1\nStreet: string\nEmail address: bob at home", "placeholders"),
        ),
    ),
)
