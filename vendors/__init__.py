"""What is known of each vendor: object names both ways, playlist tags, and which objects make one recording.

Pure, like all parsers here: text and listings in, values out.
"""
