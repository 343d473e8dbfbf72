"""Rows for the export tests: ordinary ones, and what somebody hostile would publish."""

from collections.abc import Iterable

from sanjha.formats import Context, Format, Row

STIX_ID = "indicator--0b5ea0a5-62a4-4b22-a1d6-0f4be0ea1c3{}"
JANUARY = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
HOUR = 3_600_000_000


def row(kind: str, text: str, name: str | None = None, *, number: int = 0, **more: object) -> Row:
    return Row(kind, text, STIX_ID.format(number), name, modified=JANUARY, **more)  # type: ignore[arg-type]


ORDINARY = (
    row("asn", "64496"),
    row("cidr", "192.0.2.0/24", "Bulletproof hosting", labels=("malicious-activity",), confidence=80, tlp=1),
    row("cidr", "2001:db8:bad::/48", tlp=0),
    row("domain", "login.evil.example", "Phishing of a ministry", tlp=1, valid_until=JANUARY + HOUR),
    row("domain", "xn--mgbh0fb.example", "مرکز پتہ (Urdu)", labels=("phishing", "apt")),
    row("email", "invoice@evil.example", "Sender"),
    row("file-name", "invoice.pdf.exe"),
    row("ipv4", "198.51.100.7", "C2", confidence=15),
    row("ipv4", "198.51.100.7", "C2 of somebody else", number=1, confidence=90, tlp=2),
    row("ipv6", "2001:db8::1", tlp=3),
    row("md5", "d41d8cd98f00b204e9800998ecf8427e"),
    row("sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    row("sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "Loader"),
    row("sha512", "cf" * 64),
    row("url", "http://evil.example/a/b.php?x=1&y=%2e", "Drop"),
    row("url", 'https://evil.example/gate;x="1"?q=a|b:c\\d*'),
)

WORDS = (
    'x"; sid:1; rev:1;) alert ip any any -> any any (msg:"owned',
    "line\nbreak",
    "carriage\rreturn",
    "nel\x85 ls\u2028 ps\u2029 nul\x00 del\x7f",
    "back\\slash at the end\\",
    "semi;colon # hash // slash /* star */",
    "=cmd|' /C calc'!A0",
    "@SUM(1)",
    "\u202ereversed\u2066",
    "'; DROP TABLE rows; --",
    "$(reboot) `reboot` ${IFS}",
    "}\nflush ruleset\n{",
    "- item: &anchor *alias !tag | > %",
    "\ud800 lone surrogate",
    "पाकिस्तान 🇵🇰 emoji",
    "a" * 5_000,
)

_TEXTS = {
    "ipv4": ("1.2.3.4; flush ruleset", "1.2.3.4\n5.6.7.8", "1.2.3.4, 0.0.0.0/0", "01.2.3.4", "1.2.3.4/24", "1.2.3"),
    "ipv6": ("::1%eth0", "::1 }", "fe80::1%1;x", "2001:db8::1\n", ":::"),
    "cidr": ("0.0.0.0/0", "::/0", "10.0.0.0/7", "10.0.0.0/33", "10.0.0.0/24 }\nflush ruleset", "10.0.0.0", "2000::/3"),
    "domain": (
        "evil.example\nvictim.example CNAME .",
        "evil.example CNAME rpz-passthru.\n@",
        "com",
        "32.1.0.0.10.rpz-ip",
        "evil.example.rpz-nsdname",
        "$INCLUDE /etc/passwd",
        'evil.example"; content:"',
        "evil.example;",
        "(evil.example",
        "*.evil.example",
        "\\046.example",
        "evil..example",
        ".evil.example",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 4) + ".aa",
        "مثال.example",
        "EVIL.example",
        "@",
    ),
    "url": (
        'http://evil.example/";) alert ip any any -> any any (msg:"owned"; sid:1;)',
        "http://evil.example/\nalert ip any any -> any any (sid:1;)",
        "http://evil.example/|41 42|",
        "http://evil.example/" + "a;" * 1_500,
        "http://evil.example/" + ";" * 4_000,
        "http://[2001:db8::1]:8080/x",
        "http://[::1/x",
        "http://evil.example:notaport/x",
        "http://evil.example\\@good.example/",
        "http://user:pass@evil.example/../x//y",
        "http://évil.example/ünïcode",
        "ftp://evil.example/x",
        "javascript:alert(1)",
        "http://",
        "http:///x",
        "http://evil.example/*?*",
    ),
    "file-name": ("=cmd.exe", "#comment", "a\nb", " leading", "tab\tname", "c:\\temp\\x*.exe", "\ufeffbom", "؜mark"),
    "sha256": ("not a hash\n- evil: true", '"', "*"),
    "email": ("-x@evil.example", "+x@evil.example", "a@b\r\nBcc: c@d"),
    "no such kind\n": ("x",),
}

_BROKEN = [
    Row(kind, text, "indicator--x\n; alert", word, (word,), 50, None, None, JANUARY, -1, word)
    for kind, texts in sorted(_TEXTS.items())
    for text in sorted(texts)
    for word in WORDS[:2]
]
_NAMED = [
    Row(kind, text, STIX_ID.format(2), word, (word,), 50, JANUARY, None, JANUARY, 4, word)
    for kind, text in (
        ("cidr", "203.0.113.0/24"),
        ("domain", "evil.example"),
        ("ipv4", "203.0.113.9"),
        ("ipv6", "::ffff:1.2.3.4"),
        ("sha256", "ab" * 32),
        ("url", "http://evil.example/"),
    )
    for word in WORDS
]
HOSTILE = tuple(sorted([*_BROKEN, *_NAMED], key=lambda row: (row.kind, row.text, row.id)))


def rendered(format: Format, rows: Iterable[Row], node: str = "CERT Lahore") -> tuple[str, list[tuple[str, str]]]:
    """The text, and (value, reason) of what was left out. Only rows of the format's kinds are passed, as callers do."""
    left: list[tuple[str, str]] = []
    context = Context(node, JANUARY, 7, "node", lambda row, reason: left.append((row.text, reason)))
    wanted = (row for row in rows if format.kinds is None or row.kind in format.kinds)
    return b"".join(format.render(wanted, context)).decode(), left
