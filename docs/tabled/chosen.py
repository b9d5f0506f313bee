"""Which figures stand in which table, and what the runs themselves do not say of them."""

CORE = (  # the figures of a table, in the order of reading
    "accuracy", "attribute_accuracy", "attribute_exact", "argmax_agreement",
    "support_questioned_wrong", "support_questioned_correct",
    "verdict_questioned_wrong", "msp_questioned_wrong", "verdict_questioned_correct", "msp_questioned_correct",
    "verdict_auroc", "msp_auroc", "verdict_auroc_minus_msp",
    "ood_noise_questioned", "msp_ood_noise_questioned", "ood_noise_support_questioned",
    "ood_shapes_auroc", "msp_ood_shapes_auroc", "twins_across_roles",
)  # fmt: skip
BIRDS = (  # those of birds, of which README shows the first ones
    "accuracy", "attribute_map", "attribute_accuracy", "all_zeros_accuracy", "majority_accuracy",
    "verdict_questioned_wrong_at_1506", "msp_questioned_wrong_at_1506",
    "verdict_auroc", "msp_auroc", "verdict_auroc_minus_msp_low", "verdict_aurc", "msp_aurc",
    "ood_near_auroc", "msp_ood_near_auroc", "peer_ood_near_auroc",
    "ood_far_auroc", "msp_ood_far_auroc", "peer_ood_far_auroc",
    "verdict_questioned_correct_over_draws", "seconds",
)  # fmt: skip
MORE_OF_BIRDS = (
    "attribute_balanced_accuracy", "attribute_f1", "attribute_group_accuracy", "class_repeat_map",
    "topn_questioned_wrong", "topn_questioned_correct",
    "topn_centred_questioned_wrong", "topn_centred_questioned_correct",
    "verdict_questioned_wrong", "msp_questioned_wrong", "verdict_questioned_correct", "msp_questioned_correct",
    "verdict_questioned_correct_over_draws_standard_error", "near_accuracy", "twins_across_roles",
)  # fmt: skip
_PLACED = ("pointing", "energy", "iou", "pompom")
_AOPC = ("aopc_coarse_blur", "aopc_fine_gray")
_STRANGE = ("noise", "pentagon", "hexagon", "star", "ellipse", "shapes")
TRIANGLES = (
    "accuracy", "plain_accuracy", "object_share", "mask_area",
    *(f"{own}{name}" for own in ("", "compared_", "posthoc_", "hybrid_", "cue_", "paper_", "paper_awake_")
      for name in _PLACED),
    *(f"{prefix}{name}_band" for prefix in ("", "paper_", "paper_awake_") for name in ("pointing", "energy")),
    "band_share",
    *(f"{prefix}{name}" for name in _AOPC for prefix in ("", "posthoc_")),
    *(f"{name}mask_area" for name in ("lambda_none_", "lambda_mean_1e_6_", "lambda_mean_1e_4_", "lambda_sum_1e_6_",
                                       "lambda_sum_1e_4_", "lambda_sum_1e_4_as_224_")),
    "verdict_auroc", "msp_auroc", "verdict_aurc", "msp_aurc",
    *(f"{prefix}ood_{kind}_auroc" for kind in _STRANGE for prefix in ("", "msp_")),
    "cost_ratio_paper", "cost_ratio_half", "cost_ratio_light", "seconds",
)  # fmt: skip
TRIANGLES_FIRST = (  # those that README shows
    "accuracy", "plain_accuracy", "object_share",
    *(f"{prefix}{name}" for name in _PLACED for prefix in ("", "hybrid_", "paper_", "compared_", "posthoc_")),
    *(f"{prefix}{name}" for name in _AOPC for prefix in ("", "posthoc_")), "seconds",
)  # fmt: skip
CUE_CONFLICT = (
    "accuracy", "plain_accuracy", "shape_bias", "plain_shape_bias", "pretrained_shape_bias",
    "pretrained_shape_bias_all", "mask_area", "verdict_auroc", "msp_auroc", "seconds",
)  # fmt: skip
FIGURES = {
    "birds": (*BIRDS[:-1], *MORE_OF_BIRDS, "seconds"), "triangles": TRIANGLES, "cue-conflict": CUE_CONFLICT,
}  # fmt: skip
SAYS = {  # what the runs do not say of a figure, or say at greater length
    "seconds": "everything included",
    "object_share": "of the image that the object covers: what a mask of ones has as its energy",
    "band_share": "of the image that a band of 3 pixels around the outline covers",
    "pointing_band": "maps whose highest value lies on that band",
    "energy_band": "share of the map that lies on that band",
    "verdict_auroc_minus_msp_low": "the verdict minus maximum softmax: lower end of the 95 % interval",
}
VARIANTS = {  # what a figure of a variant is about
    "plain_": "the classifier without explainer",
    "hybrid_": "trained with object masks",
    "cue_": "the triangle is red",
    "paper_": "the paper's loss and settings",
    "paper_awake_": "the paper's loss, with batch norm in the explainer and a start that is not saturated",
    "lambda_none_": "no budget",
    "lambda_mean_1e_6_": "budget on the mean, lambda 1e-6",
    "lambda_mean_1e_4_": "budget on the mean, lambda 1e-4",
    "lambda_sum_1e_6_": "budget on the sum, lambda 1e-6",
    "lambda_sum_1e_4_": "budget on the sum, lambda 1e-4",
    "lambda_sum_1e_4_as_224_": "budget on the sum, lambda 1e-4 with the weight that it has on 224 pixels",
}
PUBLISHED_AOPC = {  # read off a plot (+-0.005), by patch in pixels of 224: hybrid, unsupervised, best other
    "black": {4: (0.130, 0.098, 0.040), 8: (0.217, 0.185, 0.150), 16: (0.320, 0.308, 0.315), 32: (0.342, 0.345, 0.345)},
    "blur": {4: (0.135, 0.122, 0.045), 8: (0.208, 0.210, 0.098), 16: (0.303, 0.310, 0.210), 32: (0.340, 0.350, 0.217)},
    "gray": {4: (0.126, 0.110, -0.007), 8: (0.203, 0.199, 0.033), 16: (0.325, 0.330, 0.040),
             32: (0.365, 0.370, -0.01)},
    "uniform": {4: (0.127, 0.117, 0.017), 8: (0.171, 0.185, 0.020), 16: (0.285, 0.326, 0.152),
                32: (0.350, 0.397, 0.295)},
    "white": {4: (0.129, 0.111, 0.011), 8: (0.201, 0.198, 0.072), 16: (0.312, 0.318, 0.145),
              32: (0.345, 0.352, 0.095)},
}  # fmt: skip
TRAINED = {"small": "one step, the mirror does not teach", "two-step": "two steps", "joint": "one step, it teaches"}
CLASSIFIERS = {"small": "small convolutional", "small-vgg": "VGG-like", "small-resnet18": "ResNet-18"}
EXPLAINERS = {"small": "the recipe's light explainer", "small-full": "one of full size"}
VERDICTS = (
    "verdict_auroc", "msp_auroc", "ood_noise_auroc", "msp_ood_noise_auroc", "ood_shapes_auroc", "msp_ood_shapes_auroc",
)  # fmt: skip
OF_CLASSIFIERS = (
    "accuracy", "plain_accuracy", "mask_area", *(f"{own}{name}" for name in _PLACED for own in ("", "hybrid_")),
    *VERDICTS,
)  # fmt: skip
OF_EXPLAINERS = ("accuracy", "mask_area", *_PLACED, *VERDICTS)
UNKNOWN = ("noise", "pentagon", "hexagon", "star", "ellipse", "parallelogram", "mnist", "fashion-mnist")
UNKNOWN_BIRDS = {
    "near_": ("left_out",),
    "": ("imagenet", "cue", "coco", "noise", "blurred", "dark", "cropped", "rotated"),
}
FAULTS: dict[str, tuple[str, ...]] = {  # blocks of docs/results.md: the effect of each fault, paper scale
    "fault-noise": ("ood_noise_support_questioned", "ood_noise_support_questioned_paired", "ood_noise_questioned"),
    "fault-argmax": ("argmax_agreement", "attribute_accuracy", "attribute_exact", "all_zeros_accuracy"),
    "fault-pair": ("accuracy", "support_questioned_wrong", "support_questioned_correct"),
    "fault-twins": ("twins_across_roles", "accuracy"),
    "fault-support": ("support_questioned_wrong", "verdict_questioned_wrong", "msp_questioned_wrong"),
}
