"""The command line: one command, one function: parse, call `runs`, print."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from antehoc.errors import AntehocError, OutputError, RecipeError

_BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 where all went well, 2 where the input was bad (one sentence says what)."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s", stream=sys.stderr
    )
    if not options.quiet:
        logging.getLogger("antehoc").setLevel(logging.INFO)
    try:
        _check_outputs(options)
        code: int = options.command(options)
    except AntehocError as error:
        sys.stderr.write(f"antehoc: {' '.join(str(error).split())}\n")
        return _BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("antehoc: stopped; a training run goes on with --resume.\n")
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="antehoc", description="Image classifiers that give their reasons.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=run)
        sub.add_argument("--json", type=Path, metavar="FILE", help="write machine-readable results")
        if name != "train":
            sub.add_argument("--html", type=Path, metavar="FILE", help="write one self-contained page")
        sub.add_argument("--seed", type=_natural, metavar="S", help="instead of the recipe's")
        sub.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
        sub.add_argument("--quiet", action="store_true", help="no progress")
        sub.add_argument("--verbose", action="store_true", help="what the libraries say, too")
        return sub

    for name, run, text in (
        ("reproduce", _reproduce, "run a recipe from data to figures, beside the published ones"),
        ("train", _train, "train and calibrate a model by a recipe"),
    ):
        sub = command(name, run, text)
        sub.add_argument("recipe", help="name of a recipe, or path of a .yaml file")
        sub.add_argument("--scale", default="small", help="small (minutes on two cores) or paper")
        sub.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the run")
        sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a value of the recipe")
        sub.add_argument("--data", metavar="PATH", help="where the recipe's data lie")
        sub.add_argument("--weights", metavar="FILE", help="weights that the backbone starts from (.safetensors)")
        sub.add_argument("--devices", type=_natural, default=1, metavar="N", help="how many devices train")
        sub.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
        if name == "reproduce":
            _add_ood(sub)
    sub = command("evaluate", _evaluate, "measure a saved model on a recipe's test images")
    sub.add_argument("model", help="folder of a saved model")
    sub.add_argument("--recipe", help="whose data are used; default: the recipe that made the model")
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a value of the recipe")
    sub.add_argument("--data", metavar="PATH", help="where the recipe's data lie")
    _add_ood(sub)
    sub = command("compare", _compare, "set every explanation of a saved model beside the others")
    sub.add_argument("model", help="folder of a saved model")
    sub.add_argument("--recipe", help="whose test images are used; default: the recipe that made the model")
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a value of the recipe")
    sub.add_argument("--data", metavar="PATH", help="where the recipe's data lie")
    sub.add_argument("--methods", metavar="A,B,...", help="post-hoc methods, or all; default: those of moderate cost")
    sub.add_argument("--count", type=_natural, default=32, metavar="N", help="how many images")
    sub.add_argument("--chunk", type=_natural, default=16, metavar="N", help="images that the model sees at once")
    sub.add_argument("--aopc-grid", action="store_true", help="AOPC by every published patch and perturbation, too")
    sub = command("explain", _explain, "decide, explain and question images")
    sub.add_argument("model", help="folder of a saved model")
    sub.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG, WebP, BMP or TIFF of any size and mode")
    sub.add_argument("--masks", type=Path, metavar="FOLDER", help="write each mask, raw and over its image, as PNG")
    return parser


def _add_ood(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--ood", action="append", default=[], metavar="NAME=PATH", help="images of no known class (repeatable)"
    )


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"needs a whole number from 0 to 2**63 - 1; got {text!r}")
    return int(text)


def _reproduce(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    from antehoc import runs  # imports take seconds, which count
    from antehoc.report import figures, page, text

    result = runs.reproduce(
        options.recipe,
        scale=options.scale,
        seed=options.seed,
        out=options.out,
        ood=_named_paths(options.ood),
        overrides=_overrides(options),
        runner=_runner(options),
        resume=options.resume,
        start=start,
    )
    _write_json(result.folder / "figures.json", result.summary())  # before the drawing, which could still fail
    html = page.reproduction(result)
    _write(result.folder / "report.html", html)
    _write(options.html, html)
    _write(result.folder / "overview.png", figures.overview(result))
    summary = result.summary() | {"seconds": round(time.perf_counter() - start, 1)}
    _write_json(result.folder / "figures.json", summary)
    _write_json(options.json, summary)
    sys.stdout.write(text.reproduction(result))
    sys.stdout.write(
        f"\nmodel: {result.folder / 'main' / 'model'}\nreport: {options.html or result.folder / 'report.html'}\n"
    )
    return 0


def _train(options: argparse.Namespace) -> int:
    from antehoc import runs
    from antehoc.recipe import read_recipe
    from antehoc.report import text

    recipe, values = read_recipe(options.recipe, scale=options.scale, overrides=_overrides(options))
    seed = recipe.seed if options.seed is None else options.seed
    folder = runs.run_folder(options.recipe, options.scale, seed, options.out, resume=options.resume, values=values)
    trained = runs.train_recipe(
        recipe,
        values,
        options.recipe,
        folder,
        seed=seed,
        scale=options.scale,
        runner=_runner(options),
        resume=options.resume,
    )
    _write_json(options.json, {"model": str(folder / "model"), "history": trained.history, "seconds": trained.seconds})
    sys.stdout.write(text.trained(trained))
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from antehoc import runs
    from antehoc.figure import intervals, values
    from antehoc.model import load
    from antehoc.report import page, text

    model = load(options.model, device=_device(options))
    recipe, where, seed = _recipe(model, options)
    result = runs.evaluate_model(model, recipe, where, seed=seed, ood=_named_paths(options.ood))
    sys.stdout.write(text.evaluation(result))
    found = {"figures": values(result.figures), "intervals": intervals(result.figures), "notes": result.notes}
    _write_json(options.json, found)
    _write(options.html, page.evaluation(result, model) if options.html else "")
    return 0


def _recipe(model: Any, options: argparse.Namespace) -> tuple[Any, str, int]:
    """The recipe whose data a saved model is tried on, where it comes from, and the seed."""
    from antehoc import runs
    from antehoc.recipe import read_recipe

    if options.recipe:
        recipe, _ = read_recipe(options.recipe, overrides=_overrides(options))
        where, seed = options.recipe, int(model.about.get("seed", recipe.seed))  # the split that it was trained on
    else:
        recipe, where, seed = runs.recipe_of(model, _overrides(options))
    return recipe, where, seed if options.seed is None else options.seed


def _compare(options: argparse.Namespace) -> int:
    from antehoc import comparison
    from antehoc.model import load
    from antehoc.posthoc import METHODS
    from antehoc.report import comparison as report

    model = load(options.model, device=_device(options))
    recipe, where, seed = _recipe(model, options)
    source = recipe.source(where, seed)
    if source.spec.classes != model.spec.classes or source.preprocessing != model.preprocessing:
        raise RecipeError(f"{where}: its classes or images are not the model's; use the data that it was made for.")
    asked = comparison.DEFAULT if options.methods is None else tuple(filter(None, options.methods.split(",")))
    found = comparison.compare(
        model,
        source.roles["test"],
        methods=tuple(METHODS) if asked == ("all",) else asked,
        count=options.count,
        chunk=options.chunk,
        seed=seed,
        grid=options.aopc_grid,
    )
    sys.stdout.write(report.text(found))
    _write_json(options.json, {"model": options.model, "data": where, "seed": seed, **found.to_plain()})
    about = [("model", options.model), ("data", f"test images of {where}"), ("seed", str(seed))]
    name = f"{model.arguments['name']}: explanations compared"
    _write(options.html, report.page(found, name, about) if options.html else "")
    return 0


def _explain(options: argparse.Namespace) -> int:
    from antehoc import runs
    from antehoc.model import load
    from antehoc.report import masks, page, text

    model = load(options.model, device=_device(options))
    results = []
    for path, item in runs.explain(model, options.images):
        results.append((path, item))
        if isinstance(item, AntehocError):
            sys.stderr.write(f"antehoc: {item}\n")
        else:
            sys.stdout.write(text.decision(str(path), item))
    _write_json(options.json, [_row(path, item) for path, item in results])
    _write(options.html, page.decisions(results, model) if options.html else "")
    if options.masks:
        masks.write(results, model.preprocessing, options.masks)
    bad = sum(isinstance(item, AntehocError) for _, item in results)
    if bad:
        sys.stderr.write(f"antehoc: {bad} of {len(results)} images were skipped; the lines above say why.\n")
    return _BAD_INPUT if bad else 0


def _overrides(options: argparse.Namespace) -> list[str]:
    """Changes to the recipe: `--set`, and `--data` and `--weights` as paths, quoted for YAML."""
    paths = {"data.path": options.data, "system.backbone.weights": getattr(options, "weights", None)}
    return [*options.set, *(f"{key}={json.dumps(path)}" for key, path in paths.items() if path)]


def _row(path: Path, item: Any) -> dict[str, Any]:
    if isinstance(item, AntehocError):
        return {"path": str(path), "error": str(item)}
    return {"path": str(path), **item.to_plain()}


def _runner(options: argparse.Namespace) -> Any:
    from antehoc.training.loop import Runner

    if options.devices < 1:
        raise RecipeError(f"--devices {options.devices}: needs 1 or more.")
    return Runner(_accelerator(options.device), options.devices, not options.quiet and sys.stderr.isatty())


def _accelerator(device: str) -> str:
    known = {"auto": "auto", "cpu": "cpu", "cuda": "gpu", "mps": "mps"}
    if device not in known:
        raise RecipeError(f"--device {device}: is none of {', '.join(known)}.")
    _device_present(device)
    return known[device]


def _device(options: argparse.Namespace) -> str:
    import torch

    _accelerator(options.device)
    if options.device != "auto":
        return str(options.device)
    return "cuda" if torch.cuda.is_available() else "cpu"


def _device_present(device: str) -> None:
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(device, True):
        raise RecipeError(f"--device {device}: this machine has none; use cpu.")


def _named_paths(pairs: Sequence[str]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise RecipeError(f"--ood {pair}: needs NAME=PATH, such as mnist=data/mnist.")
        if not Path(path).exists():
            raise RecipeError(f"--ood {pair}: there is nothing at {path}; name a folder, a zip or an idx file.")
        if name in named:
            raise RecipeError(f"--ood {pair}: the name {name!r} came twice; give each set its own.")
        named[name] = Path(path)
    return named


def _check_outputs(options: argparse.Namespace) -> None:
    """Say before hours of work, not after, that a result could not be written."""
    for path in (options.json, getattr(options, "html", None)):
        if path is None:
            continue
        try:
            if path.is_dir():
                raise OutputError(f"{path}: is a folder; name a file.")
            if not path.parent.is_dir():
                raise OutputError(f"{path}: its folder does not exist; make it, or name another place.")
            existed = path.exists()
            with path.open("a"):
                pass
            if not existed:
                path.unlink()
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror}); name another place.") from error


def _write_json(path: Path | None, values: Any) -> None:
    _write(path, json.dumps(values, indent=1) + "\n")


def _write(path: Path | None, text: str | bytes) -> None:
    if path is None:
        return
    try:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); name another place.") from error


if __name__ == "__main__":
    sys.exit(main())
