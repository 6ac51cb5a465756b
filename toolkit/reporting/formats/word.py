"""A document as Word: real styles, captions that Word counts, repeated heads of tables, the same bytes on every rerun."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime
from functools import singledispatchmethod
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import docx
from docx.document import Document as WordDocument
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.section import Section
from docx.shared import Cm, Length, Pt, RGBColor
from docx.styles.style import ParagraphStyle
from docx.text.paragraph import Paragraph as WordParagraph

from toolkit.reporting.content.blocks import (
    Block,
    Figure,
    Heading,
    Meta,
    Note,
    PageBreak,
    Paragraph,
    Signatures,
    Table,
    Title,
)
from toolkit.reporting.formats.document import Document, Part, column_widths, oriented
from toolkit.reporting.formats.pictures import Pictures
from toolkit.reporting.formats.provenance import SYNTHETIC_BANNER

SANS, SERIF = "黑体", "宋体"  # what every office machine has; LibreOffice and WPS put their own in their place
SOFT, ALARM = RGBColor(0x59, 0x63, 0x6E), RGBColor(0xA3, 0x3B, 0x00)
WIDTH, LONG = Cm(15.4), Cm(25.7)  # of the text, on a page that stands and on one that lies
ALIGN = {"left": WD_ALIGN_PARAGRAPH.LEFT, "right": WD_ALIGN_PARAGRAPH.RIGHT, "center": WD_ALIGN_PARAGRAPH.CENTER}
# name, font, size, space before and after
STYLES = (
    ("Meta", SANS, 9, 0, 1),
    ("Remark", SANS, 8, 2, 6),
    ("Alert", SANS, 9, 4, 6),
    ("Cell", SANS, 8.5, 0.5, 0.5),
    ("Place", SANS, 10.5, 12, 0),
)
TABLE_STYLE = "ThreeLines"
HEADINGS = {1: (14, 14), 2: (12, 10), 3: (10.5, 8)}  # size and space before
THIN = 'w:val="single" w:sz="4" w:space="0" w:color="1B1F24"'
LEADING = 1.4  # line heights are fixed, as in official documents: with one in lines, pages would depend on the machine's fonts
MARGIN = 60  # twentieths of a point beside a cell


def render(shown: Document) -> bytes:
    """The document as a .docx file."""
    made = docx.Document()
    _styles(made)
    _properties(made, shown)
    writer = Writer(made, Pictures([b for b, _ in shown.blocks if isinstance(b, Figure)]))
    for k, (wide, blocks) in enumerate(oriented(shown.blocks)):
        section = made.sections[0] if k == 0 else made.add_section(WD_SECTION.NEW_PAGE)
        _page(section, wide)
        writer.width = LONG if wide else WIDTH
        for block, number in blocks:
            writer.write(block, number)
            if shown.part is Part.ANNEX and isinstance(block, Title):
                _contents(made, [n + b.text for b, n in shown.blocks if isinstance(b, Heading) and b.level == 1])
    _sources(made, shown)
    _running_heads(made.sections[0], shown)
    return repeatable(made)


def repeatable(made: WordDocument) -> bytes:
    """The file with one clock time in its archive, so that equal content gives equal bytes."""
    raw, out = io.BytesIO(), io.BytesIO()
    made.save(raw)
    with zipfile.ZipFile(raw) as read, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as written:
        for name in read.namelist():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            written.writestr(entry, read.read(name))
    return out.getvalue()


class Writer:
    """Blocks to the end of a document, one after another; `room` is the width that they have."""

    def __init__(self, made: WordDocument, pictures: Pictures, room: int = WIDTH) -> None:
        self.made, self.pictures, self.width = made, pictures, Length(room)
        self.marks = 0

    @singledispatchmethod
    def write(self, block: Block, number: str) -> None:
        raise TypeError(type(block).__name__)

    @write.register
    def _(self, block: Title, number: str) -> None:
        self.made.add_paragraph(block.text, "Title")
        if block.subtitle:
            self.made.add_paragraph(block.subtitle, "Subtitle")

    @write.register
    def _(self, block: Meta, number: str) -> None:
        for name, value in block.pairs:
            line = self.made.add_paragraph(style="Meta")
            line.add_run(f"{name}　").font.color.rgb = SOFT
            line.add_run(value)

    @write.register
    def _(self, block: Heading, number: str) -> None:
        self.made.add_paragraph(number + block.text, f"Heading {block.level}")

    @write.register
    def _(self, block: Paragraph, number: str) -> None:
        said = self.made.add_paragraph(style="Body Text")
        for run in block.parts:
            written = said.add_run(run.text)
            if run.strong:
                _font(written, SANS)

    @write.register
    def _(self, block: Table, number: str) -> None:
        self._caption(block, number, before=True)
        _table(self.made, block, self.width)
        self.made.add_paragraph(f"注：{block.note}" if block.note else "", "Remark")

    @write.register
    def _(self, block: Figure, number: str) -> None:
        line = self.made.add_paragraph(style="Picture")
        shape = line.add_run().add_picture(io.BytesIO(self.pictures.png(block)), width=min(WIDTH, self.width))
        shape._inline.docPr.set("descr", block.alt)  # python-docx has no way to say what a picture shows
        shape._inline.docPr.set("title", block.caption)
        self._caption(block, number, before=False)
        if block.note:
            self.made.add_paragraph(block.note, "Remark")

    def _caption(self, block: Table | Figure, number: str, *, before: bool) -> None:
        """`表 1　题目`: the number is a field that Word counts, under a bookmark that text can refer to."""
        kind, _, shown = number.partition(" ")
        line = self.made.add_paragraph(style="Caption")
        line.paragraph_format.keep_with_next = before
        self.marks += 1
        start, end = OxmlElement("w:bookmarkStart"), OxmlElement("w:bookmarkEnd")
        for mark in (start, end):
            mark.set(qn("w:id"), str(self.marks))
        start.set(qn("w:name"), f"_{block.id}"[:40].replace("-", "_"))  # at most 40 letters, figures and _
        line._p.append(start)
        line.add_run(f"{kind} ")
        _field(line, f"SEQ {kind} \\* ARABIC", shown)
        line._p.append(end)
        line.add_run(f"　{block.caption}")

    @write.register
    def _(self, block: Note, number: str) -> None:
        line = self.made.add_paragraph(style="Alert")
        word = line.add_run("注意　" if block.tone == "warning" else "说明　")
        word.font.color.rgb = ALARM if block.tone == "warning" else SOFT
        line.add_run(block.text)

    @write.register
    def _(self, block: PageBreak, number: str) -> None:
        self.made.add_page_break()

    @write.register
    def _(self, block: Signatures, number: str) -> None:
        for k, (name, lines) in enumerate(block.places):
            line = self.made.add_paragraph(f"{name}：", "Place")
            line.paragraph_format.keep_with_next = k + 1 < len(block.places)
            line.paragraph_format.space_after = Pt(16 * (lines - 1))
            _bordered(line)


# --- parts of the page ----------------------------------------------------------------------------------------------------


def _page(section: Section, wide: bool) -> None:
    long, short = Cm(29.7), Cm(21.0)
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = (long, short) if wide else (short, long)
    section.left_margin = section.right_margin = Cm(2.0) if wide else Cm(2.8)
    section.top_margin, section.bottom_margin = Cm(2.3), Cm(2.1)
    section.header_distance = section.footer_distance = Cm(1.2)


def _running_heads(section: Section, shown: Document) -> None:
    """Who may read it and that it is synthetic, above; the run and n/N, below. Later sections are linked to the first."""
    provenance = shown.provenance
    head = section.header.paragraphs[0]
    head.style = "Header"
    head.add_run(provenance.edition_name)
    if provenance.synthetic:
        head.add_run(f"　　{SYNTHETIC_BANNER}").font.color.rgb = ALARM
    foot = section.footer.paragraphs[0]
    foot.style = "Footer"
    foot.add_run(f"{provenance.footer()}　　第 ")
    _field(foot, "PAGE", "1")
    foot.add_run(" 页 / 共 ")
    _field(foot, "NUMPAGES", "1")
    foot.add_run(" 页")


def _contents(made: WordDocument, chapters: Sequence[str]) -> None:
    """The contents as a field: the chapters now, and with their pages once Word updates it."""
    made.add_paragraph("目录", "TOC Heading")
    line = made.add_paragraph(style="Meta")
    _field(line, r'TOC \o "1-1" \h \z \u', "\n".join(chapters))


def _sources(made: WordDocument, shown: Document) -> None:
    said = "；".join(f"{name} {value}" for name, value in shown.provenance.lines())
    made.add_paragraph(f"数据与方法来源：{said}", "Remark")
    if shown.policies:
        made.add_paragraph("口径选择", "Heading 1")
        for name, value in shown.policies:
            line = made.add_paragraph(style="Meta")
            line.add_run(f"{name}：").font.color.rgb = SOFT
            line.add_run(value)


def _table(made: WordDocument, block: Table, width: Length) -> None:
    """The table as XML at once: python-docx finds every cell anew, which takes seconds for a few hundred."""
    half_points = 16 if block.landscape else 15 if len(block.columns) > 7 else 17
    shares = _widths(block, width, half_points)
    body = block.rows or (("（无记录）", *[""] * (len(block.columns) - 1)),)
    rows = [_row([c.label for c in block.columns], block, shares, half_points, head=True)]
    rows += [_row(values, block, shares, half_points) for values in body]
    grid = "".join(f'<w:gridCol w:w="{w}"/>' for w in shares)
    made.element.body.insert_element_before(
        parse_xml(
            f'<w:tbl {nsdecls("w")}><w:tblPr><w:tblStyle w:val="{TABLE_STYLE}"/><w:tblW w:w="{sum(shares)}" w:type="dxa"/>'
            f'<w:jc w:val="center"/><w:tblLayout w:type="fixed"/>'
            f'<w:tblCellMar><w:left w:w="{MARGIN}" w:type="dxa"/><w:right w:w="{MARGIN}" w:type="dxa"/></w:tblCellMar>'
            f'<w:tblLook w:val="0020" w:firstRow="1"/>'
            f"<w:tblCaption w:val={quoteattr(block.caption)}/></w:tblPr><w:tblGrid>{grid}</w:tblGrid>{''.join(rows)}</w:tbl>"
        ),
        "w:sectPr",
    )


def _row(values: Sequence[str], block: Table, shares: Sequence[int], half_points: int, *, head: bool = False) -> str:
    """A row that is never cut by the end of a page; the head stands on every page."""
    line = f"<w:tcBorders><w:bottom {THIN}/></w:tcBorders>" if head else ""
    cells = "".join(
        f'<w:tc><w:tcPr><w:tcW w:w="{share}" w:type="dxa"/>{line}</w:tcPr><w:p><w:pPr><w:pStyle w:val="Cell"/>'
        f'{"<w:keepNext/>" if head else ""}<w:jc w:val="{column.align}"/></w:pPr>'
        f'<w:r><w:rPr><w:sz w:val="{half_points}"/></w:rPr><w:t xml:space="preserve">{escape(value)}</w:t></w:r></w:p></w:tc>'
        for value, column, share in zip(values, block.columns, shares, strict=True)
    )
    return f"<w:tr><w:trPr><w:cantSplit/>{'<w:tblHeader/>' if head else ''}</w:trPr>{cells}</w:tr>"


def _widths(block: Table, width: Length, half_points: int) -> list[int]:
    """The width of every column in twentieths of a point; a display column is half as wide as the type is high."""
    wanted = column_widths(block)
    fixed = [0 if stretched else round(w * half_points * 5) + MARGIN for w, stretched in wanted]
    shares = [w if stretched else 0 for w, stretched in wanted]
    left = max(round(width.twips) - sum(fixed), 0)
    return [f or int(left * s / sum(shares)) for f, s in zip(fixed, shares, strict=True)]


# --- styles and fields ----------------------------------------------------------------------------------------------------


def own_styles(made: WordDocument) -> None:
    """The styles that Word has not, where the document does not declare them itself."""
    styles = made.styles
    known = {style.name for style in styles}
    for name, font, size, before, after in STYLES:
        if name not in known:
            style = styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
            style.base_style = styles["Normal"]
            _paragraphs(style, font, size, before, after)
    if "Picture" not in known:
        picture = styles.add_style("Picture", WD_STYLE_TYPE.PARAGRAPH)
        picture.base_style = styles["Normal"]
        picture.paragraph_format.keep_with_next = True
        picture.paragraph_format.line_spacing = 1.0  # a fixed height would cut the picture
    for name in ("Caption", "Body Text", *(f"Heading {level}" for level in HEADINGS)):
        if name not in known:
            styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH).base_style = styles["Normal"]
    if TABLE_STYLE not in {style.style_id for style in styles}:
        lines = styles.add_style("Three Lines", WD_STYLE_TYPE.TABLE)
        lines.element.append(_three_lines())
        lines.element.set(qn("w:styleId"), TABLE_STYLE)


def _styles(made: WordDocument) -> None:
    """The look of a document that has no template."""
    styles = made.styles
    normal = styles["Normal"]
    _font(normal, SERIF, 10.5)
    normal.paragraph_format.space_after = Pt(0)
    normal.paragraph_format.line_spacing = Pt(LEADING * 10.5)
    own_styles(made)
    _paragraphs(styles["Body Text"], SERIF, 10.5, 0, 3)
    styles["Body Text"].paragraph_format.first_line_indent = Pt(21)
    styles["Body Text"].paragraph_format.widow_control = True
    for level, (size, before) in HEADINGS.items():
        _paragraphs(styles[f"Heading {level}"], SANS, size, before, 6)
        styles[f"Heading {level}"].paragraph_format.keep_with_next = True
    sizes = (("Title", 18, 6), ("Subtitle", 10.5, 8), ("Caption", 9.5, 3), ("Header", 8, 0), ("Footer", 8, 0))
    for name, size, after in sizes:
        _paragraphs(styles[name], SANS, size, 0, after)
        if name in ("Title", "Subtitle", "Caption"):
            styles[name].paragraph_format.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _unruled(styles["Title"])
    _paragraphs(styles["TOC Heading"], SANS, 12, 8, 4)


def _paragraphs(style: ParagraphStyle, font: str, size: float, before: float, after: float) -> None:
    _font(style, font, size)
    style.font.bold = style.font.italic = False
    style.font.color.rgb = RGBColor(0x1B, 0x1F, 0x24)
    style.paragraph_format.line_spacing = Pt(round(LEADING * size * 2) / 2)
    style.paragraph_format.space_before, style.paragraph_format.space_after = Pt(before), Pt(after)


def _font(styled: Any, name: str, size: float | None = None) -> None:
    """The font of Chinese and Latin letters alike; python-docx sets that of Latin letters only."""
    styled.font.name = name
    if size:
        styled.font.size = Pt(size)
    fonts = styled.element.get_or_add_rPr().get_or_add_rFonts()
    for script in ("w:ascii", "w:hAnsi", "w:eastAsia", "w:cs"):
        fonts.set(qn(script), name)
    for theme in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
        fonts.attrib.pop(qn(theme), None)


def _unruled(style: ParagraphStyle) -> None:
    """The template's title has a line below it."""
    properties = style.element.get_or_add_pPr()
    for border in properties.findall(qn("w:pBdr")):
        properties.remove(border)


def _border(side: str, eighths: int) -> Any:
    made = OxmlElement(f"w:{side}")
    for key, value in (("val", "single"), ("sz", str(eighths)), ("space", "0"), ("color", "1B1F24")):
        made.set(qn(f"w:{key}"), value)
    return made


def _three_lines() -> Any:
    """Borders of the table style: thick above and below; the thin line under the head stands in its cells."""
    properties = OxmlElement("w:tblPr")
    borders = OxmlElement("w:tblBorders")
    for side in ("top", "bottom"):
        borders.append(_border(side, 12))
    properties.append(borders)
    return properties


def _bordered(line: WordParagraph) -> None:
    borders = OxmlElement("w:pBdr")
    # between, too: of neighbours with equal borders Word draws the last one's only
    borders.append(_border("bottom", 4))
    borders.append(_border("between", 4))
    line._p.get_or_add_pPr().append(borders)


def _field(line: WordParagraph, code: str, shown: str) -> None:
    """A field with what it shows until Word counts anew."""
    for kind, words in (("begin", ""), ("", code), ("separate", ""), ("shown", shown), ("end", "")):
        run = line.add_run(words if kind == "shown" else "")
        if kind == "":
            told = OxmlElement("w:instrText")
            told.set(qn("xml:space"), "preserve")
            told.text = f" {words} "
            run._r.append(told)
        elif kind != "shown":
            mark = OxmlElement("w:fldChar")
            mark.set(qn("w:fldCharType"), kind)
            run._r.append(mark)


def _properties(made: WordDocument, shown: Document) -> None:
    core = made.core_properties
    when = datetime(shown.provenance.last_year, 12, 31)
    core.title, core.subject = shown.title, shown.provenance.title
    core.author = core.last_modified_by = f"speceval {shown.provenance.version}"
    core.created = core.modified = when
    core.language, core.comments, core.keywords, core.revision = "zh-CN", "", shown.provenance.run, 1
