"""Speed, memory and traces on the disk, beside ffmpeg: `make bench`, or `python -m tests.benchmarks --quick`."""
