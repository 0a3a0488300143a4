"""A finished dataset as a page that a person looks at.

::

    collect   manifest, summary and commit records -> what there is to say
    codes     the histogram of the codes, and their entropy
    sound     a few tracks: the sound and its picture, before and after
    figures   the charts, as SVG that follows the page's colours
    page      all of it in one self-contained HTML file
"""
