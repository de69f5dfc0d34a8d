"""Which keys 3Dblox has, so that those it does not have are told or refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stack3d import yamlfile
from stack3d.errors import did_you_mean, few
from stack3d.geometry.importers.user_files import mistake

SECTIONS = ("Header", "Design", "ChipletDef", "ChipletInst", "Stack", "Connection", "Path")
OF_FILE = ("version", "unit", "precision", "include")
OF_DESIGN = ("name", "external")
OF_REGION = ("bmap", "pmap", "side", "layer", "gds_layer", "coords")
OF_ENTRIES: dict[str, tuple[str, ...]] = {
    "ChipletDef": (
        *("type", "design_area", "thickness", "shrink", "offset", "tsv"),
        *("seal_ring_width", "scribe_line_remaining_width", "regions", "external"),
    ),
    "ChipletInst": ("reference", "external"),
    "Stack": ("loc", "z", "orient"),
    "Connection": ("top", "bot", "thickness"),
}
"""Of every entry of a section. What lies under ``external`` and ``Path`` is not looked into."""


def unknown_keys(trees: Sequence[yamlfile.Mapping]) -> list[str]:
    """Notes of keys that 3Dblox does not have; raises DeckError at the line of one that is nearly a key: it would be lost."""
    places: dict[str, list[str]] = {}
    for tree in trees:
        for section, of, mapping, known in _mappings(tree):
            for key in mapping:
                if key in known:
                    continue
                if near := did_you_mean(str(key), known):
                    full = f"{of}.{few(str(key))}" if of else few(str(key))
                    raise mistake(mapping.places[key], full, f"unknown key{near}; known: {', '.join(known)}")
                file, line = mapping.places[key]
                places.setdefault(f"{section}: key {few(str(key))}", []).append(f"{file}:{line}")
    return [f"{what} is not read ({at[0]}{f' and {len(at) - 1} more' if at[1:] else ''})." for what, at in places.items()]


def _mappings(tree: yamlfile.Mapping) -> Iterator[tuple[str, str, yamlfile.Mapping, Sequence[str]]]:
    """Kind, name for messages, and keys of everything whose keys are known, with these."""
    yield "File", "", tree, SECTIONS
    for section, of_it in (("Header", OF_FILE), ("Design", OF_DESIGN)):
        if isinstance(tree.get(section), yamlfile.Mapping):
            yield section, section, tree[section], of_it
    for section, known in OF_ENTRIES.items():
        for name, entry in _inner(tree, section):
            of = f"{section}.{few(name)}"
            yield section, of, entry, known
            if section == "ChipletDef":
                yield from (("regions", f"{of}.regions.{few(r)}", region, OF_REGION) for r, region in _inner(entry, "regions"))


def _inner(tree: yamlfile.Mapping, key: str) -> Iterator[tuple[str, yamlfile.Mapping]]:
    """Mappings under a key, with their names."""
    listed = tree.get(key)
    if isinstance(listed, yamlfile.Mapping):
        yield from ((str(name), entry) for name, entry in listed.items() if isinstance(entry, yamlfile.Mapping))
