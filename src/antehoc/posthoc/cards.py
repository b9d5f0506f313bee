"""The cards of the post-hoc methods: how each map is made, and how it may and may not be read."""

from dataclasses import dataclass

from antehoc.cards import Card


@dataclass(frozen=True)
class _Kind:
    """What methods of one kind share."""

    requirement: str
    may_read: str
    may_not_read: str
    explainer: str


_GRADIENT = _Kind(
    "sensitivity: which pixels the logit reacts to",
    "a small change of these pixels changes the logit",
    "that these pixels are the object, or that hiding them changes the decision",
    "backpropagation, outside the classifier's forward pass",
)
_SHARE = _Kind(
    "attribution: how the logit is shared out among the pixels",
    "these pixels add to the logit, or take from it, by the rule of the method and against its baseline",
    "that another baseline or rule gives the same shares, or that pixels like the baseline do not matter",
    "backpropagation by rules, outside the classifier's forward pass",
)
_RECTIFIED = _Kind(
    "visibility: which edges the layers pass on",
    "edges like these excite the layers before the logit",
    "that they speak for this class: such maps change little with class and weights",
    "backpropagation with changed ReLUs, outside the classifier's forward pass",
)
_CAM = _Kind(
    "localization: where the last feature map supports the class",
    "the classifier's last features support the class about here",
    "the exact outline: the map is as coarse as the features and smoothly enlarged",
    "weights on the classifier's last feature map",
)
_HIDING = _Kind(
    "fidelity: what the decision loses without a part, or keeps with it alone",
    "with these parts hidden or shown the logit falls or holds",
    "that the classifier judges such changed images as it judges natural ones",
    "an outside program that changes the image and looks at the logits",
)


def _card(kind: _Kind, explanation: str, process: str) -> Card:
    return Card(
        explanandum="the logit of one class for one image",
        process=process,
        explanation=explanation,
        requirement=kind.requirement,
        may_read=kind.may_read,
        may_not_read=kind.may_not_read,
        explainer=kind.explainer,
        explanee="developers and auditors",
        stage="post hoc",
        scope="local",
    )


_SIGNED, _UNSIGNED = "a signed score for each pixel", "an unsigned map over the pixels"

CARDS = {
    "saliency": _card(_GRADIENT, _UNSIGNED, "the largest absolute gradient of the logit over a pixel's channels"),
    "input-x-gradient": _card(_SHARE, _SIGNED, "the gradient times the pixel, summed over channels"),
    "smoothgrad": _card(_GRADIENT, _SIGNED, "the mean gradient over noisy copies of the image"),
    "integrated-gradients": _card(_SHARE, _SIGNED, "the gradient along the line from a plain image, times the way"),
    "guided-backprop": _card(_RECTIFIED, _SIGNED, "the gradient, where ReLUs pass only what is positive both ways"),
    "deconvolution": _card(_RECTIFIED, _SIGNED, "the gradient, where ReLUs pass what is positive on the way back"),
    "grad-cam": _card(_CAM, _UNSIGNED, "the last feature map's channels, weighted by their mean gradient"),
    "guided-grad-cam": _card(_RECTIFIED, _SIGNED, "guided backpropagation times Grad-CAM"),
    "grad-cam++": _card(_CAM, _UNSIGNED, "the last feature map's channels, weighted by their positive gradients"),
    "score-cam": _card(_CAM, _UNSIGNED, "the last feature map's channels, weighted by the logits of what they show"),
    "lrp": _card(_SHARE, _SIGNED, "the logit, shared out layer by layer back along what spoke for it"),
    "occlusion": _card(_HIDING, _SIGNED, "the fall of the logit when a square is painted over"),
    "lime": _card(_HIDING, _SIGNED, "a linear model of the logit, fitted on images with cells painted over"),
    "rise": _card(_HIDING, _UNSIGNED, "random masks, weighted by the class's probability on what they show"),
    "extremal-perturbation": _card(_HIDING, "a mask in 0..1", "the mask of a given area that best keeps the class"),
}
