"""Who is let in: `fnet promote` on figures that are logged."""

import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from fnet_cli.main import main
from fnet_evaluate.registry.logged import read_items
from fnet_evaluate.registry.promotion import promote
from fnet_mlflow.registry.aliases import move_alias, read_alias
from fnet_mlflow.registry.evaluations import read_evaluations
from tests.promotion.conftest import log_ndcg

Versions = Callable[[int], None]


def champion(client: MlflowClient, alias: str = "champion") -> int | None:
    version = client.get_registered_model("fnet").aliases.get(alias)
    return None if version is None else int(version)


def decisions(client: MlflowClient, version: int) -> list[str]:
    tags = client.get_model_version("fnet", str(version)).tags
    return [tags[key] for key in sorted(tags) if key.startswith("fnet.decision.")]


def require(version: int, *requirements: str, **options: str) -> list[str]:
    flags = [word for text in requirements for word in ("--require", text)]
    named = [word for name, value in options.items() for word in (f"--{name}", value)]
    return ["promote", f"models:/fnet/{version}", *flags, *named]


def test_a_figure_above_the_number_lets_a_version_in(
    client: MlflowClient, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(1)
    log_ndcg(1, 0.5)
    assert main(require(1, "ndcg@10>=0.42")) == 0
    first, header, line = capsys.readouterr().out.splitlines()
    assert first == "models:/fnet/1 is champion now; before: no version"
    assert header.split() == ["REQUIREMENT", "GROUNDS"]
    assert line.startswith("met  ndcg@10>=0.42  ndcg@10 0.5000 [0.4")
    assert champion(client) == 1


def test_a_figure_below_the_number_is_refused_with_the_figures_and_status_1(
    client: MlflowClient, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(1)
    log_ndcg(1, 0.4)
    assert main(require(1, "ndcg@10>=0.42")) == 1
    first, _, line = capsys.readouterr().out.splitlines()
    assert first == "models:/fnet/1 is refused; champion stays no version"
    assert line.startswith("NOT MET  ndcg@10>=0.42  ndcg@10 0.4000 [0.3")
    assert champion(client) is None


@pytest.mark.parametrize(
    ("around", "requirement", "met"),
    [
        (0.30, "ndcg@10>=champion", False),  # worse
        (0.498, "ndcg@10>=champion", True),  # a little less, and no more than noise
        (0.502, "ndcg@10>champion", False),  # a little more, and no more than noise
    ],
)
def test_a_champion_is_compared_by_the_interval_of_the_paired_difference(
    client: MlflowClient, versions: Versions, around: float, requirement: str, met: bool
) -> None:
    versions(2)
    log_ndcg(1, 0.5)
    log_ndcg(2, around)
    client.set_registered_model_alias("fnet", "champion", "1")
    decision = promote("models:/fnet/2", require=[requirement])
    [check] = decision.checks
    assert check.met is met
    assert check.figure is not None
    assert check.figure.value == pytest.approx(around - 0.5)
    assert check.compared == decision.before == "models:/fnet/1"
    assert champion(client) == (2 if met else 1)


def test_every_requirement_must_be_met(client: MlflowClient, versions: Versions) -> None:
    versions(2)
    log_ndcg(1, 0.3)
    log_ndcg(2, 0.35)
    client.set_registered_model_alias("fnet", "champion", "1")
    decision = promote("models:/fnet/2", require=["ndcg@10>=champion", "ndcg@10>=0.42"])
    assert [check.met for check in decision.checks] == [True, False]
    assert champion(client) == 1


def test_a_version_can_be_compared_with_another_alias(
    client: MlflowClient, versions: Versions
) -> None:
    versions(2)
    log_ndcg(1, 0.5)
    log_ndcg(2, 0.6)
    client.set_registered_model_alias("fnet", "staging", "1")
    assert promote("models:/fnet/2", require=["ndcg@10>staging"]).stands
    assert champion(client) == 2


def test_the_first_champion_is_let_in_by_a_number(
    client: MlflowClient, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(1)
    log_ndcg(1, 0.5)
    assert main(require(1, "ndcg@10>=champion")) == 1
    assert 'the first one needs a number, as "ndcg@10>=0.42"' in capsys.readouterr().out
    assert champion(client) is None
    assert main(require(1, "ndcg@10>=champion", "ndcg@10>=0.42")) == 0
    assert "no version is champion yet: numbers alone let the first" in capsys.readouterr().out
    assert champion(client) == 1


def test_the_champion_itself_stays_what_it_is(
    client: MlflowClient, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(1)
    log_ndcg(1, 0.5)
    arguments = require(1, "ndcg@10>=champion", "ndcg@10>=0.42")
    assert main(arguments) == main(arguments) == 0
    assert "models:/fnet/1 is champion already" in capsys.readouterr().out
    assert main(["promote", "models:/fnet", "--rollback"]) == 2


def test_no_evaluation_is_a_refusal_that_says_how_to_make_one(
    client: MlflowClient, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(2)
    assert main(require(2, "ndcg@10>=0.42")) == 1
    assert "no ndcg@10 of models:/fnet/2 is logged, only nothing" in capsys.readouterr().out
    log_ndcg(2, 0.5)
    assert main(require(2, "ndgc@10>=0.42")) == 1
    assert "only ndcg@10, recall@1 on dev.parquet (" in capsys.readouterr().out

    client.set_registered_model_alias("fnet", "champion", "1")
    assert main(require(2, "ndcg@10>=champion")) == 1
    told = capsys.readouterr().out
    assert "no ndcg@10 of models:/fnet/1 on dev.parquet (" in told
    assert "only nothing: fnet evaluate models:/fnet/1 --data dev.parquet" in told
    assert champion(client) == 1


def test_a_champion_evaluated_on_other_data_is_no_comparison(
    client: MlflowClient, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(2)
    log_ndcg(1, 0.5, data="old.parquet")
    log_ndcg(2, 0.6, data="new.parquet")
    client.set_registered_model_alias("fnet", "champion", "1")
    assert main(require(2, "ndcg@10>=champion")) == 1
    assert "no ndcg@10 of models:/fnet/1 on new.parquet" in capsys.readouterr().out


def test_figures_of_several_data_sets_need_one_to_be_named(
    client: MlflowClient, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(1)
    log_ndcg(1, 0.3, data="hard.parquet")
    log_ndcg(1, 0.6, data="easy.parquet")
    assert main(require(1, "ndcg@10>=0.42")) == 2
    error = capsys.readouterr().err
    assert "hard.parquet (" in error
    assert "easy.parquet (" in error
    assert main(require(1, "ndcg@10>=0.42", data="hard.parquet")) == 1
    assert main(require(1, "ndcg@10>=0.42", data="nowhere.parquet")) == 1
    assert "on nowhere.parquet is logged" in capsys.readouterr().out
    decision = promote("models:/fnet/1", require=["ndcg@10>=0.42"], data=Path("easy.parquet"))
    [check] = decision.checks
    assert decision.stands
    assert check.data_digest is not None
    assert promote("models:/fnet/1", require=["ndcg@10>=0.42"], data=check.data_digest[:8]).stands


def test_the_decision_and_its_grounds_stand_on_the_version(
    client: MlflowClient, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    versions(1)
    log_ndcg(1, 0.4)
    promote("models:/fnet/1", require=["ndcg@10>=0.42"])
    promote("models:/fnet/1", require=["ndcg@10>=0.42"], force=True)
    promote("models:/fnet/1", require=["ndcg@10>=0.3"])
    refused, forced, unchanged = decisions(client, 1)
    assert refused.startswith(
        "refused by ada; champion was no version: ndcg@10>=0.42 not met: ndcg@10 0.4000 [0.3"
    )
    assert forced.startswith("promoted, forced by ada; champion was no version: ndcg@10>=0.42 not")
    assert unchanged.startswith("unchanged by ada; champion was models:/fnet/1: ndcg@10>=0.3 met")


def test_force_lets_in_what_nobody_evaluated(client: MlflowClient, versions: Versions) -> None:
    versions(1)
    assert main(["promote", "models:/fnet/1", "--force"]) == 0
    assert champion(client) == 1
    assert decisions(client, 1)[0].startswith("promoted, forced by ")


def test_force_that_overrules_nothing_is_not_called_forced(
    client: MlflowClient, versions: Versions
) -> None:
    versions(1)
    log_ndcg(1, 0.5)
    assert not promote("models:/fnet/1", require=["ndcg@10>=0.42"], force=True).forced


def test_rollbacks_walk_back_and_promotions_walk_on(
    client: MlflowClient, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(4)
    for version in (1, 2, 3):
        assert main(["promote", f"models:/fnet/{version}", "--force"]) == 0
    rollback = ["promote", "models:/fnet", "--rollback"]
    assert main(rollback) == 0
    assert champion(client) == 2
    assert "models:/fnet/2 is champion again; before: models:/fnet/3" in capsys.readouterr().out
    assert main(["promote", "models:/fnet/4", "--force"]) == 0
    assert [main(rollback) for _ in range(3)] == [0, 0, 2]
    assert champion(client) == 1
    assert "is not known to have named another" in capsys.readouterr().err
    for version in (3, 2):
        assert any("rolled back by" in told for told in decisions(client, version))


def test_a_rollback_passes_over_deleted_versions(client: MlflowClient, versions: Versions) -> None:
    versions(3)
    for version in (1, 2, 3):
        promote(f"models:/fnet/{version}", force=True)
    client.delete_model_version("fnet", "2")
    assert main(["promote", "models:/fnet", "--rollback"]) == 0
    assert champion(client) == 1


def test_a_rollback_knows_moves_that_others_made(client: MlflowClient, versions: Versions) -> None:
    versions(4)
    promote("models:/fnet/1", force=True)
    promote("models:/fnet/2", force=True)
    client.set_registered_model_alias("fnet", "champion", "3")
    promote("models:/fnet/4", force=True)
    rollback = ["promote", "models:/fnet", "--rollback"]
    assert [main(rollback), champion(client)] == [0, 3]
    assert [main(rollback), champion(client)] == [0, 2]
    client.delete_registered_model_alias("fnet", "champion")
    assert [main(rollback), champion(client)] == [0, 2]


def test_a_rollback_takes_the_alias_from_no_version_but_the_one_named(
    client: MlflowClient, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(3)
    for version in (1, 2, 3):
        promote(f"models:/fnet/{version}", force=True)
    assert main(["promote", "models:/fnet/2", "--rollback"]) == 2
    assert "Received: 'models:/fnet/2', where champion is models:/fnet/3" in capsys.readouterr().err
    assert main(["promote", "models:/fnet/3", "--rollback"]) == 0
    assert main(["promote", "models:/fnet@champion", "--rollback"]) == 0
    assert champion(client) == 1


def test_aliases_have_histories_of_their_own(client: MlflowClient, versions: Versions) -> None:
    versions(2)
    promote("models:/fnet/1", alias="staging", force=True)
    promote("models:/fnet/1", force=True)
    promote("models:/fnet/2", force=True)
    assert main(["promote", "models:/fnet", "--alias", "staging", "--rollback"]) == 2
    assert main(["promote", "models:/fnet", "--rollback"]) == 0
    assert (champion(client), champion(client, "staging")) == (1, 1)


def test_json_is_the_decision_with_all_digits(
    client: MlflowClient, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(2)
    log_ndcg(1, 0.5)
    log_ndcg(2, 0.3)
    client.set_registered_model_alias("fnet", "champion", "1")
    assert main([*require(2, "ndcg@10>=champion"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["outcome"], told["before"]) == (
        *("models:/fnet/2", "refused", "models:/fnet/1"),
    )
    [check] = told["checks"]
    assert check["requirement"] == "ndcg@10>=champion"
    assert check["figure"]["value"] == pytest.approx(-0.2, abs=1e-9)
    assert check["figure"]["high"] < 0


def test_who_reads_an_alias_that_has_moved_since_has_lost(
    client: MlflowClient, versions: Versions
) -> None:
    versions(3)
    decided_on = read_alias(client, "fnet", "champion")
    promote("models:/fnet/1", force=True)
    assert not move_alias(client, decided_on, 2)
    assert champion(client) == 1


def test_who_finds_another_version_after_setting_the_alias_has_lost(
    client: MlflowClient,
    versions: Versions,
    registry: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    versions(3)
    promote("models:/fnet/1", force=True)
    with sqlite3.connect(registry / "mlflow.db") as database:  # another's write, right after ours
        database.execute(
            "CREATE TRIGGER other AFTER UPDATE ON registered_model_aliases WHEN NEW.version = 2 "
            "BEGIN UPDATE registered_model_aliases SET version = 3 WHERE alias = NEW.alias; END"
        )
    assert main(["promote", "models:/fnet/2", "--force"]) == 1
    assert "models:/fnet/2 has lost: someone else moved champion" in capsys.readouterr().out
    [told] = decisions(client, 2)
    assert told.startswith("lost, forced by ")
    assert champion(client) == 3
    assert main(["promote", "models:/fnet", "--rollback"]) == 0
    assert champion(client) == 1


def test_of_two_promoters_at_once_the_alias_is_a_winners_and_both_are_on_record(
    client: MlflowClient, versions: Versions
) -> None:
    versions(3)
    promote("models:/fnet/1", force=True)
    barrier = Barrier(2)

    def race(version: int) -> bool:
        barrier.wait()
        return promote(f"models:/fnet/{version}", force=True).stands

    with ThreadPoolExecutor() as pool:
        won = dict(zip((2, 3), pool.map(race, (2, 3)), strict=True))
    held = champion(client)
    assert held is not None
    assert won[held]
    for version in (2, 3):
        [told] = decisions(client, version)
        assert told.startswith("promoted" if won[version] else "lost")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["models:/fnet/1"], "Received: no requirement"),
        (["models:/fnet/1", "--require", "ndcg@10"], 'in quotes: "ndcg@10>=0.42"'),
        (["models:/fnet/1", "--require", "ndcg@10>=nobody"], "which has no alias. Received: 'nob"),
        (["models:/fnet/1", "--force", "--alias", "latest"], "neither 'latest' nor like 'v1'"),
        (["models:/fnet/1", "--force", "--alias", "a b"], "Received: 'a b'"),
        (["f_net_base_en", "--force"], "a version in the registry, for example models:/fnet/3"),
        (["models:/m-0123456789abcdef0123456789abcdef", "--force"], "a version in the registry"),
        (["models:/fnet", "--force"], "used by its version, its alias or 'latest'"),
        (["models:/fnet/2", "--force"], "Model Version (name=fnet, version=2) not found"),
        (["models:/fnet@nobody", "--force"], "nobody"),
        (["models:/other/1", "--force"], "name=other"),
        (["models:/fnet", "--rollback"], "'champion' of 'fnet', which names no version"),
        (["models:/other", "--rollback"], "name=other"),
        (["f_net_base_en", "--rollback"], "a version in the registry"),
        (["models:/fnet", "--rollback", "--force"], "Received beside it: --force"),
        (["models:/fnet", "--rollback", "--require", "a>1"], "Received beside it: --require"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(
    client: MlflowClient,
    versions: Versions,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    versions(2)
    client.delete_model_version("fnet", "2")
    log_ndcg(1, 0.5)
    assert main(["promote", *arguments]) == 2
    [error] = capsys.readouterr().err.splitlines()
    assert words in error
    assert len(error) < 1200
    assert champion(client) is None


def test_items_that_are_gone_are_no_ground_to_let_a_version_in(
    client: MlflowClient, versions: Versions
) -> None:
    versions(2)
    run_id = log_ndcg(1, 0.5)
    log_ndcg(2, 0.5)
    client.set_registered_model_alias("fnet", "champion", "1")
    folder = client.get_run(run_id).info.artifact_uri
    assert folder is not None
    Path(folder.removeprefix("file://"), "items.parquet").unlink()
    [check] = promote("models:/fnet/2", require=["ndcg@10>=champion"]).checks
    assert not check.met
    assert f"in the run {run_id}; run `fnet evaluate` again" in check.grounds
    assert promote("models:/fnet/2", require=["ndcg@10>=champion"], force=True).stands


def test_items_of_another_release_are_no_comparison(
    client: MlflowClient, versions: Versions
) -> None:
    versions(2)
    log_ndcg(1, 0.5)
    log_ndcg(2, 0.5)
    client.set_registered_model_alias("fnet", "champion", "1")
    [logged] = read_evaluations(client.get_model_version("fnet", "1").tags)
    with TemporaryDirectory() as folder:
        pq.write_table(read_items(logged).select([0]), Path(folder, "items.parquet"))
        client.log_artifacts(logged.run_id, folder)
    [check] = promote("models:/fnet/2", require=["ndcg@10>=champion"]).checks
    assert "run `fnet evaluate` on both versions again" in check.grounds


def test_a_tag_that_someone_wrote_over_is_no_evaluation(
    client: MlflowClient, versions: Versions
) -> None:
    versions(1)
    for number, value in enumerate(["", "nonsense", "[]", "{}", '{"figures": 3}', "[" * 100_000]):
        client.set_model_version_tag("fnet", "1", f"fnet.evaluation.{number}", value[:5000])
    assert not promote("models:/fnet/1", require=["ndcg@10>=0.42"]).stands
