"""A stage sees the parameters that it declares, and no others."""

import pytest
import rows

from toolkit.runs.heeds import chosen, covers, narrowed

CYCLES = {"before": {"first": 2019, "last": 2021}, "after": {"first": 2022, "last": 2024}}


def test_what_is_not_declared_cannot_be_read():
    params = rows.params(cycles=CYCLES, title="一")
    seen = narrowed(params, ("cycles", "years", "projects", "reference.scope", "change.comparison.same_level"))
    assert seen.reference.scope == params.reference.scope
    assert seen.change.comparison.same_level
    assert seen.all_years == (2019, 2020, 2021, 2022, 2023, 2024)
    for read in (
        lambda p: p.title,
        lambda p: p.reference.minimum_cases,
        lambda p: p.change.primary,
        lambda p: p.change.comparison.minimum_units,
        lambda p: p.trimming.on("frozen"),
    ):
        read(params)
        with pytest.raises(AttributeError):
            read(seen)


def test_a_copy_with_another_choice_sees_no_more():
    seen = narrowed(rows.params(), ("reference.scope", "trimming"))
    other = seen.model_copy(update={"reference": seen.reference.model_copy(update={"scope": "region"})})
    assert other.reference.scope == "region"
    assert other.trimming.on("contemporaneous") == "none"
    with pytest.raises(AttributeError):
        _ = other.reference.minimum_cases


def test_a_name_that_is_no_parameter_is_told():
    with pytest.raises(ValueError, match="scoope"):
        narrowed(rows.params(), ("reference.scoope",))


def test_the_values_of_a_key_stand_by_name():
    params = rows.params(price_index={2022: 1.5}, data={"currency": "元"})
    assert chosen(params, ("price_index", "reference.scope", "data.synthetic.seed")) == {
        "price_index.2022": 1.5,
        "reference.scope": params.reference.scope,
        "data.synthetic": None,
    }


@pytest.mark.parametrize(
    ("heeded", "name", "does"),
    [
        ("reference", "reference.scope", True),
        ("reference.scope", "reference.scope", True),
        ("reference.scope", "reference.minimum_cases", False),
        ("data.synthetic.seed", "data.synthetic", True),
        ("data", "data_of_another", False),
    ],
)
def test_a_section_means_all_of_it(heeded, name, does):
    assert covers(heeded, name) is does
