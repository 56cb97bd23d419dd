"""The luma of decoded pictures, as they were coded."""

import av
import numpy as np

from deployments.sandbox.scene import Plane


def luma_of(frame: av.VideoFrame) -> Plane:
    """The luma plane (height, width) of an 8-bit planar picture: a view, valid as long as the frame.

    `to_ndarray(format="gray")` says the same after a conversion by swscale, which costs more than the decoding.
    """
    assert frame.format.name in {"yuv420p", "yuvj420p"}
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
