"""The studies of masks: where they lie, beside post-hoc methods, and what they cost."""

from antehoc.comparison import MEASURES, OWN
from antehoc.masks import MEANINGS, AgainstPosthoc, Costs, Placed, Strip
from antehoc.report import comparison, figures
from antehoc.report.html import Html, join, table, tag
from antehoc.report.meanings import number, percent

_EDGE = "Does it follow the object's area, or its line?"


def placed(found: Placed) -> Html:
    """Masks beside two that look at nothing, and the first few of them over their images."""
    said = (
        f"On {found.images:,} test images the object covers {percent(found.object_share)} of the image on average, and"
        f" the mask shows {percent(found.mask_area)}"
    )
    said += (
        "." if found.mask_area_absent is None else f"; where no object is, it shows {percent(found.mask_area_absent)}."
    )
    edge = [
        ["the object", number(found.pointing), number(found.energy), number(found.object_share)],
        ["a band of 3 pixels along its edge", number(found.pointing_band), number(found.energy_band),
         number(found.band_share)],
    ]  # fmt: skip
    return join(
        [
            tag("h3", "Do the masks find the object?"),
            tag("p", said),
            _beside(found),
            tag(
                "p",
                "Pointing: the highest value lies on the object; of equal ones, the share that does. Energy: share of"
                " the mask on the object. IoU: overlap of object and what is shown above a threshold, the best one on"
                f" validation images ({found.threshold:.2f} of each mask's largest value) and 0.5. POMPOM: share of"
                " what is not the object that is shown at all; the less is shown, the better it is, so read it beside"
                " energy. Bold: better than both controls.",
                class_="note",
            ),
            tag("p", MEANINGS["masks"], class_="note"),
            table(["the mask held against", "pointing ↑", "energy ↑", "its share of the image"], edge, caption=_EDGE),
            _strip(found.strip),
        ]
    )


def _beside(found: Placed) -> Html:
    """The table of masks and controls. A flat map points by lot, so that its pointing is its energy."""
    ones, box = found.object_share, found.box_energy
    measures = ("pointing", "energy", "iou", "iou", "pompom")
    rows = {
        "the model's mask": (found.pointing, found.energy, found.iou, found.iou_half, found.pompom),
        "a centred box of the object's mean size": (box, box, found.box_iou, found.box_iou, found.box_pompom),
        "a mask of ones": (ones, ones, ones, ones, 1.0),
    }
    own, *controls = rows.values()
    better = [
        all(mine > other if MEASURES[name].direction == "higher" else mine < other for other in others)
        for name, mine, *others in zip(measures, own, *controls, strict=True)
    ]
    head = ["", "pointing ↑", "energy ↑", "IoU ↑", "IoU at 0.5 ↑", "POMPOM ↓"]
    body = [
        [name, *(tag("b", number(value)) if bold and values is own else number(value)
                 for value, bold in zip(values, better, strict=True))]
        for name, values in rows.items()
    ]  # fmt: skip
    return table(head, body)


def _strip(strip: Strip) -> Html:
    columns = range(len(strip.image))
    head = ["test image", *(comparison.small(strip.image[n], f"test image {n + 1}") for n in columns)]
    masks = ["its mask; green: the object's outline", *(_masked(strip, n) for n in columns)]
    said = f"The first {len(columns)} test images that hold an object, as they come: nobody picked them."
    bar = tag("figure", Html(figures.color_bar(width_px=320)))
    return join([tag("p", said, class_="note"), table(head, [masks], class_="sheet"), bar])


def _masked(strip: Strip, index: int) -> Html:
    inside = strip.inside[index, 0]
    picture = figures.outlined(figures.overlay(strip.image[index], strip.mask[index, 0]), inside)
    on = float(strip.mask[index, 0][inside].mean())
    return comparison.small(picture, f"mask over test image {index + 1}: {percent(on)} of the object shown")


def against_posthoc(found: AgainstPosthoc, name: str) -> Html:
    """The mask beside the best method by each measure, then all that the command `compare` shows."""
    return join(
        [
            tag("h3", "Does the mask explain better than post-hoc methods?"),
            tag("p", comparison.headline(found.comparison)),
            comparison.against(found.comparison, OWN, [*found.own]),
            tag("p", MEANINGS["compare"], class_="note"),
            *(part for title, body in comparison.parts(found.comparison, name) for part in (tag("h4", title), body)),
        ]
    )


def costs(found: Costs) -> Html:
    """Milliseconds and ratios of deciding with three explainers, beside deciding without."""
    bare = 1000 * found.seconds_bare
    forms = {
        "the classifier alone": 1.0,
        "with the paper's explainer": found.cost_ratio_paper,
        "with that explainer on the image at half its size": found.cost_ratio_half,
        "with half of its filters and its gate on the image": found.cost_ratio_light,
    }
    rows = [[name, f"{bare * ratio / found.images:,.1f}", f"{ratio:.2f}"] for name, ratio in forms.items()]
    said = (
        f"ResNet-18 at 224 pixels on {found.images:,} images at once; medians of {found.rounds} rounds, the ratio taken"
        " within each round."
    )
    return join(
        [
            tag("h3", "What does a mask cost?"),
            tag("p", said),
            table(["a decision", "milliseconds for each image", "times the classifier alone"], rows),
            tag("p", MEANINGS["cost"], class_="note"),
        ]
    )
