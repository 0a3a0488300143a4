"""Fills a store with tracks and a ledger of their origin: scraped politely, from the FMA data set, or a person's own.

::

    pages       HTML -> rows; pure
    transport   one HTTP exchange, with limits that hold against a hostile server
    fetch       politeness: when, where and how often anything is asked
    mp3         is it one, and is it all there
    crawl       listings -> tracks in a store, resumable at every track
    lease       one scraper at a time on one folder
    ledger      what became of each track
    archives    the published data set's zips; folder: a person's own files
    progress    what a person sees meanwhile
    command     the command lines of all this
    fixture     a small Free Music Archive on loopback
"""
