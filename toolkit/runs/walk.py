"""A walk over the stages of a run: each is kept where its seal tells that it would be made the same, and made otherwise."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.data.discharge.identity import Key, kept_key, run_key
from toolkit.data.reading.opening import find
from toolkit.documents import Document, Entries
from toolkit.errors import ContractBroken
from toolkit.params import RunParams
from toolkit.running.known_hashes import KnownHashes
from toolkit.running.publish import PRIVATE, beside, explained
from toolkit.runs.asked import Asked, Made, Progress, quiet
from toolkit.runs.explain import Why, differences
from toolkit.runs.sources import portable
from toolkit.runs.stage import Product, Stage, changed_files, identity_of, key_of, publish_parts, read_seal, stage_made
from toolkit.runs.taking_in import filled_in
from toolkit.strict_yaml import Section

HASHES = "hashes.json"


@dataclass(eq=False)
class Walk:
    """One run on its way.

    Attributes
    ----------
    params
        As they were given; after the first stage with what a generated region has brought.
    fresh
        Keep nothing.
    products
        What the stages so far have made, by id.
    why
        Why each was kept or made.
    made
        What a stage that was made gave beside its products.
    """

    params: RunParams
    folder: Path
    fresh: bool = False
    progress: Progress = quiet
    products: dict[str, Product] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    why: list[Why] = field(default_factory=list)
    made: dict[str, Made] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.given = self.params
        self.hashes = KnownHashes.read(self.folder / PRIVATE / HASHES)
        self._key: Key | None = None

    @property
    def reported(self) -> RunParams:
        """The parameters as results tell them: names for paths, and with what a generated region has brought."""
        return portable(self.params.model_copy(update={"data": self.given.data}))

    # --- what would be done ---------------------------------------------------------------------------------------------

    def looked_at(self, stage: Stage, key: Key | None) -> tuple[Document, Why]:
        """What a stage would be made from, and whether and why it has to be made; nothing is written."""
        before = {id_: self.keys[id_] for id_ in stage.after}
        secret = key.fingerprint if key and stage.records else ""
        # of what a generated region has brought, the key of the stage that made it tells
        identity = identity_of(stage, self.given, stage.derived(self.params), before, self.hashes.of, secret)
        self.keys[stage.id] = key_of(identity)
        found = None if self.fresh else read_seal(self.folder, stage.seal)
        if found is None:
            there = (self.folder / stage.seal).exists()
            reason = (
                "要求全部重做 asked for"
                if self.fresh
                else "封印无效 its seal is broken"
                if there
                else "尚未生成 not made yet"
            )
            return identity, Why(what=stage.id, zh=stage.zh, kept=False, reasons=(reason,))
        if found["key"] != self.keys[stage.id]:
            return identity, Why(
                what=stage.id, zh=stage.zh, kept=False, reasons=tuple(differences(found["identity"], identity))
            )
        if changed := changed_files(self.folder, stage.parts, found["tables"], self.hashes.of):
            reasons = tuple(f"文件缺失或被改动 missing or changed: {name}" for name in changed)
            return identity, Why(what=stage.id, zh=stage.zh, kept=False, reasons=reasons)
        return identity, Why(what=stage.id, zh=stage.zh, kept=True)

    def plan(self, stages: Sequence[Stage]) -> tuple[Why, ...]:
        """Of each stage whether it would be kept, and why not."""
        key = kept_key(self.params.data.key_file, self.folder)
        for stage in stages:
            self.why.append(self.looked_at(stage, key)[1])
            if self.why[-1].kept:
                self._take(Product(stage, self.folder))
        return tuple(self.why)

    # --- what is done ---------------------------------------------------------------------------------------------------

    def through(self, stage: Stage) -> Product:
        """The products of a stage, kept or made."""
        if stage.records:
            self._key = run_key(self.params.data.key_file, self.folder)
        identity, why = self.looked_at(stage, self._key)
        self.why.append(why)
        if not why.kept:
            self._make(stage, identity)
        return self._take(self.products.get(stage.id) or Product(stage, self.folder))

    def _take(self, product: Product) -> Product:
        self.products[product.stage.id] = product
        if product.stage.records:
            self.params = filled_in(self.given, product.facts)
        return product

    def _make(self, stage: Stage, identity: Entries) -> None:
        with staging(self.folder) as work:
            (self.folder / PRIVATE).mkdir(mode=0o700, exist_ok=True)
            (self.folder / PRIVATE).chmod(0o700)
            asked = Asked(
                params=stage.seen(self.params),
                derived=stage.derived(self.params),
                before={id_: self.products[id_] for id_ in stage.after},
                folder=self.folder,
                work=work,
                contents=self._contents() if stage.records else {},
                identity=identity,
                secret=self._key if stage.records else None,
                progress=self.progress,
                fresh=self.fresh,
            )
            with told_apart(stage):
                made = stage.make(asked)
            staged = stage_made(stage, made, work)
            self.hashes.among(publish_parts(staged, self.folder, stage.parts, stage.seal, identity))
        for act in made.afterwards:
            act()
        self.made[stage.id] = made
        self.products[stage.id] = Product(stage, self.folder, memory={**made.tables, **made.frames})

    def _contents(self) -> dict[Path, str]:
        entries = self.params.data.entries
        return {path: self.hashes.of(path) for path in find(entries)} if entries else {}


@contextmanager
def told_apart(stage: Stage) -> Iterator[None]:
    """Say of a parameter that a stage reads and does not declare where it has to be declared."""
    try:
        yield
    except AttributeError as error:
        found = re.fullmatch(r"'(\w+)' object has no attribute '(\w+)'", str(error))
        if found is None or found[1] not in {"RunParams", *(kind.__name__ for kind in Section.__subclasses__())}:
            raise
        raise ContractBroken(
            f"阶段 {stage.id} 读取了没有声明的参数 {found[2]}（{found[1]}）",
            f"stage {stage.id} reads the parameter {found[2]} of {found[1]}, which it does not declare",
            where="toolkit/runs/stages.py",
            remedy="在该阶段的 heeds 中加上它，它的键才会随之改变",
            remedy_english="add it to the stage's heeds, so that its key changes with it",
        ) from error


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A new private folder inside the run for what is in the making, after what a killed run left has been removed."""
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in (*folder.glob(".making-*"), *folder.glob(".old-*"), *folder.glob(".tmp-*")):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        made = folder / beside(folder / "tables", "making").name
        made.mkdir(mode=0o700)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
