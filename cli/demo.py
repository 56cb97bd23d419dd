def demo(folder, *, as_json):
    raise NotImplementedError
