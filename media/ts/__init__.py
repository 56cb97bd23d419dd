"""MPEG transport streams: what the bytes of a segment say, how segments follow each other, and the samples in them.

`packets` and `psi` find structure, `units` the PES packets, `nal` and `adts` what is in them. `scan` looks at a
segment, `chain` decides where it belongs, `demux` takes its samples; `restamp` moves the stamps of what others read.
"""
