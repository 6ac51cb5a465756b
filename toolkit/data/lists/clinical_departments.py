"""Names of 诊疗科目 by their code, and by the words that hospitals use, to propose specialties from departments.

A proposal for a person: which departments make up a specialty is the programme's decision. Codes and names are those in common
use (《医疗机构诊疗科目名录》 and its later additions), to be checked against the programme's own list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from toolkit.written_form import name_form


@dataclass(frozen=True)
class ClinicalDepartment:
    """A 诊疗科目: id of the proposed specialty, its code, Chinese name, words that mean it, and whether it mostly operates."""

    id: str
    code: str
    name_zh: str
    words: str
    surgical: bool = False


# the more particular before the more general: 心脏外科 before 心内, 神经外科 before 神经内科, 妇产 before 妇, 内科 last
DEPARTMENTS = (
    ClinicalDepartment("respiratory", "03.01", "呼吸内科", r"呼吸"),
    ClinicalDepartment("gastroenterology", "03.02", "消化内科", r"消化"),
    ClinicalDepartment("neurosurgery", "04.02", "神经外科", r"神经外|脑外", True),
    ClinicalDepartment("neurology", "03.03", "神经内科", r"神经内|神经科|脑病"),
    ClinicalDepartment("cardiac-surgery", "04.06", "心脏大血管外科", r"心脏外|心外|心脏大血管|心血管外|血管外", True),
    ClinicalDepartment("cardiology", "03.04", "心血管内科", r"心内|心血管|心脏|冠心"),
    ClinicalDepartment("haematology", "03.05", "血液内科", r"血液"),
    ClinicalDepartment("nephrology", "03.06", "肾病学", r"肾内|肾病|肾脏"),
    ClinicalDepartment("endocrinology", "03.07", "内分泌", r"内分泌|糖尿病"),
    ClinicalDepartment("rheumatology", "03.08", "免疫学", r"风湿|免疫"),
    ClinicalDepartment("geriatrics", "03.10", "老年病", r"老年"),
    ClinicalDepartment("orthopaedics", "04.03", "骨科", r"骨|脊柱|关节|创伤", True),
    ClinicalDepartment("urology", "04.04", "泌尿外科", r"泌尿", True),
    ClinicalDepartment("thoracic-surgery", "04.05", "胸外科", r"胸外|胸心", True),
    ClinicalDepartment("burns", "04.07", "烧伤科", r"烧伤", True),
    ClinicalDepartment("plastic-surgery", "04.08", "整形外科", r"整形", True),
    ClinicalDepartment("paediatric-surgery", "08", "小儿外科", r"小儿外|儿外", True),
    ClinicalDepartment("general-surgery", "04.01", "普通外科", r"普外|普通外|胃肠外|肝胆|甲乳|乳腺|肛肠|外科", True),
    ClinicalDepartment("gynaecology", "05.01", "妇科", r"妇科|妇瘤", True),
    ClinicalDepartment("obstetrics", "05.02", "产科", r"产科", True),
    ClinicalDepartment("obstetrics-gynaecology", "05", "妇产科", r"妇产|妇儿", True),
    ClinicalDepartment("neonatology", "07.01", "新生儿专业", r"新生儿"),
    ClinicalDepartment("paediatrics", "07", "儿科", r"儿科|小儿|儿内"),
    ClinicalDepartment("ophthalmology", "10", "眼科", r"眼", True),
    ClinicalDepartment("otolaryngology", "11", "耳鼻咽喉科", r"耳鼻|咽喉|头颈", True),
    ClinicalDepartment("stomatology", "12", "口腔科", r"口腔|颌面", True),
    ClinicalDepartment("dermatology", "13", "皮肤科", r"皮肤"),
    ClinicalDepartment("psychiatry", "15", "精神科", r"精神|心理|睡眠"),
    ClinicalDepartment("infectious-diseases", "16", "传染科", r"感染|传染|肝病|结核"),
    ClinicalDepartment("oncology", "19", "肿瘤科", r"肿瘤|放疗|化疗"),
    ClinicalDepartment("emergency", "20", "急诊医学科", r"急诊"),
    ClinicalDepartment("rehabilitation", "21", "康复医学科", r"康复"),
    ClinicalDepartment("pain", "27", "疼痛科", r"疼痛"),
    ClinicalDepartment("critical-care", "28", "重症医学科", r"重症|ICU"),
    ClinicalDepartment("chinese-medicine", "50", "中医科", r"中医|针灸|推拿"),
    ClinicalDepartment("internal-medicine", "03", "内科", r"内科|全科|综合"),
)


def clinical_department(department: str) -> ClinicalDepartment | None:
    """The 诊疗科目 that a department's code or name means, or None where that is not clear."""
    form = name_form(department)
    if re.fullmatch(r"0[1-9]\d\d", form):  # 0304 for 03.04
        form = f"{form[:2]}.{form[2:]}"
    coded = [one for one in DEPARTMENTS if form == one.code or form.startswith(one.code + ".")]
    if coded:
        return max(coded, key=lambda one: len(one.code))
    if re.fullmatch(r"[0-9A-Z._-]+", form):
        return next((one for one in DEPARTMENTS if one.id == "critical-care" and form == "ICU"), None)
    return next((one for one in DEPARTMENTS if re.search(one.words, form)), None)
