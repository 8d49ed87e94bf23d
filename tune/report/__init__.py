"""The report of a search, and the comparison of several: pages that need no network."""
