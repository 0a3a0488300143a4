"""Licences as sites and tables call them. The titles are those of the FMA data set, typing errors included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fma_prep.dataset.licences import FAMILIES, family, matches, spdx, url_of, wanted
from fma_prep.errors import UsageError

KNOWN = {
    "https://creativecommons.org/licenses/by/4.0": "CC-BY-4.0",
    "http://creativecommons.org/licenses/by/4.0/": "CC-BY-4.0",
    "https://creativecommons.org/licenses/by/4.0/deed.en": "CC-BY-4.0",
    "https://creativecommons.org/licenses/by-nc-sa/3.0/legalcode": "CC-BY-NC-SA-3.0",
    "//creativecommons.org/licenses/by-sa/3.0/": "CC-BY-SA-3.0",
    "http://creativecommons.org/licenses/by/3.0/us/": "CC-BY-3.0-US",
    "http://creativecommons.org/licenses/by-nc-nd/3.0/us/": "LicenseRef-CC-BY-NC-ND-3.0-US",
    "https://creativecommons.org/publicdomain/zero/1.0/": "CC0-1.0",
    "https://creativecommons.org/publicdomain/mark/1.0/deed.de": "CC-PDM-1.0",
    "Attribution 3.0 International": "CC-BY-3.0",
    "Attribution 3.0 United States": "CC-BY-3.0-US",
    "Attribution": "LicenseRef-CC-BY",
    "Creative Commons Attribution": "LicenseRef-CC-BY",
    "Attribution-ShareAlike 3.0 International": "CC-BY-SA-3.0",
    "Attribution-Share Alike 3.0 United States": "LicenseRef-CC-BY-SA-3.0-US",
    "Attribution-NoDerivatives 4.0 International": "CC-BY-ND-4.0",
    "Attribution-NonCommercial": "LicenseRef-CC-BY-NC",
    "Attribution NonCommercial 2.5": "CC-BY-NC-2.5",
    "Attribution-Noncommercial-Share Alike 3.0 United States": "LicenseRef-CC-BY-NC-SA-3.0-US",
    "Attribution-Noncommercia-Share Alike 2.5 Mexico": "LicenseRef-CC-BY-NC-SA-2.5-MX",
    "Attribution-Noncommercial-Share Alike 2.0 Germany": "CC-BY-NC-SA-2.0-DE",
    "Attribution-Noncommercial-Share Alike 2.5 UK: Scotland": "LicenseRef-CC-BY-NC-SA-2.5-Scotland",
    "Attribution-NonCommercial-NoDerivatives (aka Music Sharing) 3.0 International": "CC-BY-NC-ND-3.0",
    "Attribution-Noncommercial-No Derivative Works 3.0 Spain": "LicenseRef-CC-BY-NC-ND-3.0-ES",
    "Attribution-NonCommercial-NoDerivs 2.5 Colombia": "LicenseRef-CC-BY-NC-ND-2.5-CO",
    "Creative Commons Attribution-NonCommercial-NoDerivatives 4.0": "CC-BY-NC-ND-4.0",
    "CC0 1.0 Universal": "CC0-1.0",
    "Public Domain Mark 1.0": "CC-PDM-1.0",
    "CC BY-NC 4.0": "CC-BY-NC-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
}

UNKNOWN = [
    None,
    "",
    "FMA-Limited: Download Only",
    "http://freemusicarchive.org/FMA_License",
    "All Rights Reserved",
    "No Attribution Required",
    "Attribution required, all other rights reserved",
    "Attribution 3.0 Atlantis",
    "Noncommercial Sampling Plus",
    "https://creativecommons.org/licenses/sampling+/1.0/",
    "https://creativecommons.org.evil.example/licenses/by/4.0/",
    "https://evil.example/creativecommons.org/licenses/by/4.0/",
    "https://creativecommons.org/licenses/by/4.0/../../by-nc/4.0/",
    "https://creativecommons.org/licenses/by/3.0/xx/",
    "http://[::1/licenses/by/4.0/",
]


@pytest.mark.parametrize(("found", "identifier"), KNOWN.items())
def test_urls_and_titles_become_identifiers(found, identifier):
    assert spdx(found) == identifier
    assert family(identifier) in FAMILIES


@pytest.mark.parametrize("found", UNKNOWN)
def test_what_is_not_certain_is_unknown_and_matches_no_filter(found):
    assert spdx(found) is None
    assert not matches(spdx(found), wanted(",".join(FAMILIES)))


@pytest.mark.parametrize("identifier", sorted(set(KNOWN.values())))
def test_an_identifier_stands_for_itself_and_its_address_leads_back(identifier):
    assert spdx(identifier) == identifier
    assert url_of(identifier) is None or spdx(url_of(identifier)) == identifier


def test_a_family_lets_in_neither_more_nor_less():
    by = wanted("by, CC0")
    assert matches("CC-BY-4.0", by)
    assert matches("LicenseRef-CC-BY", by)
    assert matches("CC0-1.0", by)
    assert not any(matches(x, by) for x in ("CC-BY-NC-4.0", "CC-BY-ND-4.0", "CC-BY-SA-4.0", "CC-PDM-1.0", None))
    assert matches("CC-BY-SA-4.0", wanted("cc-by-sa-4.0"))
    assert not matches("CC-BY-SA-3.0", wanted("cc-by-sa-4.0"))
    assert matches(None, None)


@pytest.mark.parametrize("text", ["", " , ", "by;cc0", "mit", "by,all"])
def test_a_filter_that_means_nothing_is_refused(text):
    with pytest.raises(UsageError, match="not a licence filter"):
        wanted(text)


@pytest.mark.slow
@given(st.text(max_size=80) | st.from_regex(r"https?://creativecommons\.org/[a-z/.0-9-]{0,40}", fullmatch=True))
def test_any_text_is_answered(text):
    assert spdx(text) is None or family(spdx(text)) in FAMILIES
