"""Front matter of every report: title, facts, limits, provenance."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Literal

from toolkit.documents import Document
from toolkit.evaluation.facts import CANNOT
from toolkit.evaluation.names import NAMES
from toolkit.evaluation.results import Results
from toolkit.params import policies
from toolkit.reporting.content.blocks import Block, Blocks, Heading, Meta, Note, Paragraph, Title
from toolkit.reporting.formats.provenance import Provenance
from toolkit.resources import LOCK, home

PROVENANCE_MIME = "application/vnd.speceval.provenance+json"

GIVEN = "数值由报送方给出：用的是什么参照、前后是否同一参照，由报送方的算法决定，本工具不能核对。"


class Stamp(Provenance):
    """A provenance that a notebook cell shows and the renderers read back."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Document:
        fields = {name: getattr(self, name) for name in Provenance.__dataclass_fields__}
        text = "；".join(f"{name} {value}" for name, value in self.lines())
        return {PROVENANCE_MIME: fields, "text/plain": f"来源：{text}"}


def provenance(results: Results) -> Stamp:
    """Where the numbers come from; the last cell of every report notebook."""
    years, lock = results.params.all_years, home() / LOCK
    return Stamp(
        run=results.params.run,
        title=results.params.title,
        synthetic=results.facts.synthetic,
        data_hash=results.facts.data_hash,
        parameter_hash=results.facts.parameter_hash,
        lock_hash=hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "0" * 64,
        version=version("speceval"),
        data_date=f"{years[0]} 年至 {years[-1]} 年出院",
        policies=policies(results.params, NAMES),
        edition=results.params.edition,
    )


def read_provenance(bundle: Document) -> Provenance:
    """The provenance in the output of a cell."""
    fields = json.loads(json.dumps(bundle[PROVENANCE_MIME]))
    fields["policies"] = tuple((name, value) for name, value in fields["policies"])
    return Provenance(**fields)


def cover(results: Results, title: str, subtitle: str = "", pairs: tuple[tuple[str, str], ...] = ()) -> Blocks:
    """Title, facts of the run and, before any number, what must be said about the data."""
    return Blocks(Title(text=title, subtitle=subtitle), facts(results, pairs), *limits(results))


def facts(results: Results, pairs: tuple[tuple[str, str], ...] = ()) -> Meta:
    """What the numbers were made of: years, format, grouping."""
    every = (
        *pairs,
        ("评价年份", "、".join(results.periods.values())),
        ("数据格式", results.facts.format),
        ("分组", results.facts.grouping),
    )
    return Meta(pairs=tuple((k, v) for k, v in every if v))


def withheld(why: str = "") -> Note:
    """In place of what the release edition does not give, and why it does not."""
    return Note(text="发布版不提供此项，见内部评估版。" + (f"原因：{why}。" if why else ""))


def nothing_here(
    results: Results, why: str, tone: Literal["info", "warning"] = "info", *, withheld_for: str = ""
) -> Note:
    """Why a chapter is empty: the release edition lost the rows of its table, or there are none."""
    return withheld(withheld_for) if results.params.edition == "release" else Note(text=why, tone=tone)


def limits(results: Results) -> list[Block]:
    """The run's own notes, each a warning on the first page, and what its source cannot answer."""
    cannot = results.facts.lists.get(CANNOT)
    said = [f"来源是已汇总的数据，不是病案。不能计算：{cannot}。"] if cannot else []
    return [Note(text=text, tone="warning") for text in (*results.params.notes, *said)]


def basis_words(results: Results, words: str) -> str:
    """The sentence on the reference that stands over numbers; of values that were given, nobody knows it."""
    return GIVEN if results.params.data.valued else words


def chapter(text: str, lead: str = "") -> list[Block]:
    """A chapter heading with its opening sentence."""
    return [Heading(text=text), *([Paragraph(text=lead)] if lead else [])]
