"""NeuroLens: what do CNN neurons learn?"""

import lazy_loader

__version__ = "0.1.0"
# what there is stands in __init__.pyi: whoever wants the data alone need not wait for clustering and figures
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
