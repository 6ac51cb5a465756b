"""Rules over files and over lines that are not yet records (规则 F)."""

from __future__ import annotations

from toolkit.data.quality.base import Fate, Level, Rule
from toolkit.data.quality.codes import SCIENTIFIC_IDENTIFIER, SLIPPED_CELL

READER = "toolkit.data.reading.files, toolkit.data.reading.text_rows"
# a small file of the toolkit's own format
HEAD = "hospital,year,los_days,died,drg\n"
SOUND = HEAD + "0001,2022,5,0,FA11\n"

FILE_RULES = (
    Rule(
        id="F01",
        name_zh="文件重复提交",
        fate=Fate.REJECTED,
        level=Level.FILE,
        applied="toolkit.data.intake.take_in",
        message_zh="内容完全相同的文件已经提交，本次不接收",
        passes={"a.csv": SOUND, "b.csv": HEAD + "0001,2022,6,0,FA11\n"},
        fails={"a.csv": SOUND, "b.csv": SOUND},
    ),
    Rule(
        id="F02",
        name_zh="文件过大或压缩异常",
        fate=Fate.REJECTED,
        level=Level.FILE,
        applied=READER,
        message_zh="文件过大、压缩异常、为空或损坏，未读取",
    ),
    Rule(
        id="F03",
        name_zh="文件编码无法识别",
        fate=Fate.REJECTED,
        level=Level.FILE,
        applied=READER,
        message_zh="文件编码无法识别或含乱码，请以 UTF-8 或 GB18030 重新导出",
        passes={"a.csv": SOUND.replace("FA11", "心")},
        fails={"a.csv": SOUND.replace("FA11", "锟斤拷")},
    ),
    Rule(
        id="F04",
        name_zh="缺少或重复的列",
        fate=Fate.REJECTED,
        level=Level.FILE,
        applied=READER,
        message_zh="缺少、重复或无法确定必需的列",
        passes={"a.csv": SOUND},
        fails={"a.csv": "hospital,year,los_days,drg\n0001,2022,5,FA11\n"},
    ),
    Rule(
        id="F05",
        name_zh="行结构错误",
        fate=Fate.QUARANTINED,
        level=Level.LINE,
        applied=READER,
        message_zh="行列数与表头不符，或引号未闭合；占比超过界限时拒收整个文件",
        thresholds=("quality.ragged_share",),
        passes={"a.csv": SOUND * 1},
        fails={"a.csv": SOUND + "0001,2022,5,0,FA11\n" * 999 + "0001,2022,5\n"},
    ),
    Rule(
        id="F06",
        name_zh="与报送说明不符",
        fate=Fate.REJECTED,
        level=Level.FILE,
        inputs=("data.cover_sheet",),
        applied="toolkit.data.accounts.file_checks",
        message_zh="文件的行数、总费用合计或各月出院例数与报送说明不符",
    ),
    SCIENTIFIC_IDENTIFIER,
    Rule(
        id="F08",
        name_zh="手术操作编码末尾的 0 丢失",
        fate=Fate.REJECTED,
        level=Level.FILE,
        applied="toolkit.data.reading.text_rows, toolkit.data.accounts.file_checks",
        thresholds=("quality.lost_zero_share",),
        message_zh="手术操作编码末尾的 0 已丢失（如 36.10 变为 36.1），请以文本格式导出",
    ),
    Rule(
        id="F09",
        name_zh="文件含直接标识信息",
        fate=Fate.WARNED,
        level=Level.FILE,
        applied="toolkit.data.accounts.file_checks",
        message_zh="文件含直接标识信息，已在接收时删除，未入库",
        passes={"a.csv": SOUND},
        fails={"a.csv": "hospital,year,los_days,died,drg,A11\n0001,2022,5,0,FA11,x\n"},
    ),
    SLIPPED_CELL,
    Rule(
        id="F11",
        name_zh="整行重复的文件",
        fate=Fate.REJECTED,
        level=Level.FILE,
        applied="toolkit.data.accounts.file_checks",
        message_zh="没有病案号的文件中每一行都重复出现，疑似重复导出",
        source="无病案号时代替规则K04",
    ),
    Rule(
        id="F12",
        name_zh="行数恰为表格软件的上限",
        fate=Fate.WARNED,
        level=Level.FILE,
        applied="toolkit.data.accounts.file_checks",
        message_zh="行数恰为 Excel 的上限（65,536 或 1,048,576 行），疑被截断，请与出院登记核对",
        source="表格软件的行数上限",
    ),
)
