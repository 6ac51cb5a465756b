"""The twelve specialties of a synthetic region: plausible magnitudes, invented for this toolkit, from no hospital.

Costs and LOS are what a physician would expect of a prefecture city; codes of diagnoses and procedures have the shape of
ICD-10 and ICD-9-CM-3 and are chosen without clinical meaning.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Specialty:
    """One specialty.

    Attributes
    ----------
    departments
        (code, name) of the discharge departments that belong to it.
    mdc
        First letter of its synthetic DRGs.
    mean_cost
        Mean cost of a stay in the first year, yuan; `mean_los` in days.
    mortality
        Share of its stays that end in death, at level 1.
    surgical_groups
        Shares of its adjacent DRGs that are operative, procedural (操作), medical.
    ages
        Mean and SD of age in years; `youngest` and `oldest` bound it.
    male, emergency
        Shares of the stays.
    demand
        Relative number of discharges.
    """

    id: str
    name_zh: str
    departments: tuple[tuple[str, str], ...]
    mdc: str
    mean_cost: float
    mean_los: float
    mortality: float
    surgical_groups: tuple[float, float, float]
    ages: tuple[float, float]
    male: float
    emergency: float
    demand: float
    diagnoses: tuple[str, ...]
    operations: tuple[str, ...]
    youngest: int = 15
    oldest: int = 96

    @property
    def surgical(self) -> bool:
        """外科为主: most of its adjacent DRGs are operative."""
        return self.surgical_groups[0] >= 0.5


SPECIALTIES: tuple[Specialty, ...] = (
    Specialty(
        id="cardiology",
        name_zh="心血管内科",
        departments=(("03.04", "心血管内科"),),
        mdc="F",
        mean_cost=16500,
        mean_los=6.8,
        mortality=0.0075,
        surgical_groups=(0.15, 0.40, 0.45),
        ages=(66, 12),
        male=0.58,
        emergency=0.38,
        demand=1.3,
        diagnoses=("I21.000", "I20.000", "I25.100", "I50.900", "I48.900", "I10.x00", "I47.100", "I42.000"),
        operations=("36.0600", "37.2600", "37.8300", "37.3400"),
    ),
    Specialty(
        id="gastroenterology",
        name_zh="消化内科",
        departments=(("03.02", "消化内科"),),
        mdc="G",
        mean_cost=9600,
        mean_los=6.3,
        mortality=0.003,
        surgical_groups=(0.05, 0.45, 0.50),
        ages=(58, 15),
        male=0.55,
        emergency=0.30,
        demand=1.2,
        diagnoses=("K25.400", "K29.500", "K50.900", "K51.900", "K63.500", "K85.900", "K92.200", "K74.600"),
        operations=("45.4300", "43.4100", "51.8800", "42.3300"),
    ),
    Specialty(
        id="general_surgery",
        name_zh="普通外科",
        departments=(("04.01", "普通外科"),),
        mdc="H",
        mean_cost=14500,
        mean_los=7.4,
        mortality=0.0035,
        surgical_groups=(0.70, 0.10, 0.20),
        ages=(56, 15),
        male=0.54,
        emergency=0.32,
        demand=1.3,
        diagnoses=("K80.000", "K35.800", "K40.900", "K56.700", "C16.900", "C18.900", "K81.000", "E04.100"),
        operations=("51.2300", "47.0100", "53.1700", "45.7300", "43.6x00", "06.2x00"),
    ),
    Specialty(
        id="nephrology",
        name_zh="肾病学",
        departments=(("03.06", "肾病学"),),
        mdc="L",
        mean_cost=10400,
        mean_los=8.2,
        mortality=0.005,
        surgical_groups=(0.05, 0.30, 0.65),
        ages=(58, 15),
        male=0.56,
        emergency=0.22,
        demand=0.7,
        diagnoses=("N18.500", "N04.900", "N03.900", "N17.900", "N10.x00", "E11.200", "N02.801", "I12.000"),
        operations=("39.2700", "38.9500", "55.2300"),
    ),
    Specialty(
        id="neurology",
        name_zh="神经内科",
        departments=(("03.03", "神经内科"),),
        mdc="B",
        mean_cost=12800,
        mean_los=9.1,
        mortality=0.0075,
        surgical_groups=(0.05, 0.20, 0.75),
        ages=(66, 13),
        male=0.57,
        emergency=0.42,
        demand=1.3,
        diagnoses=("I63.900", "I61.900", "G40.900", "G20.x00", "I67.200", "G45.900", "H81.100", "G35.x00"),
        operations=("39.7400", "00.6300", "88.4100"),
    ),
    Specialty(
        id="neurosurgery",
        name_zh="神经外科",
        departments=(("04.02", "神经外科"),),
        mdc="B",
        mean_cost=24000,
        mean_los=12.4,
        mortality=0.016,
        surgical_groups=(0.70, 0.10, 0.20),
        ages=(56, 15),
        male=0.60,
        emergency=0.55,
        demand=0.5,
        diagnoses=("S06.500", "I60.900", "I61.000", "D32.000", "S06.400", "I67.100", "G91.900", "D33.000"),
        operations=("01.2400", "01.3100", "39.5100", "01.5100", "02.3400"),
    ),
    Specialty(
        id="obstetrics_gynaecology",
        name_zh="妇产科",
        departments=(("05.01", "妇科"), ("05.02", "产科")),
        mdc="O",
        mean_cost=8600,
        mean_los=4.9,
        mortality=0.0002,
        surgical_groups=(0.60, 0.10, 0.30),
        ages=(31, 6),
        male=0.0,
        emergency=0.25,
        demand=1.4,
        youngest=18,
        oldest=49,
        diagnoses=("O82.000", "O80.000", "O34.200", "O14.900", "D25.900", "N80.100", "N83.200", "O42.000"),
        operations=("74.1x01", "68.2900", "65.2500", "73.6x00"),
    ),
    Specialty(
        id="oncology",
        name_zh="肿瘤科",
        departments=(("19", "肿瘤科"),),
        mdc="R",
        mean_cost=14200,
        mean_los=8.0,
        mortality=0.006,
        surgical_groups=(0.10, 0.25, 0.65),
        ages=(62, 11),
        male=0.56,
        emergency=0.06,
        demand=0.9,
        diagnoses=("C34.900", "C22.000", "C20.x00", "C15.900", "C16.200", "C73.x00", "C78.700", "C11.900"),
        operations=("99.2502", "38.9300", "92.2900"),
    ),
    Specialty(
        id="ophthalmology",
        name_zh="眼科",
        departments=(("10", "眼科"),),
        mdc="C",
        mean_cost=7300,
        mean_los=3.0,
        mortality=0.00005,
        surgical_groups=(0.80, 0.10, 0.10),
        ages=(63, 15),
        male=0.48,
        emergency=0.06,
        demand=0.9,
        diagnoses=("H25.900", "H40.900", "H33.000", "H11.000", "H26.900", "H35.300", "H04.500", "H50.000"),
        operations=("13.4100", "12.6400", "14.7400", "11.3200"),
    ),
    Specialty(
        id="orthopaedics",
        name_zh="骨科",
        departments=(("04.03", "骨科"),),
        mdc="I",
        mean_cost=19500,
        mean_los=9.3,
        mortality=0.001,
        surgical_groups=(0.70, 0.05, 0.25),
        ages=(57, 17),
        male=0.52,
        emergency=0.33,
        demand=1.2,
        diagnoses=("S72.000", "M17.900", "M51.200", "S82.200", "M16.900", "S52.500", "M48.000", "S32.000"),
        operations=("81.5400", "81.5100", "79.3500", "80.5100", "79.3600"),
    ),
    Specialty(
        id="respiratory",
        name_zh="呼吸内科",
        departments=(("03.01", "呼吸内科"),),
        mdc="E",
        mean_cost=10900,
        mean_los=8.4,
        mortality=0.009,
        surgical_groups=(0.05, 0.25, 0.70),
        ages=(65, 14),
        male=0.62,
        emergency=0.35,
        demand=1.3,
        diagnoses=("J44.100", "J18.900", "J15.900", "J45.900", "J96.000", "J84.100", "J47.x00", "I26.900"),
        operations=("33.2400", "34.0400", "96.7201"),
    ),
    Specialty(
        id="urology",
        name_zh="泌尿外科",
        departments=(("04.04", "泌尿外科"),),
        mdc="L",
        mean_cost=13600,
        mean_los=6.0,
        mortality=0.0012,
        surgical_groups=(0.75, 0.10, 0.15),
        ages=(58, 14),
        male=0.70,
        emergency=0.15,
        demand=0.8,
        diagnoses=("N20.000", "N20.100", "N13.200", "C67.900", "C64.x00", "N21.000", "N28.100", "N35.900"),
        operations=("56.0x00", "55.0400", "57.4900", "55.5100"),
    ),
)
