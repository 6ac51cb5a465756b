"""The wheel works by itself: installed where no checkout is near, it evaluates, explains and complains as a checkout does."""

from __future__ import annotations

import json
import shutil
import zipfile

import pytest
from installed import ROOT, build_wheel, install


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installation(wheel, tmp_path_factory):
    return install(wheel, tmp_path_factory.mktemp("installed") / "环境 env")


def test_it_holds_every_notebook_parameter_file_and_rule_of_the_checkout_and_no_output_of_a_run(wheel):
    shipped = {
        name.removeprefix("toolkit/shipped/")
        for name in zipfile.ZipFile(wheel).namelist()
        if name.startswith("toolkit/shipped/")
    }
    wanted = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("params/**/*.yaml"), ROOT / "requirements.lock"]
    assert {path.relative_to(ROOT).as_posix() for path in wanted} <= shipped
    assert not [name for name in shipped if "reports" in name or "checkpoint" in name]


def test_it_says_that_its_types_are_to_be_believed(wheel):
    assert "toolkit/py.typed" in zipfile.ZipFile(wheel).namelist()


def test_no_checkout_is_near(installation, tmp_path):
    where = installation.run("python", "-c", "import toolkit; print(toolkit.__file__)", cwd=tmp_path)
    assert where.stdout.strip() == str(installation.package / "__init__.py"), where.stderr


def test_its_code_has_the_same_hash_as_the_checkouts(installation, tmp_path):
    # a run made with the wheel verifies with a checkout of the same state
    code = "from toolkit.running.manifest import code_hash; print(code_hash())"
    from toolkit.running.manifest import code_hash

    assert installation.run("python", "-c", code, cwd=tmp_path).stdout.strip() == code_hash()


def test_what_it_keeps_for_itself_lies_with_the_user_and_not_in_the_package(installation, tmp_path):
    where = installation.run("python", "-c", "from toolkit.resources import kept; print(kept())", cwd=tmp_path)
    assert where.stdout.strip() == str(tmp_path / ".home/.cache/speceval")


def test_a_parameter_file_and_the_catalogue_come_from_any_folder(installation, tmp_path):
    assert installation.run("speceval", "init", "own.yaml", cwd=tmp_path).returncode == 0
    assert "run:" in (tmp_path / "own.yaml").read_text("utf-8")
    assert "费用消耗指数" in installation.run("speceval", "indicators", cwd=tmp_path).stdout


@pytest.mark.slow(seconds=180)
def test_the_demo_ends_in_reports_in_the_folder_where_it_was_called(installation, tmp_path):
    done = installation.run("speceval", "demo", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert {report["state"] for report in said["reports"]} == {"DONE"}, said
    index = (tmp_path / "reports/demo/index.html").read_text("utf-8")
    assert "演示" in index
    manifest = json.loads((tmp_path / "reports/demo/manifest.json").read_text("utf-8"))
    assert manifest["identity"]["software"]["lock"]  # the lock is in the wheel
    assert installation.run("speceval", "verify", "reports/demo", cwd=tmp_path).returncode == 0
    verdicts = installation.run(
        "python",
        "-c",
        "from toolkit import open_run; print(open_run('reports/demo').changes['verdict'].notna().all())",
        cwd=tmp_path,
    )
    assert verdicts.stdout.strip() == "True", verdicts.stderr


def test_a_package_without_its_data_says_so_once_with_the_remedy(installation, wheel, tmp_path):
    broken = install(wheel, tmp_path / "broken")
    shutil.rmtree(broken.package / "shipped")
    done = broken.run("speceval", "demo", cwd=tmp_path)
    assert done.returncode == 1
    assert "程序包不完整，缺少 params/demo.yaml" in done.stderr
    assert "the package lacks params/demo.yaml" in done.stderr
    assert "重新安装" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "reports").exists()
