"""`joint`: an explainer draws a mask, and the classifier sees the image through that mask alone."""

from antehoc.systems.joint.system import Joint, JointOutput

__all__ = ["Joint", "JointOutput"]
