"""A client's own Word template: letterhead and wording are theirs, declared places are filled from a report."""

from __future__ import annotations

from pathlib import Path

from docx.document import Document as WordDocument
from docxtpl import DocxTemplate
from jinja2 import TemplateError
from jinja2.sandbox import SandboxedEnvironment

from toolkit.errors import ParameterError, did_you_mean
from toolkit.reporting.content.blocks import Figure, Meta, Paragraph, Title
from toolkit.reporting.formats.document import Document
from toolkit.reporting.formats.pictures import Pictures
from toolkit.reporting.formats.provenance import SYNTHETIC_BANNER
from toolkit.reporting.formats.word import Writer, own_styles, repeatable

BODY = "body"
# place -> what stands there; written {{ place }} in the template
PLACES = {
    "title": "报告题目",
    "subtitle": "医疗机构",
    "finding": "结论第一段",
    "facts": "医疗机构、项目级别、病例数，一行",
    "edition": "内部评估版或发布版",
    "synthetic": "合成数据的警示；真实数据时为空",
    "evaluation": "评估名称",
    "run": "运行编号",
    "source": "数据与方法来源",
    BODY: "正文全部内容（独占一段）",
}
_HERE = "\N{OBJECT REPLACEMENT CHARACTER}正文\N{OBJECT REPLACEMENT CHARACTER}"  # stands in the filled template until the body does


def fill(template: Path, shown: Document) -> bytes:
    """The template with its places filled.

    Raises
    ------
    ParameterError
        The file is no Word document, holds a place that is not declared (named, with the nearest that is), or an expression
        that cannot be read.
    """
    try:
        filled = DocxTemplate(str(template))
        environment = SandboxedEnvironment(autoescape=True)
        asked = filled.get_undeclared_template_variables(environment)
    except TemplateError as error:
        raise _unreadable(template, f"表达式有误：{error.message}", str(error.message)) from error
    except Exception as error:  # python-docx and zipfile raise a dozen kinds for what is no document
        raise _unreadable(template, "不是 Word 文档（.docx）", type(error).__name__) from error
    if unknown := sorted(asked - set(PLACES)):
        known = "可用的位置：" + "、".join(f"{{{{ {place} }}}} {zh}" for place, zh in PLACES.items())
        raise ParameterError(
            f"模板 {template.name} 中有未声明的位置 {'、'.join(unknown)}",
            f"the template holds unknown places: {', '.join(unknown)}",
            where=str(template),
            **did_you_mean(unknown[0], list(PLACES), known, f"places: {', '.join(PLACES)}"),
        )
    try:
        filled.render(_words(shown), environment, autoescape=True)
    except TemplateError as error:  # one that reaches beyond the places, among others
        raise _unreadable(template, "表达式不被允许", str(error.message)) from error
    made = filled.docx
    if BODY in asked:
        _put_body(made, shown)
    return repeatable(made)


def _unreadable(template: Path, problem: str, english: str) -> ParameterError:
    return ParameterError(f"模板 {template.name} 不能使用：{problem}", english, where=str(template))


def _words(shown: Document) -> dict[str, str]:
    provenance = shown.provenance
    blocks = [block for block, _ in shown.blocks]
    title = next(b for b in blocks if isinstance(b, Title))
    finding = next((b for b in blocks if isinstance(b, Paragraph)), None)
    facts = next((b.pairs for b in blocks if isinstance(b, Meta)), ())
    return {
        "title": title.text,
        "subtitle": title.subtitle,
        "finding": finding.plain() if finding else "",
        "facts": "；".join(f"{name}：{value}" for name, value in facts),
        "edition": provenance.edition_name,
        "synthetic": SYNTHETIC_BANNER if provenance.synthetic else "",
        "evaluation": provenance.title,
        "run": provenance.run,
        "source": "；".join(f"{name} {value}" for name, value in provenance.lines()),
        BODY: _HERE,
    }


def _put_body(made: WordDocument, shown: Document) -> None:
    """The blocks after the title in the place of the paragraph that stands for them."""
    [place] = [line for line in made.paragraphs if _HERE in line.text]
    before = len(made.element.body)
    own_styles(made)
    writer = Writer(made, Pictures([b for b, _ in shown.blocks if isinstance(b, Figure)]), room=_room(made))
    for block, number in shown.blocks:
        if not isinstance(block, Title):
            writer.write(block, number)
    for element in list(made.element.body)[before - 1 : -1]:  # the last is the page's own settings
        place._p.addprevious(element)
    place._p.getparent().remove(place._p)


def _room(made: WordDocument) -> int:
    """The width between the margins of the template's last page."""
    page = made.sections[-1]
    return int((page.page_width or 0) - (page.left_margin or 0) - (page.right_margin or 0))
