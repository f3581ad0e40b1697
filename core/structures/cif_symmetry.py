"""The space group that a CIF file means: from its operations, its Hall symbol, its name or its number, whichever it gives.

Names are looked up in gemmi's table of 564 settings; what a name leaves open (origin, axes) is one candidate each, and the reader decides
between candidates by what else the file says (`core.structures.cif`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import gemmi
import numpy as np

from core.structures.cif_sites import UNKNOWN, CrystalFileError

METRIC = 0.02  # relative change of the metric up to which a cell has a symmetry
OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
MAGNETIC, CENTERING = "_space_group_symop_magn_operation_xyz", "_space_group_symop_magn_centering_xyz"  # magCIF dictionary
HALL = ("_space_group_name_Hall", "_symmetry_space_group_name_Hall")
NAMES = (
    "_space_group_name_H-M_alt",
    "_symmetry_space_group_name_H-M",
    "_space_group_name_H-M_full",
    "_space_group_name_H-M_ref",
    "_space_group_name_H-M",
    "_symmetry_space_group_name_H-M_alt",
    "_symmetry_space_group_name_H_M",
)
NUMBERS = ("_space_group_IT_number", "_symmetry_Int_Tables_number")
OTHERS = re.compile(r"_(parent_)?(symmetry|space_group)_(?!.*_id$)")  # symmetry under another name
SILENT = (*UNKNOWN, "triclinic", "anorthic", "1")  # they leave a cell without symmetry possible
SETTING = "_space_group_IT_coordinate_system_code"


@dataclass(frozen=True)
class Candidate:
    """Operations in fractional coordinates, rotations (G, 3, 3) and translations (G, 3), and where they come from in words."""

    rotations: np.ndarray
    translations: np.ndarray
    source: str

    def group(self) -> gemmi.GroupOps:
        operations = [gemmi.Op() for _ in self.rotations]
        for operation, rotation, shift in zip(operations, self.rotations, self.translations, strict=True):
            operation.rot = (rotation * gemmi.Op.DEN).round().astype(int).tolist()
            operation.tran = (shift * gemmi.Op.DEN).round().astype(int).tolist()
        return gemmi.GroupOps(operations)

    def closed(self) -> bool:
        """Is it a group: are the products of any two among them? Each operation by a number that no other is likely to have."""
        weights = np.random.default_rng(0).integers(1, 2**40, 12)
        codes = lambda W, w: np.rint(24 * W).reshape(*W.shape[:-2], 9) @ weights[:9] + np.rint(24 * w) % 24 @ weights[9:]  # noqa: E731
        products = self.rotations[:, None] @ self.rotations
        shifts = np.einsum("gij,hj->ghi", self.rotations, self.translations) + self.translations[:, None]
        return bool(np.isin(codes(products, shifts), codes(self.rotations, self.translations)).all())

    def fits(self, lattice: np.ndarray) -> bool:
        """Do the rotations leave the cell as it is? lattice (3, 3), rows in Å; x' = W x asks W^T G W = G."""
        metric = lattice @ lattice.T
        turned = np.swapaxes(self.rotations, 1, 2) @ metric @ self.rotations
        return bool(np.abs(turned - metric).max() < METRIC * np.trace(metric) / 3)


def stated_operations(column: Callable[[str], list[str]]) -> list[str]:
    """The operations of a block, `column` being its list under a tag: those of a magnetic group too, without their reversal of time."""
    if magnetic := column(MAGNETIC):
        both = [[text.rsplit(",", 1)[0] for text in texts] for texts in (magnetic, column(CENTERING) or ["x,y,z,+1"])]
        try:
            return list(dict.fromkeys((gemmi.Op(shift) * gemmi.Op(text)).wrap().triplet() for text in both[0] for shift in both[1]))
        except (RuntimeError, ValueError):
            raise CrystalFileError("A magnetic symmetry operation of the file cannot be read.") from None
    return next((found for tag in OPERATIONS if (found := column(tag))), [])


def candidates(texts: Mapping[str, str], operations: Sequence[str], lattice: np.ndarray) -> tuple[list[Candidate], list[str], bool]:
    """(what the symmetry may be, notes, does the file speak of it at all). texts: single values of the block, by tag in small letters.

    Raises CrystalFileError for a symmetry that is stated but not understood.
    """
    if texts.get("_cell_modulation_dimension", "0") not in (*UNKNOWN, "0"):
        raise CrystalFileError("The crystal of the file is modulated: no cell repeats in it.")
    name, number = _first(texts, NAMES), _first(texts, NUMBERS)
    by_name = lambda: [one for one in _from_name(name, _first(texts, (SETTING,)), lattice) if one.fits(lattice)]  # noqa: E731
    if operations:
        given = _from_triplets(operations)
        notes = [] if given.fits(lattice) else ["The operations of the file do not leave its cell as it is."]
        if not given.closed():
            return [replace(given, source="the file's list of operations, which is no group,"), _completed(given)], notes, True
        if len(operations) > 1 or not name or _trivial(name):
            return [given], notes + _contradiction(given, name, number, "operations are those"), True
        return [given, *by_name()], notes, True
    if hall := _first(texts, HALL):
        try:
            given = _from_group(gemmi.symops_from_hall(hall), f"the Hall symbol {hall}")
        except (RuntimeError, ValueError):
            pass  # an old or misspelt symbol; the name may help
        else:
            return [given], _contradiction(given, name, number, "Hall symbol's operations are those"), True
    if name:
        found = _from_name(name, _first(texts, (SETTING,)), lattice)
        if not found:
            raise CrystalFileError(f"The space group {name!r} of the file is not understood, and it lists no symmetry operations.")
        if fitting := [one for one in found if one.fits(lattice)]:
            group = gemmi.find_spacegroup_by_ops(fitting[0].group())
            other = number.isdigit() and group is not None and group.number != int(number)
            said = f"The file names the space group {name}, but gives it number {number}; the name was used."
            return fitting, [said] if other else [], True
        raise CrystalFileError(f"The cell of the file does not have the symmetry of its space group {name!r}.")
    if number:
        if not number.isdigit() or not 1 <= int(number) <= 230:
            raise CrystalFileError(f"The file gives its space group the number {number}; there are 230.")
        every = [group for group in gemmi.spacegroup_table() if group.number == int(number)]
        standard = [one for group in every if group.is_reference_setting() or group.ext in "12HR" if (one := _of(group)).fits(lattice)]
        if not standard:
            raise CrystalFileError(f"The cell of the file does not have the symmetry of its space group, number {number}.")
        return standard, [f"The file gives only the number of its space group, {number}; its standard setting was taken."], True
    if said := next((f"{tag} {text}" for tag, text in texts.items() if OTHERS.match(tag) and text.lower() not in SILENT), ""):
        raise CrystalFileError(f"The file says of its symmetry only {said!r}, which is not understood. Add the symmetry operations.")
    return [Candidate(np.eye(3)[None], np.zeros((1, 3)), "no symmetry")], [], False


def _first(texts: Mapping[str, str], tags: Sequence[str]) -> str:
    return next((text for tag in tags if (text := texts.get(tag.lower(), "").strip()) not in UNKNOWN), "")


def _trivial(name: str) -> bool:
    return re.sub(r"[\s_]", "", name).upper() == "P1"


def _from_triplets(operations: Sequence[str]) -> Candidate:
    rows = []
    for text in operations:
        try:
            operation = gemmi.Op(re.sub(r"(\d)([xyzXYZ])", r"\1*\2", text))
        except (RuntimeError, ValueError):
            raise CrystalFileError(f"The symmetry operation {text!r} of the file cannot be read.") from None
        rows.append((operation.rot, operation.tran))
    return _candidate(rows, "the operations that the file lists")


def _completed(given: Candidate) -> Candidate:
    """The smallest group that holds the operations. Raises CrystalFileError where there is none of a crystal."""
    whole = Candidate(np.vstack([np.eye(3)[None], given.rotations]), np.vstack([np.zeros((1, 3)), given.translations]), given.source)
    try:
        group = whole.group()
        group.add_missing_elements()
        return _from_group(group, "the group that they generate")
    except (RuntimeError, ValueError):
        raise CrystalFileError("The symmetry operations that the file lists make no group.") from None


def _candidate(rows: Sequence[tuple], source: str) -> Candidate:
    rotations = np.array([row[0] for row in rows], dtype=float) / gemmi.Op.DEN
    return Candidate(rotations, np.array([row[1] for row in rows], dtype=float) / gemmi.Op.DEN, source)


def _from_group(group: gemmi.GroupOps, source: str) -> Candidate:
    return _candidate([(operation.rot, operation.tran) for operation in group], source)


def _of(group: gemmi.SpaceGroup) -> Candidate:
    return _from_group(group.operations(), f"the space group {group.xhm()}")


def _from_name(name: str, setting: str, lattice: np.ndarray) -> list[Candidate]:
    """Every setting that the name can mean; one where it says which."""
    plain = re.sub(r"[({~]|<sub>", "", re.sub(r"(\d)(\)|\}|~|</sub>)", r"\1", re.sub(r"\s*\((No\.?\s*)?\d{2,3}\)$", "", name)))
    plain = re.sub(r"\s*/\s*", "/", plain.replace("_", "")).strip(" '\"")  # P2(1)/n, P2_1/n, P 2~1~/n, P 21 / n
    plain, written = re.sub(r"\s*:\s*([12HhRr])$|\s+([12HhRr])$|\s+[SZ]$", "", plain), re.search(r"(?::\s*|\s)([12HhRr])\s*$", plain)
    wanted = (written[1] if written else setting).upper()
    metric = lattice @ lattice.T
    angle = lambda i, j: float(np.degrees(np.arccos(metric[i, j] / np.sqrt(metric[i, i] * metric[j, j]))))  # noqa: E731
    spellings = (plain, name, *([f"{plain} 1"] if re.match("[A-Z] 1 ", plain) else []), _of_full(plain))
    found = next((group for one in spellings if (group := gemmi.find_spacegroup_by_name(one, angle(1, 2), angle(0, 1)))), None)
    if found is None:
        return []
    same = [group for group in gemmi.spacegroup_table() if group.number == found.number and group.hm == found.hm]
    short = re.sub(r"\s", "", plain)
    if found.hm.replace(" ", "") != short:  # a short name such as P21/n: any axis may be the special one
        same += [group for group in gemmi.spacegroup_table() if group.number == found.number and _short(group.hm) == short]
    if wanted in {group.ext for group in same}:
        same = [group for group in same if group.ext == wanted]
    unique = {group.xhm(): group for group in same}
    return [_of(group) for group in unique.values()]


def _of_full(name: str) -> str:
    """The short symbol of a full one: `P 21/n 21/m 21/a` is P n m a, `F 4/m -3 2/m` is F m -3 m; others come back as they are."""
    letter, axes = name[:1], re.findall(r"-[1346]|\d{1,2}/[abcdnm]|\d{1,2}|[abcdemn]", name[1:])
    if len(axes) < 2 or axes.count("1") > 1:
        return name
    cubic = axes[1] == "-3"
    return " ".join([letter, *(one if k == 0 and one[0] in "46" and not cubic else one.split("/")[-1] for k, one in enumerate(axes))])


def _short(name: str) -> str:
    """P 1 1 21/n -> P21/n"""
    return "".join(part for part in name.split() if part != "1")


def _contradiction(given: Candidate, name: str, number: str, what: str) -> list[str]:
    """A note where the operations or the Hall symbol of the file are those of another group than the one it names."""
    named = gemmi.find_spacegroup_by_name(name) if name else None
    stated = named.number if named else int(number) if number.isdigit() else 0
    found = gemmi.find_spacegroup_by_ops(given.group())
    if stated and found and found.number != stated:
        return [f"The file names the space group {name or number}, but its {what} of {found.short_name()}; these were used."]
    return []
