"""The command line of mkimage."""
import argparse
import os
import sys
from pathlib import Path

from . import MkimageError, apt
from .image import Image, digest
from .recipe import Recipe

RECIPES = Path(__file__).resolve().parent.parent / "images"
DEFAULT_EPOCH = 1700000000


def main(arguments):
    """Runs a command; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except (MkimageError, OSError) as error:
        print(f"mkimage: {error}", file=sys.stderr)
        return 1


def parser():
    """Commands and options."""
    cache = os.environ.get("SWIFTLET_ROOTFS_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "swiftlet-rootfs")
    top = argparse.ArgumentParser(prog="mkimage", description="Makes OCI image tarballs from Debian packages and files.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="build the image of a recipe")
    build.add_argument("recipe", help="a recipe's name (see list) or the path of its .toml file")
    build.add_argument("-o", "--output", required=True, help="the tarball to write")
    build.add_argument("--docker-archive", action="store_true", help="write what `docker save` writes instead of an OCI image layout")
    build.add_argument("--name", action="append", help="name the image so instead of as the recipe says; may be repeated")
    build.add_argument("--cache", default=cache, help="directory of downloaded packages (default: %(default)s)")
    build.set_defaults(run=run_build)
    listing = commands.add_parser("list", help="list the recipes")
    listing.set_defaults(run=run_list)
    return top


def run_build(options):
    """Builds one image and prints its id and names."""
    recipe = Recipe(find(options.recipe))
    tree = recipe.build(apt.PackageCache(options.cache))
    # SOURCE_DATE_EPOCH is the convention of reproducible-builds.org.
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", DEFAULT_EPOCH))
    layers = [tree.write_layer(number, epoch) for number in range(len(recipe.layers))]
    image = Image(options.name or recipe.names, recipe.config, layers, apt.architecture(), epoch)
    image.write(options.output, docker=options.docker_archive)
    print(digest(image.config), " ".join(image.names))
    return 0


def run_list(_):
    """Prints the recipes that come with the tool."""
    for path in sorted(RECIPES.glob("*.toml")):
        print(f"{path.stem}\t{' '.join(Recipe(path).names)}")
    return 0


def find(name):
    """The path of a recipe given by path or by the name of one that comes with the tool."""
    if name.endswith(".toml"):
        return name
    path = RECIPES / f"{name}.toml"
    if not path.exists():
        known = ", ".join(sorted(path.stem for path in RECIPES.glob("*.toml")))
        raise MkimageError(f"{name}: expected one of {known}, or the path of a .toml file")
    return path
