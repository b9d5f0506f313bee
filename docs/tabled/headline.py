"""The one table of README.md: what antehoc reaches, beside its rival on the same test images."""

from tabled import failures, generalize, measured
from tabled.markdown import markdown

ROWS = (  # what is measured, recipe, figure of antehoc, figure of its rival, the rival in words
    ("accuracy", "shapes", "accuracy", "published", "as published"),
    ("AUROC of the verdict on wrong decisions", "shapes", "verdict_auroc", "msp_auroc", "maximum softmax"),
    ("AUROC of the verdict on wrong decisions", "birds", "verdict_auroc", "msp_auroc", "maximum softmax"),
    ("wrong decisions found where 15 % of the correct ones are questioned", "birds",
     "verdict_questioned_wrong_at_1506", "msp_questioned_wrong_at_1506", "maximum softmax"),
    ("AUROC on species that were not trained on", "birds", "ood_near_auroc", "peer_ood_near_auroc",
     "best of pytorch-ood"),
    ("share of the mask that lies on the object", "triangles", "compared_energy", "posthoc_energy",
     "best of 15 post-hoc methods"),
    ("AOPC, small gray patches", "triangles", "aopc_fine_gray", "posthoc_aopc_fine_gray",
     "best of 15 post-hoc methods"),
)  # fmt: skip


def headline() -> str:
    """At most ten figures, each beside its rival; mean and range over the recorded runs."""
    rows = [*generalize.headline(), *failures.headline()]
    for what, recipe, own, rival, words in ROWS:
        found = measured.runs(recipe, "small")
        if rival == "published":
            beside = f"{found[0]['published'][own]:.4f}" if found else "-"
        else:
            beside = measured.mean_and_range(rival, found)
        rows.append([f"`{recipe}`", what, measured.mean_and_range(own, found), f"{beside} {words}"])
    return markdown(["recipe", "figure", "antehoc", "beside it"], rows)
