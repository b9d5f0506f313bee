"""What each figure means in words, which figures belong together, and how a number is written."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from antehoc.runs import Reproduction
from antehoc.types import Reason

AGREE: frozenset[str] = frozenset(
    {"attribute-agrees", "mask-enough", "mask-needed", "whole-agrees"}
)  #: reasons for a decision

Intervals = Mapping[str, tuple[float, float]]

_OF_MAPS = r"(?:(paper|hybrid|posthoc)_)?"
_GROUPS = {  # in the order of reading
    "Decisions": r"(plain_)?accuracy",
    "Explanations": rf"{_OF_MAPS}((pointing|energy)(_band)?|iou(_half)?|f1|coverage|threshold|pompom"
    r"|(object|band)_share|box_(iou|energy|pompom)|aopc_(coarse_blur|fine_gray))|mask_area[\w-]*|cost_ratio\w*",
    "Shape or texture": r"(pretrained_)?shape_bias\w*",
    "Attributes": r"attributes?_\w+|argmax_agreement|(all_zeros|majority)_accuracy|class_repeat_map",
    "Verdicts on errors": r"(?!(msp_|peer_)?ood_)[\w-]+_(questioned_(wrong|correct)(_at_\d+|_over_draws\w*)?"
    r"|auroc|aurc|augrc|fpr_at_95_tpr|minus_msp)",
    "Images of no known class": r"(msp_|peer_)?ood_\w+",
    "Others": r".*",
}
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
_HEADLINES = (  # what is shown first, besides what was published
    r"(plain_)?accuracy|(paper_|hybrid_|posthoc_)?(pointing|energy|iou|pompom|aopc_\w+)|mask_area[\w-]*|cost_ratio_\w+"
    r"|(pretrained_)?shape_bias\w*|attributes_unseen|attribute_(accuracy|exact|map|balanced_accuracy|group_accuracy)|class_repeat_map"
    r"|(all_zeros|majority)_accuracy|(verdict|msp|support|topn)_questioned_(wrong|correct)|\w+_questioned_wrong_at_\d+"
    r"|(verdict|msp)_(auroc|aurc)|\w+_minus_msp|(msp_|peer_)?ood_(near|far|shapes)_auroc"
    r"|verdict_questioned_correct_over_draws\w*|twins_across_roles"
)


@dataclass(frozen=True)
class Row:
    """One figure: measured, with its 95 % interval where there is one, beside the published one where it is known."""

    name: str
    meaning: str
    measured: float | None
    interval: tuple[float, float] | None = None
    published: float | None = None


@dataclass(frozen=True)
class Group:
    """Figures that are read together."""

    title: str
    rows: tuple[Row, ...]


def grouped(
    figures: Mapping[str, float | None],
    intervals: Intervals | None = None,
    published: Mapping[str, float | None] | None = None,
    prefix: str = "",
) -> list[Group]:
    """Figures in groups; what was published and not measured stands among them, unmeasured.

    Args:
        figures: by name, all of which begin with `prefix`.
        intervals: by the same names.
        published: by the same names.
        prefix: of a recipe's variant, such as `default_`; no part of what a figure means.
    Example:
        >>> [(group.title, len(group.rows)) for group in grouped({"accuracy": 0.99, "verdict_auroc": 0.98})]
        [('Decisions', 1), ('Verdicts on errors', 1)]
    """
    intervals, published = intervals or {}, published or {}
    found: dict[str, list[Row]] = {title: [] for title in _GROUPS}
    for name in dict.fromkeys([*figures, *published]):
        bare = name.removeprefix(prefix)
        title = next(title for title, pattern in _GROUPS.items() if re.fullmatch(pattern, bare, re.DOTALL))
        found[title].append(Row(name, meaning(bare), figures.get(name), intervals.get(name), published.get(name)))
    return [Group(title, tuple(rows)) for title, rows in found.items() if rows]


def by_variant(result: Reproduction) -> dict[str, list[Group]]:
    """A run's figures in groups, for the recipe itself (under its name) and for each of its variants."""
    variants = [name for name in result.evaluations if name != result.recipe]
    owners = {name: _owner(name, variants) for name in [*result.figures, *result.published]}
    groups = {}
    for variant in ["", *variants]:
        figures = {name: value for name, value in result.figures.items() if owners[name] == variant}
        published = {name: value for name, value in result.published.items() if owners[name] == variant}
        prefix = f"{variant}_" if variant else ""
        groups[variant or result.recipe] = grouped(figures, result.intervals, published, prefix)
    return groups


def _owner(name: str, variants: Iterable[str]) -> str:
    """The variant that a figure's name begins with, the longest where several do; empty for the recipe itself."""
    return max((variant for variant in variants if name.startswith(f"{variant}_")), key=len, default="")


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


def is_of_one_set(name: str, sets: Iterable[str], prefix: str = "") -> bool:
    """Whether a figure belongs to one set of unknown images, so that a table of the sets shows it."""
    bare = name.removeprefix(prefix).removeprefix("msp_").removeprefix("peer_")
    return any(bare.startswith(f"ood_{each}_") for each in sets)


def is_shown(row: Row, prefix: str = "") -> bool:
    """Whether a figure is one of those to read first: published, named among them, or of no known meaning."""
    bare = row.name.removeprefix(prefix)
    return row.published is not None or not row.meaning or re.fullmatch(_HEADLINES, bare) is not None


def plain(name: str) -> str:
    """An attribute's name as people write it.

    Example:
        >>> plain("has_bill_shape::hooked_seabird"), plain("four vertices")
        ('bill shape: hooked seabird', 'four vertices')
    """
    return name.removeprefix("has_").replace("::", ": ").replace("_", " ")


def reason_text(reason: Reason, label: str) -> str:
    """A reason in words where the decided class stands above it: shorter, attributes as people write them.

    Example:
        >>> text = "'has_wing_color::red' is absent (0.10), but the class 'Cardinal' has it"
        >>> reason_text(Reason("attribute-missing", text, "has_wing_color::red"), "Cardinal")
        'wing color: red is absent (0.10), but the class has it'
    """
    text = reason.text.replace(f"better than {label!r}", "better than this one")
    if reason.attribute is None:
        return text
    return text.replace(f"'{reason.attribute}'", plain(reason.attribute)).replace(f"the class {label!r}", "the class")


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


def percent(share: float) -> str:
    """A share in per cent, never rounded to all or none where it is neither.

    Example:
        >>> percent(0.8642), percent(0.9997), percent(1.0), percent(0.000116961)
        ('86.4 %', '99.97 %', '100 %', '0.012 %')
    """
    rounded = f"{100 * share:.1f}"
    fine = f"{100 * share:g}" if share > 0.5 else f"{100 * share:.2g}"
    return (rounded if 0 < float(rounded) < 100 else fine) + " %"
