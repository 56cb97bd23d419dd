"""MPEG transport streams: what the bytes of a segment say, how segments follow each other, and the samples in them.

`packets` and `psi` find structure, `units` the PES packets, `nal` and `adts` what is in them. `scan` looks at a
segment, `succession` decides where it belongs in the `chain`, `foreign` that it does not, `handover` where one file
ends and the next begins, `demux` takes its samples.

Nothing rewrites the stamps of a segment: samples carry theirs as numbers, and a segment's place on the timeline is one
number that is added to them. Demuxing is ours rather than libav's, because only so a broken access unit can be left out
alone, loses its exact time and nothing else, and costs no Python step a packet.
"""
