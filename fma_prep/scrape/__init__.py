"""Fills a store with tracks: pages, politeness, ledger, published archives."""
