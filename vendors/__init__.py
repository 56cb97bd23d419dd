"""What is known of each vendor: object names both ways, playlist tags, and which objects make one recording.

Pure, like all parsers here: text and listings in, values out. Only `vendors.calling` speaks to anybody, for the three
`api` modules above it. What the vendors' documents leave open is listed in README.md.
"""
