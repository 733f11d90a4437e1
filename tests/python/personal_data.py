"""Prints labelled cases for the detection of personal data, one JSON object a line:

    {"part": "tuning", "kind": "phone", "text": "Call +44 20 …", "values": ["+44 20 …"]}

`values` is what must be found in `text`; a case without values is a false one. `kind` null means that
nothing of any kind is to be found. The part "held-out" has other seeds, other sentences and other source
files than "tuning".

Values are made and checked by libraries that have nothing to do with golden: python-phonenumbers, stdnum,
Faker. Usage: personal_data.py CARGO_LOCK CARGO_HOME DOCS
"""

import base64
import hashlib
import json
import os
import random
import re
import string
import sys
import uuid
from datetime import datetime, timedelta, timezone

import faker
import phonenumbers
import stdnum.luhn
from phonenumbers import PhoneNumberFormat as Form
from stdnum import ean, iban, imei, isbn

CASES = 300  # of each kind and part
SHARE = 96  # of 256 source files are read

SENTENCES = {
    "tuning": [
        "Please write to {} if anything is unclear.",
        "{}",
        'It is configured as `{}` in the second line.',
        '{{"value": "{}", "checked": true}}',
        "| 17 | {} | open |",
        "Seen in the export of last week ({}), and nobody removed it.",
        "value={}",
        "First line.\\n{}\\nLast line.",
        "• {}, as she told us on the first day.",
    ],
    "held-out": [
        "The form still showed {} after the reset.",
        "{}.",
        "- note: {}",
        "<td>{}</td>",
        "2024-05-06 11:12:13 INFO request from user: {} accepted",
        "Wir haben {} notiert, bitte prüfen.",
        "客户资料：{}。",
        'field "{}" is not empty',
        "Is \"{}\" still the right one?",
    ],
}


class Maker:
    def __init__(self, part, seed):
        self.part = part
        self.random = random.Random(seed)
        locales = ["en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_BR", "pl_PL", "nl_NL", "sv_SE"]
        self.fakes = [faker.Faker(locale) for locale in locales]
        for fake in self.fakes:
            fake.seed_instance(seed)

    def digits(self, count):
        return "".join(self.random.choice(string.digits) for _ in range(count))

    def symbols(self, alphabet, count):
        return "".join(self.random.choice(alphabet) for _ in range(count))

    def sentence(self, value):
        return self.random.choice(SENTENCES[self.part]).format(value)

    def until_valid(self, make, is_valid):
        while True:
            value = make()
            if is_valid(value):
                return value

    # --- e-mail

    def email(self):
        r = self.random
        fake = r.choice(self.fakes)
        form = r.randrange(10)
        if form == 0:
            local, domain = f"{fake.user_name()}+{r.choice(['news', 'git', 'shop'])}", fake.free_email_domain()
        elif form == 1:
            local, domain = fake.user_name(), f"{r.choice(['mail', 'cs', 'dept'])}.{fake.domain_name()}"
        elif form == 2:
            local, domain = r.choice(["jürgen", "françois", "søren", "用户", "иван"]), r.choice(["müller-söhne.de", "exämple-firma.com", "почта.рф"])
        elif form == 3:
            local, domain = f"{fake.user_name()}_{r.randrange(100)}".upper(), fake.free_email_domain().upper()
        elif form == 4:
            local, domain = f"o'{fake.user_name()}", fake.domain_name()
        elif form == 5:
            local, domain = fake.user_name(), fake.domain_word() + r.choice([".co.uk", ".com.br", ".ac.jp", ".io", ".dev", ".museum", ".bank", ".cloud"])
        else:
            local, domain = fake.user_name(), fake.free_email_domain() if r.random() < 0.5 else fake.domain_name()
        value = f"{local}@{domain}"
        if re.search(r"@([\w-]+\.)*example\.(com|net|org)$", value, re.I):
            return self.email()
        shape = r.choice(["{}", "{}", "{}", "mailto:{}", "<{}>", "({})", "E-Mail:{}"])
        return shape.format(value), value

    # --- phone

    WORDS = ["Tel.: {}", "phone: {}", "Phone number {}", "Telefon: {}", "call us: {}", "Fax {}", "mobile {}", "Tél. {}", "Teléfono: {}", "WhatsApp {}"]

    def phone(self):
        r = self.random
        kinds = [phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]

        def make():
            region = r.choice(sorted(phonenumbers.SUPPORTED_REGIONS))
            if r.random() < 0.35:
                region = r.choice(["US", "GB", "DE", "FR", "IN", "BR", "ES", "IT", "JP", "AU"])
            example = phonenumbers.example_number_for_type(region, r.choice(kinds))
            if example is None:
                return None
            text = str(example.national_number)
            changed = min(4, len(text) - 3)
            example.national_number = int(text[:-changed] + self.digits(changed))
            return example

        def is_usable(number):
            if number is None or not phonenumbers.is_valid_number(number):
                return False
            international = phonenumbers.format_number(number, Form.E164)
            return not is_reserved_phone(international)

        number = self.until_valid(make, is_usable)
        form = r.randrange(10)
        international = phonenumbers.format_number(number, Form.INTERNATIONAL)
        if form < 2:
            value = phonenumbers.format_number(number, Form.E164)
        elif form < 5:
            value = international
        elif form == 5:
            value = phonenumbers.format_number(number, Form.RFC3966).removeprefix("tel:")
            return f"tel:{value}", value
        elif form == 6:
            value = "00" + international[1:]
        elif form == 7:
            value = international.replace(" ", r.choice([".", "-", "\u00a0"]))
        else:
            national = phonenumbers.format_number(number, Form.NATIONAL)
            if form == 8 and number.country_code == 1:
                return national, national
            return r.choice(self.WORDS).format(national), national
        return value, value

    # --- payment card

    def payment_card(self):
        r = self.random
        prefix, length = r.choice(
            [("4", 16), ("4", 16), (str(r.randrange(51, 56)), 16), (str(r.randrange(2221, 2721)), 16), ("34", 15), ("37", 15)]
            + [("6011", 16), ("65", 16), (str(r.randrange(3528, 3590)), 16), ("36", 14), ("62", 16), ("6759", 16), ("4", 19)]
        )
        body = prefix + self.digits(length - 1 - len(prefix))
        if body.startswith("40000000"):
            return self.payment_card()
        number = body + stdnum.luhn.calc_check_digit(body)
        groups = {16: [4, 4, 4, 4], 15: [4, 6, 5], 14: [4, 6, 4], 19: [19]}[length]
        separator = r.choice(["", " ", " ", "-"])
        value = separator.join(cut(number, groups))
        return r.choice(["{}", "{}", "card {}", "Visa {} exp 09/27", "PAN:{}"]).format(value), value

    # --- national id

    def national_id(self):
        from stdnum import be, br, cn, de, es, fi, fr, in_, it, nl, pl, se, us
        import stdnum.be.nn, stdnum.br.cpf, stdnum.cn.ric, stdnum.de.idnr, stdnum.es.dni, stdnum.es.nie
        import stdnum.fi.hetu, stdnum.fr.nir, stdnum.in_.aadhaar, stdnum.it.codicefiscale, stdnum.nl.bsn
        import stdnum.pl.pesel, stdnum.se.personnummer, stdnum.us.ssn

        r = self.random
        born = datetime(1940, 1, 1) + timedelta(days=r.randrange(24000))
        letters = string.ascii_uppercase

        def found(make, is_valid):
            return self.until_valid(make, is_valid)

        def ssn():
            value = found(lambda: self.digits(9), stdnum.us.ssn.is_valid)
            return r.choice([("{}", "-"), ("{}", "-"), ("SSN {}", ""), ("Social Security Number: {}", " ")]), value, [3, 2, 4]

        def nino():
            prefix = found(lambda: self.symbols("ABCEGHJKLMNOPRSTWXYZ", 2), lambda p: p[1] != "O" and p not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"))
            value = prefix + self.digits(6) + r.choice("ABCD")
            return r.choice([("{}", " "), ("National Insurance number {}", ""), ("NI number: {}", " ")]), value, [2, 2, 2, 2, 1]

        def idnr():
            def make():
                base = r.sample(string.digits, 9)
                base.insert(r.randrange(10), r.choice(base))
                return "".join(base) + r.choice(string.digits)

            value = found(make, stdnum.de.idnr.is_valid)
            return r.choice([("Steuer-ID: {}", " "), ("Steuerliche Identifikationsnummer {}", ""), ("IdNr. {}", " ")]), value, [2, 3, 3, 3]

        def nir():
            def make():
                body = r.choice("12") + born.strftime("%y%m") + f"{r.randrange(1, 96):02}" + self.digits(6)
                return body + f"{97 - int(body) % 97:02}"

            value = found(make, stdnum.fr.nir.is_valid)
            return r.choice([("{}", " "), ("{}", ""), ("NIR {}", " ")]), value, [1, 2, 2, 2, 3, 3, 2]

        def dni():
            value = self.digits(8)
            value += stdnum.es.dni.calc_check_digit(value)
            return r.choice([("DNI {}", ""), ("DNI: {}", "-"), ("con D.N.I. {}", "")]), value, [8, 1]

        def nie():
            value = r.choice("XYZ") + self.digits(7)
            value += stdnum.es.nie.calc_check_digit(value)
            return r.choice([("{}", ""), ("NIE {}", "-")]), value, [1, 7, 1]

        def codice_fiscale():
            def make():
                consonants = "BCDFGLMNPRSTVZ"
                body = self.symbols(consonants, 6) + born.strftime("%y") + "ABCDEHLMPRST"[born.month - 1]
                body += f"{born.day + r.choice([0, 40]):02}" + r.choice("ABCDEFGHIL") + self.digits(3)
                return body + stdnum.it.codicefiscale.calc_check_digit(body)

            value = found(make, stdnum.it.codicefiscale.is_valid)
            return r.choice([("{}", ""), ("C.F. {}", "")]), value, [16]

        def bsn():
            value = found(lambda: self.digits(9), stdnum.nl.bsn.is_valid)
            return r.choice([("BSN {}", ""), ("burgerservicenummer: {}", ""), ("BSN: {}", ".")]), value, [4, 2, 3]

        def pesel():
            value = found(lambda: born.strftime("%y%m%d") + self.digits(5), stdnum.pl.pesel.is_valid)
            return r.choice([("PESEL {}", ""), ("numer PESEL: {}", "")]), value, [11]

        def personnummer():
            full = r.choice(["%y%m%d", "%Y%m%d"])
            def make():
                return born.strftime("%y%m%d") + self.digits(4)

            value = found(make, lambda v: stdnum.se.personnummer.is_valid(v[:6] + "-" + v[6:]))
            if full == "%Y%m%d":
                value = born.strftime("%Y")[:2] + value
            return r.choice([("personnummer {}", "-"), ("Personnummer: {}", ""), ("pnr {}", "-")]), value, [len(value) - 4, 4]

        def hetu():
            def make():
                return born.strftime("%d%m%y") + "-" + f"{r.randrange(2, 900):03}" + r.choice("0123456789ABCDEFHJKLMNPRSTUVWXY")

            value = found(make, stdnum.fi.hetu.is_valid)
            return r.choice([("{}", ""), ("henkilötunnus {}", "")]), value, [11]

        def national_number():
            def make():
                body = born.strftime("%y%m%d") + f"{r.randrange(1, 998):03}"
                return body + f"{97 - int(body) % 97:02}"

            value = found(make, stdnum.be.nn.is_valid)
            return ("{}", None), f"{value[:2]}.{value[2:4]}.{value[4:6]}-{value[6:9]}.{value[9:]}", None

        def cpf():
            value = found(lambda: (lambda b: b + stdnum.br.cpf._calc_check_digits(b))(self.digits(9)), stdnum.br.cpf.is_valid)
            formatted = f"{value[:3]}.{value[3:6]}.{value[6:9]}-{value[9:]}"
            return r.choice([(("{}", None), formatted, None), (("CPF {}", ""), value, [11]), (("CPF: {}", None), formatted, None)])

        def aadhaar():
            value = found(lambda: r.choice("23456789") + self.digits(11), stdnum.in_.aadhaar.is_valid)
            return r.choice([("Aadhaar {}", " "), ("Aadhaar number: {}", ""), ("My Aadhaar no. is {}", " ")]), value, [4, 4, 4]

        def resident_id():
            def make():
                body = r.choice(["110101", "310101", "440106", "330106"]) + born.strftime("%Y%m%d") + self.digits(3)
                return body + stdnum.cn.ric.calc_check_digit(body)

            value = found(make, stdnum.cn.ric.is_valid)
            return r.choice([("{}", ""), ("身份证号{}", "")]), value, [18]

        makers = [ssn, nino, idnr, nir, dni, nie, codice_fiscale, bsn, pesel, personnummer, hetu, national_number, cpf, aadhaar, resident_id]
        (shape, separator), value, groups = r.choice(makers)()
        if groups:
            value = separator.join(cut(value, groups)) if separator else value
        # Some stand there without a word on what they are.
        return (value if r.random() < 0.08 else shape.format(value)), value

    # --- private key

    def material(self, count):
        return base64.b64encode(self.random.randbytes(count)).decode()

    def lines(self, text, width=64):
        return "\n".join(text[i : i + width] for i in range(0, len(text), width))

    def private_key(self):
        r = self.random
        form = r.randrange(11)
        if form < 6:
            name = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "DSA PRIVATE KEY"][form]
            headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\n" if r.random() < 0.2 else ""
            value = f"-----BEGIN {name}-----\n{headers}{self.lines(self.material(r.choice([48, 121, 300, 1200])))}\n-----END {name}-----"
            if headers == "":
                joint = r.choice(["\n", "\n", "\r\n", "\\n", "\n    ", "\\\\n"])
                value = value.replace("\n", joint)
        elif form == 6:
            value = f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n{self.lines(self.material(900))}\n=AbCd\n-----END PGP PRIVATE KEY BLOCK-----"
        elif form == 7:
            value = (
                f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: key\nPublic-Lines: 2\n{self.lines(self.material(51))}\n"
                f"Private-Lines: 1\n{self.material(36)}\nPrivate-MAC: {self.random.randbytes(32).hex()}"
            )
        elif form == 8:
            value = "AGE-SECRET-KEY-1" + self.symbols("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)
        elif form == 9:
            value = self.material(32)
            return f"[Interface]\nPrivateKey = {value}\nAddress = 10.0.0.2/32", value
        else:
            value = f"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: \"rsa\"\n{self.lines(self.material(400))}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----"
        return value, value

    # --- token

    def token(self):
        r = self.random
        word, hexa = string.ascii_letters + string.digits, "0123456789abcdef"
        url = word + "-_"
        web = lambda count: base64.urlsafe_b64encode(self.random.randbytes(count)).decode().rstrip("=")
        jwt = lambda: ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in ({"alg": r.choice(["HS256", "RS256"]), "typ": "JWT"}, {"sub": self.digits(10), "iat": r.randrange(10**9)})
        ) + "." + web(32)
        value = r.choice([
            lambda: r.choice(["AKIA", "ASIA"]) + self.symbols(string.ascii_uppercase + "234567", 16),
            lambda: r.choice(["ghp_", "gho_", "ghs_", "ghu_"]) + self.symbols(word, 36),
            lambda: "github_pat_" + self.symbols(word, 22) + "_" + self.symbols(word, 59),
            lambda: "glpat-" + self.symbols(url[:-2], 20),
            lambda: f"xoxb-{self.digits(12)}-{self.digits(13)}-{self.symbols(word, 24)}",
            lambda: f"xoxp-{self.digits(11)}-{self.digits(11)}-{self.digits(12)}-{self.symbols(hexa, 32)}",
            lambda: f"https://hooks.slack.com/services/T{self.symbols(word.upper(), 8)}/B{self.symbols(word.upper(), 10)}/{self.symbols(word, 24)}",
            lambda: r.choice(["sk_live_", "sk_test_", "rk_live_"]) + self.symbols(word, r.choice([24, 99])),
            lambda: "AIza" + self.symbols(url, 35),
            lambda: "GOCSPX-" + self.symbols(url, 28),
            lambda: "sk-" + self.symbols(word, 20) + "T3BlbkFJ" + self.symbols(word, 20),
            lambda: "sk-proj-" + self.symbols(url, 74) + "T3BlbkFJ" + self.symbols(word, 73),
            lambda: "sk-ant-api03-" + self.symbols(url, 93) + "AA",
            lambda: "npm_" + self.symbols(word, 36),
            lambda: "pypi-AgEIcHlwaS5vcmc" + self.symbols(url, 150),
            lambda: "hf_" + self.symbols(string.ascii_letters, 34),
            lambda: "SG." + self.symbols(word, 22) + "." + self.symbols(word, 43),
            lambda: "SK" + self.symbols(hexa, 32),
            lambda: "dop_v1_" + self.symbols(hexa, 64),
            lambda: "hvs." + self.symbols(url[:-2], 90),
            lambda: "shpat_" + self.symbols(hexa, 32),
            jwt,
            jwt,
        ])()
        found = value.removeprefix("https://")
        return r.choice(["{}", "{}", "token={}", "Bearer {}", "export TOKEN='{}'", '"api_key": "{}"']).format(value), found

    # --- what is none of all this

    def negative(self):
        r = self.random
        when = datetime(2001, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=r.randrange(9 * 10**8))
        stamp, number = when.timestamp(), lambda a, b: r.randrange(a, b)
        version = lambda: f"{number(0, 30)}.{number(0, 50)}.{number(0, 400)}"
        identifier = lambda: r.choice(["lodash", "react", "serde", "left-pad", "vue", "types-node", "core"])
        hexa = lambda count: r.randbytes(count).hex()
        ip = lambda: ".".join(str(number(1, 255)) for _ in range(4))
        path = lambda: "/".join(r.choice(["src", "lib", "srv", "data", "app"]) for _ in range(number(1, 4)))
        return r.choice([
            lambda: str(uuid.UUID(bytes=r.randbytes(16), version=4)),
            lambda: hexa(r.choice([4, 8, 16, 20, 32, 64])),
            lambda: f"sha256:{hexa(32)}",
            lambda: f"sha512-{base64.b64encode(r.randbytes(64)).decode()}",
            lambda: f"commit {hexa(20)}",
            lambda: f"v{version()}-rc.{number(1, 9)}+build.{number(1, 10**8)}",
            lambda: f'{identifier()} = "{version()}"',
            lambda: when.isoformat(),
            lambda: when.strftime("%Y-%m-%d %H:%M:%S,%f"),
            lambda: when.strftime("%Y%m%d%H%M%S"),
            lambda: when.strftime("%Y%m%d-%H%M%S"),
            lambda: when.strftime("%d/%b/%Y:%H:%M:%S +0200"),
            lambda: str(int(stamp)),
            lambda: str(int(stamp * 1000)),
            lambda: str(int(stamp * 10**6)),
            lambda: str(int(stamp * 10**9)),
            lambda: f"{ip()}:{number(1, 65536)}",
            lambda: f'{ip()} - - [{when.strftime("%d/%b/%Y:%H:%M:%S +0000")}] "GET /{path()} HTTP/1.1" 200 {number(1, 10**7)}',
            lambda: ":".join(f"{number(0, 65536):x}" for _ in range(8)),
            lambda: ":".join(f"{number(0, 256):02x}" for _ in range(6)),
            lambda: "ISBN " + isbn.format(self.until_valid(lambda: "978" + self.digits(10), isbn.is_valid)),
            lambda: "ISBN-10: " + self.until_valid(lambda: self.digits(10), isbn.is_valid),
            lambda: "EAN " + self.until_valid(lambda: r.choice(["40", "50", "76"]) + self.digits(11), ean.is_valid),
            lambda: "IMEI " + self.until_valid(lambda: "35" + self.digits(13), imei.is_valid),
            lambda: r.choice(self.fakes).iban(),
            lambda: iban.format(r.choice(self.fakes).iban()),
            lambda: f"doi:10.{number(1000, 9999)}/{self.symbols(string.ascii_lowercase, 5)}.{number(1990, 2030)}.{self.digits(6)}",
            lambda: f"ORCID 0000-000{number(1, 4)}-{self.digits(4)}-{self.digits(4)}",
            lambda: f"arXiv:{number(1000, 2500)}.{self.digits(5)}",
            lambda: f"{r.uniform(-90, 90):.6f}, {r.uniform(-180, 180):.6f}",
            lambda: f"{r.uniform(-90, 90):+.4f}{r.uniform(-180, 180):+.4f}/",
            lambda: " ".join(self.digits(4) for _ in range(number(5, 12))),
            lambda: " ".join(str(number(0, 10**6)) for _ in range(number(4, 12))),
            lambda: "\t".join(f"{r.uniform(0, 1000):.3f}" for _ in range(6)),
            lambda: ",".join(str(number(0, 10**9)) for _ in range(6)),
            lambda: f"{number(1, 999)},{self.digits(3)},{self.digits(3)}.{self.digits(2)} EUR",
            lambda: f"0x{hexa(8)}",
            lambda: f"{r.random()!r}",
            lambda: f"{number(10**8, 10**9)}",
            lambda: f"id {number(10**15, 10**16)}",
            lambda: f"snowflake {number(10**17, 10**18)}",
            lambda: f"order no. {self.digits(4)}-{self.digits(4)}-{self.digits(4)}",
            lambda: f"ticket {self.digits(3)}-{self.digits(5)}",
            lambda: f"@@ -{number(1, 9999)},{number(1, 99)} +{number(1, 9999)},{number(1, 99)} @@",
            lambda: f"+{number(10**5, 10**8)} insertions, -{number(1, 1000)} deletions",
            lambda: f"{number(1, 10**4)}:{number(1, 200)}: error[E{self.digits(4)}]: mismatched types",
            lambda: f"at line {number(1, 10**6)}, column {number(1, 200)}, byte {number(10**6, 10**9)}",
            lambda: f"@{r.choice(['pytest.fixture', 'app.route', 'dataclass', 'Override', 'types/node', 'media', 'import'])}",
            lambda: f"git@{r.choice(['github.com', 'gitlab.com', 'bitbucket.org'])}:{identifier()}/{identifier()}.git",
            lambda: f"{identifier()}@{r.choice(['host', 'server.lan', 'db1.internal', 'build.example.com'])}:{path()}/x.tar.gz",
            lambda: f"scp a.txt {identifier()}@files.acme.com:/srv/{path()}",
            lambda: f"ssh://git@host.acme.org:22/{path()}",
            lambda: f"https://user:secret@db.acme.com/{path()}",
            lambda: f"{identifier()}@{version()}",
            lambda: f"@{identifier()}/{identifier()}@^{version()}",
            lambda: f"npm i {identifier()}@latest",
            lambda: f"uses: actions/{identifier()}@v{number(1, 9)}",
            lambda: f"{identifier()}@2x.png {identifier()}@3x.webp",
            lambda: f"A@B.T + x@{identifier()}.T",
            lambda: f"getty@tty{number(1, 7)}.service",
            lambda: f"image: registry.acme.io/{identifier()}:{version()}@sha256:{hexa(32)}",
            lambda: f"{identifier()}@{r.choice(['example.com', 'example.org', 'mail.example.net', 'site.test', 'host.invalid'])}",
            lambda: f"(212) 555-01{self.digits(2)} or +1-202-555-01{self.digits(2)}",
            lambda: f"+44 20 7946 0{self.digits(3)} and 07700 900{self.digits(3)}",
            lambda: r.choice(["4111 1111 1111 1111", "4242424242424242", "5555-5555-5555-4444", "378282246310005"]),
            lambda: r.choice(["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"]),
            lambda: f"{r.choice(['ghp_', 'npm_', 'glpat-', 'sk_live_', 'hf_'])}{'x' * 36}",
            lambda: r.choice(["sk_test_your_key_here", "ghp_REPLACE_ME", "sk-your-api-key", "xoxb-your-token", "npm_config_registry", "hf_hub_download", "sk-learn", "AIza..."]),
            lambda: f"-----BEGIN {r.choice(['CERTIFICATE', 'PUBLIC KEY', 'CERTIFICATE REQUEST', 'PGP PUBLIC KEY BLOCK'])}-----\n{self.lines(self.material(700))}\n-----END X-----",
            lambda: f"ssh-rsa {self.material(279)} {identifier()}@laptop",
            lambda: r.choice(['"-----BEGIN RSA PRIVATE KEY-----"', "if text.startswith('-----BEGIN PRIVATE KEY-----'):", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg...\n-----END PRIVATE KEY-----", "PrivateKey = <your key>", "AGE-SECRET-KEY-1..."]),
            lambda: self.lines(self.material(300)),
            lambda: f"{self.digits(5)}-{self.digits(4)} and {self.digits(2)}-{self.digits(7)}",
            lambda: f"RFC {number(100, 9999)}, section {number(1, 20)}.{number(1, 9)}.{number(1, 9)}",
            lambda: f"pages {number(100, 400)}-{number(400, 900)}, vol. {number(1, 99)}",
            lambda: f"call {self.symbols(string.ascii_lowercase, 5)}({number(1, 10**6)}, {number(1, 10**6)})",
            lambda: f"telemetry {number(10**9, 10**10)} cell B{number(1, 10**4)}",
            lambda: f"{self.symbols(string.ascii_uppercase, 2)}{self.digits(6)} part {self.symbols(string.ascii_uppercase + string.digits, 10)}",
        ])()


def cut(text, groups):
    parts, start = [], 0
    for group in groups:
        parts.append(text[start : start + group])
        start += group
    assert start == len(text), (text, groups)
    return parts


def is_reserved_phone(e164):
    """Numbers that regulators keep for films and examples are not to be found."""
    return bool(
        re.match(r"\+1\d{3}55501\d\d$", e164)
        or re.match(r"\+44(7700900|2079460|1632960|1[1-9]\d4960|808157|909879|306999|28901|29201|28964|1914980)", e164)
        or re.match(r"\+33(19900|63998|26191|35301|46571|53649)", e164)
        or e164.startswith(("+61491570", "+493023125"))
    )


# --- real text

ADDRESS = re.compile(
    r"(?:(?<=mailto:)|(?<![\w.+/:%-]))[A-Za-z0-9][A-Za-z0-9._+-]*@(?:[A-Za-z0-9-]+\.)+"
    r"(?:com|org|net|edu|gov|info|name|io|dev|me|de|fr|uk|ca|us|nl|ru|jp|pl|se|ch|at|be|dk|no|fi|it|es|br|au|in|eu|co|xyz|cc|nu|pt|cz|hu|tw|cn|kr|rs|sh|so|la|vin|online)"
    r"(?![\w(/@-]|\.\w|:[\w/~])"
)
INTERESTING = re.compile(r"@|\d{6}|\d[ .-]\d{3}|KEY|[A-Za-z0-9_-]{24}|eyJ|(?i:phone|fax|tel\b)")
SOURCES = (".rs", ".md", ".py", ".pyi", ".toml", ".c", ".h", ".txt", ".rst", ".json", ".js", ".css", ".html", ".sh", ".yml")

# Lists of domains, and Unicode's table of code points: many lines of one form, and nobody's text.
NO_TEXT = ("tlds", "NormalizationTest")


def source_files(cargo_lock, cargo_home, docs):
    """The sources of the locked crates and of the Python packages that the tests use, and the own docs."""
    packages = re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"\nsource', open(cargo_lock).read())
    registry = os.path.join(cargo_home, "registry", "src")
    roots = [os.path.join(registry, index, f"{name}-{version}") for index in sorted(os.listdir(registry)) for name, version in packages]
    site = os.path.dirname(os.path.dirname(faker.__file__))
    roots += [os.path.join(site, package) for package in ("sqlalchemy", "rfc8785")] + [docs]
    for root in sorted(roots):
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                if name.endswith(SOURCES) and not name.startswith(NO_TEXT):
                    yield os.path.relpath(os.path.join(folder, name), root), os.path.join(folder, name)


def real_lines(cargo_lock, cargo_home, docs):
    for name, path in source_files(cargo_lock, cargo_home, docs):
        digest = hashlib.sha256(name.encode()).digest()
        if digest[1] >= SHARE:
            continue
        part = ("tuning", "held-out")[digest[0] % 2]
        try:
            lines = open(path, encoding="utf-8").read().split("\n")
        except UnicodeDecodeError:
            continue
        for index, line in enumerate(lines):
            if len(line) > 2000 or not INTERESTING.search(line):
                continue
            if "PRIVATE KEY" in line:
                line = "\n".join(lines[index : index + 30])
            yield part, line


def main():
    random.seed(0)
    for part, seed in (("tuning", 20240229), ("held-out", 19770525)):
        maker = Maker(part, seed)
        for kind in ("email", "phone", "payment-card", "national-id", "private-key", "token"):
            for _ in range(CASES):
                text, value = getattr(maker, kind.replace("-", "_"))()
                emit(part, kind, maker.sentence(text), [value])
        for _ in range(4 * CASES):
            emit(part, None, maker.sentence(maker.negative()), [])
    seen = set()
    for part, line in real_lines(*sys.argv[1:]):
        if line in seen:
            continue
        seen.add(line)
        addresses = [a for a in ADDRESS.findall(line) if not re.search(r"@(.*\.)?example\.(com|net|org)$", a) and not a.startswith("git@")]
        emit(part, "email" if addresses else None, line, addresses, real=True)



def emit(part, kind, text, values, real=False):
    print(json.dumps({"part": part, "kind": kind, "text": text, "values": values, "real": real}))


main()
