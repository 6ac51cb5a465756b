"""The catalogue of data-quality rules: adding one is one declaration here or in the file beside."""

from __future__ import annotations

from toolkit.data.quality.base import SCOPES, Fate, Rule
from toolkit.data.quality.records import RECORD_RULES

READER_RULES = (
    Rule(id="F03", name_zh="文件不可读", fate=Fate.REJECTED, source="数据质量规则目录 F02–F04",
         message_zh="编码无法识别、含乱码、为空、损坏、过大，或缺少、重复必需的列"),
    Rule(id="F05", name_zh="行结构错误", fate=Fate.QUARANTINED, source="数据质量规则目录",
         message_zh="行列数与表头不符，或引号未闭合"),
)  # fmt: skip

DATASET_RULES = (
    Rule(id="K05", name_zh="同一住院内容不同", fate=Fate.QUARANTINED, source="数据质量规则目录",
         message_zh="同一机构、病案号、住院次数出现多条内容不同的记录", needs=("record", "visit")),
    Rule(id="K01", name_zh="机构不在名录内", fate=Fate.QUARANTINED, source="数据质量规则目录",
         message_zh="机构代码不在名录内", needs=("hospital",)),
    Rule(id="K04", name_zh="完全重复的记录", fate=Fate.EXCLUDED, source="数据质量规则目录",
         message_zh="完全重复的记录，保留一条", needs=("record", "visit")),
)  # fmt: skip

# Order of the waterfall: K04 (重复) first, then quarantine, then exclusion.
CATALOGUE: dict[str, Rule] = {}
for _rule in (*READER_RULES, DATASET_RULES[2], *DATASET_RULES[:2], *RECORD_RULES):
    if _rule.id in CATALOGUE:
        raise RuntimeError(f"rule {_rule.id} declared twice")
    CATALOGUE[_rule.id] = _rule

BITS: dict[str, int] = {id_: 1 << position for position, id_ in enumerate(CATALOGUE)}

__all__ = ["BITS", "CATALOGUE", "DATASET_RULES", "READER_RULES", "RECORD_RULES", "SCOPES", "Fate", "Rule"]
