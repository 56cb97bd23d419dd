"""What was recorded and how far it has come: values, documents and the names they are stored under. No I/O.

The manifest is the commit of a recording: whatever it names is stored before it, and everything else here
(`latest.json`, the index) can be made again from the manifests.
"""
