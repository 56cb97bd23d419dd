"""Recordings as the vendors' recorders leave them, made here: really encoded, cut, named and laid out in a folder.

Written from the vendors' documents; nothing of `storage` or `vendors` is used, so that a mistake there is not repeated.
"""
