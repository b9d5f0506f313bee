"""What a figure means, by its name: for tables of runs that were recorded before figures said it themselves."""

import re

_OF_MAPS = r"(?:(paper|hybrid|posthoc)_)?"
_SAYS = {  # first match tells; {0} and {1} are what the pattern's brackets held, in words
    r"plain_accuracy": "the same for the classifier without explainer, trained as long",
    rf"{_OF_MAPS}pointing": "maps whose highest value lies on the object{0}",
    rf"{_OF_MAPS}energy": "share of the map that lies on the object{0}",
    rf"{_OF_MAPS}iou": "overlap of map and object, at the threshold best on other images{0}",
    rf"{_OF_MAPS}pompom": "share of what is not the object that the map shows at all{0}; lower is better",
    rf"{_OF_MAPS}aopc_coarse_blur": "AOPC, patches of 1/7 of the side blurred{0}",
    rf"{_OF_MAPS}aopc_fine_gray": "AOPC, patches of 1/14 of the side made gray{0}",
    rf"{_OF_MAPS}object_share": "share of the image that the object covers{0}",
    rf"{_OF_MAPS}iou_half": "overlap of map and object, at the threshold 0.5{0}",
    rf"{_OF_MAPS}f1": "F1 of map and object, at the threshold best on other images{0}",
    rf"{_OF_MAPS}coverage": "share of the object that the map shows, at that threshold{0}",
    rf"{_OF_MAPS}threshold": "that threshold, as a share of each map's largest value{0}",
    rf"{_OF_MAPS}pointing_band": "maps whose highest value lies on a band of 3 pixels along the object's edge{0}",
    rf"{_OF_MAPS}energy_band": "share of the map that lies on that band{0}",
    rf"{_OF_MAPS}band_share": "share of the image that the band covers{0}",
    rf"{_OF_MAPS}box_iou": "for comparison: overlap of the object and a centred box of its mean size{0}",
    rf"{_OF_MAPS}box_energy": "for comparison: share of that box that lies on the object{0}",
    rf"{_OF_MAPS}box_pompom": "for comparison: share of what is not the object that the box covers{0}",
    r"mask_area_absent": "mean of the mask where no object is",
    r"mask_area[\w-]*": "mean of the mask over the image",
    r"cost_ratio_paper": "deciding with the paper's explainer, as a multiple of deciding without",
    r"cost_ratio_half": "the same, with the explainer on images of half the size; lower is better",
    r"cost_ratio_light": "the same, with half of the explainer's filters and one gate, on the image; lower is better",
    r"shape_bias": "of the cue conflicts decided by shape or by texture, those decided by shape",
    r"pretrained_shape_bias": "the same for the network of ImageNet's 1000 classes that training began from",
    r"pretrained_shape_bias_all": "the same for that network on all stimuli",
    r"shape_bias_decided": "cue conflicts decided by shape or by texture: what that share is of",
    r"pretrained_shape_bias_decided": "those decided so by the network that training began from",
    r"pretrained_shape_bias_all_decided": "those of all stimuli decided so by that network",
    r"accuracy": "test images decided rightly",
    r"attributes_unseen": "how many attributes the mirror is not shown to see: no better than chance",
    r"attribute_accuracy": "attributes named rightly, each by itself",
    r"attribute_exact": "images with every attribute right",
    r"attribute_map": "average precision of the attributes, their mean",
    r"attribute_balanced_accuracy": "attributes named rightly, present and absent counted alike",
    r"attribute_f1": "F1 of the attributes, their mean: how well those present are found and no others named",
    r"attribute_group_accuracy": "questions, such as the colour of the bill, whose surest answer is true",
    r"class_repeat_map": "for comparison: attribute_map of what the classifier's own class probabilities ask for",
    r"argmax_agreement": "surest attribute is the first true one (what the authors' code called accuracy)",
    r"all_zeros_accuracy": "for comparison: saying that no image has any attribute",
    r"majority_accuracy": "for comparison: saying of every image what most have",
    r"(msp_)?ood_shapes_auroc": "strange shapes ranked above test images{0}, mean of the four",
    r"(msp_|peer_)?ood_far_auroc": "images from elsewhere (--ood) ranked above test images{0}, mean over their sets",
    r"(msp_|peer_)?ood_near_auroc": "classes kept out of a second model ranked above its test images{0}",
    r"ood_(\w+?)_support_questioned_paired": "{0} questioned as the originals paired them (a fault of theirs)",
    r"ood_(\w+?)_support_questioned": "{0} questioned by the papers' support rule",
    r"(msp_)?ood_(\w+?)_questioned": "{1} questioned{0}",
    r"(msp_|peer_)?ood_(\w+?)_auroc": "{1} ranked above test images{0}",
    r"(msp_)?ood_(\w+?)_fpr_at_95_tpr": "test images above the line that catches 95 % of {1}{0}; lower is better",
    r"([\w-]+)_questioned_wrong_at_(\d+)": "wrong decisions questioned by {0} where {1} % of the correct ones are",
    r"([\w-]+)_questioned_wrong": "wrong decisions questioned by {0}",
    r"([\w-]+)_questioned_correct": "correct decisions questioned by {0}; lower is better",
    r"([\w-]+)_questioned_(wrong|correct)_over_draws": "{1} decisions questioned by {0}, mean over random calibration "
    "sets",
    r"([\w-]+)_questioned_correct_over_draws_standard_error": "standard error of that mean, over the sets alone",
    r"([\w-]+)_auroc": "wrong decisions ranked above correct ones by {0}",
    r"([\w-]+)_aurc": "area under the risk-coverage curve of {0}; lower is better",
    r"([\w-]+)_augrc": "chance of wrong and accepted, over all coverages, of {0}; lower is better",
    r"([\w-]+)_fpr_at_95_tpr": "correct decisions above the line of {0} that catches 95 % of wrong ones; "
    "lower is better",
    r"([\w-]+)_auroc_minus_msp": "{0} less maximum softmax",
    r"([\w-]+)_aurc_minus_msp": "{0} less maximum softmax; lower is better",
    r"twins_across_roles": "images that occur in two roles; none should",
}
_WORDS = {
    "verdict": "the verdict",
    "msp": "maximum softmax",
    "support": "the papers' support rule",
    "topn": "the thesis's top-n rule (class not among the ten best)",
    "topn_centred": "the top-n rule without its faults",
    "top-n": "the rank of the class by the thesis's top-n rule",
    "top-n-centred": "the rank of the class by the top-n rule without its faults",
    "likelihood": "the likelihood (another class fits the attributes better)",
    "profile": "the profile (the attributes look like another class's)",
    "distance": "the distance of the features from the class",
    "rival": "the rival (the features look like another class's)",
    "stages": "the stages (the image as a whole is unlike the training images)",
    "sufficiency": "sufficiency (what the mask shows does not carry the decision)",
    "necessity": "necessity (the decision stays without what the mask shows)",
    "whole": "the whole image (without its mask the classifier decides otherwise)",
    "margin": "the margin between the two best logits",
    "entropy": "the entropy of the class probabilities",
    "paper": ", the paper's loss and settings",
    "hybrid": ", trained with object masks",
    "posthoc": ", the best post-hoc method",
    "msp_": " by maximum softmax",
    "peer_": " by the best detector of pytorch-ood, chosen by this figure itself",
    "left_out": "the classes left out",
    None: "",
}


def meaning(name: str) -> str:
    """What a figure is, in a few words; empty where it is not known.

    Example:
        >>> meaning("msp_ood_star_questioned")
        'star questioned by maximum softmax'
    """
    for pattern, words in _SAYS.items():
        if found := re.fullmatch(pattern, name):
            parts = [_WORDS.get(part, part) or "" for part in found.groups()]
            if "_at_" in name and "questioned" in name:  # the point .1506 stands in the name as its digits
                parts[1] = f"{100 * float(f'0.{parts[1]}'):g}"
            return words.format(*(part.replace("_", " ") for part in parts))
    return ""


def number(value: float | None, name: str = "") -> str:
    """A figure as it is written everywhere: four decimals, two digits where it is smaller; `-` for null.

    Example:
        >>> number(0.98765), number(0.000123), number(None), number(-0.5, "verdict_auroc_minus_msp")
        ('0.9877', '0.00012', '-', '-0.5000')
    """
    if value is None:
        return "-"
    if name.endswith(("twins_across_roles", "attributes_unseen", "_decided")):
        return f"{value:.0f}"
    sign = "+" if name.endswith("_minus_msp") else ""
    return f"{value:{sign}.4f}" if abs(value) >= 0.001 or value == 0 else f"{value:{sign}.2g}"
