"""`mirror`: a second network reads the classifier's hidden activations stage by stage and names the attributes."""

from antehoc.systems.mirror.system import Mirror, MirrorOutput

__all__ = ["Mirror", "MirrorOutput"]
