"""Licences: what a page or a table calls them -> SPDX identifiers, and a filter over those.

A licence is found as a URL (``https://creativecommons.org/licenses/by-nc/3.0/us/``), as a title
(``Attribution-Noncommercial 3.0 United States``) or as an identifier already. All become one SPDX identifier:

- that of the SPDX list where there is one: ``CC-BY-4.0``, ``CC-BY-3.0-US``, ``CC0-1.0``;
- ``LicenseRef-CC-BY-NC-3.0-FR`` or ``LicenseRef-CC-BY`` for a Creative Commons licence that is certainly that, but of a
  country or without a version, so that the list has no entry: SPDX's own form for such, and its family is still known;
- None for all else: an unknown licence matches no filter. That holds for "FMA-Limited: Download Only" too.

A title must be understood to its last word: a guess about rights is worse than None.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from fma_prep.errors import UsageError

__all__ = ["FAMILIES", "family", "matches", "spdx", "url_of", "wanted"]

FAMILIES = ("by", "by-sa", "by-nc", "by-nc-sa", "by-nd", "by-nc-nd", "cc0", "pdm")

# Creative Commons licences in the SPDX list 3.27 (https://spdx.org/licenses/), by family: versions and national ones.
_LISTED = {
    f"CC-{name}-{version}"
    for name, versions in {
        "BY": "1.0 2.0 2.5 2.5-AU 3.0 3.0-AT 3.0-AU 3.0-DE 3.0-IGO 3.0-NL 3.0-US 4.0",
        "BY-NC": "1.0 2.0 2.5 3.0 3.0-DE 4.0",
        "BY-NC-ND": "1.0 2.0 2.5 3.0 3.0-DE 3.0-IGO 4.0",
        "BY-NC-SA": "1.0 2.0 2.0-DE 2.0-FR 2.0-UK 2.5 3.0 3.0-DE 3.0-IGO 4.0",
        "BY-ND": "1.0 2.0 2.5 3.0 3.0-DE 4.0",
        "BY-SA": "1.0 2.0 2.0-UK 2.1-JP 2.5 3.0 3.0-AT 3.0-DE 3.0-IGO 4.0",
    }.items()
    for version in versions.split()
}
_PUBLIC_DOMAIN = {"CC0-1.0": "cc0", "CC-PDM-1.0": "pdm"}

# Creative Commons' national licences: names as in titles -> codes as in URLs.
_COUNTRIES = {
    "argentina": "ar", "australia": "au", "austria": "at", "belgium": "be", "brazil": "br", "bulgaria": "bg",
    "canada": "ca", "chile": "cl", "china mainland": "cn", "colombia": "co", "costa rica": "cr", "croatia": "hr",
    "czech republic": "cz", "denmark": "dk", "ecuador": "ec", "egypt": "eg", "estonia": "ee", "finland": "fi",
    "france": "fr", "germany": "de", "greece": "gr", "guatemala": "gt", "hong kong": "hk", "hungary": "hu",
    "igo": "igo", "india": "in", "ireland": "ie", "israel": "il", "italy": "it", "japan": "jp", "luxembourg": "lu",
    "macedonia": "mk", "malaysia": "my", "malta": "mt", "mexico": "mx", "netherlands": "nl", "new zealand": "nz",
    "norway": "no", "peru": "pe", "philippines": "ph", "poland": "pl", "portugal": "pt", "puerto rico": "pr",
    "romania": "ro", "serbia": "rs", "singapore": "sg", "slovenia": "si", "south africa": "za", "south korea": "kr",
    "spain": "es", "sweden": "se", "switzerland": "ch", "taiwan": "tw", "thailand": "th", "uganda": "ug",
    "uk: england": "uk", "uk: england & wales": "uk", "uk: scotland": "scotland", "united kingdom": "uk",
    "united states": "us", "vietnam": "vn", "international": "", "unported": "", "generic": "",
}  # fmt: skip
_CODES = frozenset(_COUNTRIES.values())

_PATH = re.compile(
    r"/licenses/(by(?:-nc)?(?:-nd|-sa)?)/(\d\.\d)(?:/(?!deed|legalcode)([a-z]{2,8}))?(?:/(?:deed|legalcode)[.a-z-]*)?/?"
)
_PUBLIC_DOMAIN_PATH = re.compile(r"/publicdomain/(zero|mark)/1\.0(?:/(?:deed|legalcode)?[.a-z-]*)?/?")
# "Attribution-Noncommercia-Share Alike 2.5 Mexico" is in the data set: hence the optional letters.
_TITLE = re.compile(
    r"(?:creative commons )?attribution(?P<nc>[ -]non-?commercial?)?"
    r"(?:[ -](?:(?P<sa>share[ -]?alike)|(?P<nd>no[ -]?deriv(?:ative)?s?(?: works)?)))?"
    r"(?: \(aka music sharing\))?(?: licen[sc]e)?(?: (?P<version>\d\.\d))?"
    r"(?: (?P<country>[a-z][a-z:& ]*?))?(?: licen[sc]e)?"
)
_SHORT = re.compile(
    r"(?:licenseref-)?cc[ -](?P<family>by(?:-nc)?(?:-nd|-sa)?)"
    r"(?:[ -](?P<version>\d\.\d)(?:[ -](?P<country>[a-z]{2,8}))?)?"
)
_PUBLIC_DOMAIN_TITLE = re.compile(
    r"(?:creative commons )?(?:cc0|cc zero|zero)(?: \(cc0\))?(?:[ -]1\.0)?(?: universal)?(?: public domain dedication)?"
)
_MARK_TITLE = re.compile(r"(?:creative commons )?(?:public domain mark|cc-pdm)(?:[ -]1\.0)?")


def spdx(found: str | None) -> str | None:
    """Return the SPDX identifier of a licence as it was found, or None if it is not known for certain.

    Parameters
    ----------
    found : str or None
        A URL, a title or an identifier.
    """
    text = " ".join((found or "").split()).lower()[:300]
    if text.startswith(("http:", "https:", "//")):
        return _from_url(text)
    return _from_name(text)


def _from_url(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return None
    if host.removeprefix("www.") != "creativecommons.org":
        return None
    if domain := _PUBLIC_DOMAIN_PATH.fullmatch(parts.path):
        return {"zero": "CC0-1.0", "mark": "CC-PDM-1.0"}[domain[1]]
    licence = _PATH.fullmatch(parts.path)
    return _identifier(licence[1], licence[2], licence[3] or "") if licence else None


def _from_name(text: str) -> str | None:
    if _PUBLIC_DOMAIN_TITLE.fullmatch(text):
        return "CC0-1.0"
    if _MARK_TITLE.fullmatch(text):
        return "CC-PDM-1.0"
    if short := _SHORT.fullmatch(text):
        return _identifier(short["family"], short["version"] or "", short["country"] or "")
    title = _TITLE.fullmatch(text)
    if not title or (title["country"] or "international") not in _COUNTRIES:
        return None
    name = "by" + ("-nc" if title["nc"] else "") + ("-sa" if title["sa"] else "-nd" if title["nd"] else "")
    return _identifier(name, title["version"] or "", _COUNTRIES[title["country"] or "international"])


def _identifier(name: str, version: str, country: str) -> str | None:
    if country not in _CODES:
        return None
    plain = "-".join(part.upper() for part in ("CC", name, version, country) if part)
    return plain if plain in _LISTED else f"LicenseRef-{plain.replace('-SCOTLAND', '-Scotland')}"


def family(identifier: str | None) -> str | None:
    """Return which of `FAMILIES` an SPDX identifier belongs to, or None."""
    if identifier in _PUBLIC_DOMAIN:
        return _PUBLIC_DOMAIN[identifier]
    short = _SHORT.fullmatch((identifier or "").lower())
    return short["family"] if short else None


def url_of(identifier: str | None) -> str | None:
    """Return the address of a licence's text, where only a title was found; None if that leaves it open."""
    if identifier in _PUBLIC_DOMAIN:
        return f"https://creativecommons.org/publicdomain/{'zero' if identifier == 'CC0-1.0' else 'mark'}/1.0/"
    short = _SHORT.fullmatch((identifier or "").lower())
    if not short or not short["version"]:
        return None
    country = f"{short['country']}/" if short["country"] else ""
    return f"https://creativecommons.org/licenses/{short['family']}/{short['version']}/{country}"


def wanted(text: str) -> frozenset[str]:
    """Read a filter such as ``by,by-sa,cc0`` or ``by,CC-BY-SA-4.0``: families and SPDX identifiers.

    Raises
    ------
    UsageError
        A name is neither, or there is none.
    """
    names = [part.strip().lower() for part in text.split(",") if part.strip()]
    known = {identifier.lower(): identifier for identifier in (*_LISTED, *_PUBLIC_DOMAIN)}
    bad = [name for name in names if name not in FAMILIES and name not in known]
    if bad or not names:
        choices = f"Choose among {', '.join(FAMILIES)} and SPDX identifiers such as CC-BY-4.0."
        raise UsageError("not a licence filter", f"--licence {', '.join(bad) or text!r}", choices)
    return frozenset(known.get(name, name) for name in names)


def matches(identifier: str | None, filter_: Iterable[str] | None) -> bool:
    """Say whether a licence passes a filter.

    Parameters
    ----------
    identifier : str or None
        As `spdx` returns it and the manifest holds it.
    filter_ : iterable of str or None
        As `wanted` returns it. None: everything passes. ``by`` is that family only: it does not let ``by-nc`` in.
    """
    if filter_ is None:
        return True
    allowed = frozenset(filter_)
    return identifier is not None and (identifier in allowed or family(identifier) in allowed)
