"""Which bundles may run, and what the others are told."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

import engine
from tests.support.bundle_house import House, open_house
from tests.support.bundles import ROWS, read_bundle
from tests.support.clocks import TickingClock
from tests.support.control import CONFIG
from tests.support.jobs import ADMITTED_AT, an_admitted_job
from worker.adapters.memory import MemoryJobStore
from worker.jobs.bundle import BundleChange, KeepResults
from worker.jobs.chunks import Chunk
from worker.jobs.errors import ErrorCode, JobFailure
from worker.jobs.states import JobStatus
from worker.jobs.variants import VariantSource
from worker.services.bundles.bars import BundleBars
from worker.services.quotas import QuotaLimits, bars_of


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(MemoryJobStore(TickingClock()), tmp_path)


def bars(config: Mapping[str, Any]) -> int:
    return bars_of(engine.parse_config(config))


def refused(house: House, **values: Any) -> tuple[ErrorCode | None, str]:
    """Code and message of a bundle that must not run."""
    bundle = house.expand(**values)
    assert bundle.status is JobStatus.FAILED
    assert bundle.completed_at is not None
    assert house.chunks() == []
    return bundle.error_code, bundle.error_message or ""


class TestRefusals:
    def test_a_metric_that_no_sweep_has(self, house: House) -> None:
        code, message = refused(house, rank_by="alpha")
        assert code is ErrorCode.INVALID_CONFIG
        assert message.startswith("rankBy: expected one of totalReturn")
        assert message.endswith("got 'alpha'")

    def test_a_grid_of_the_wrong_shape(self, house: House) -> None:
        code, message = refused(house, parameter_grid={"parameters.fast": 5})
        assert code is ErrorCode.INVALID_CONFIG
        assert message == (
            "parameterGrid.parameters.fast: expected a list of values or an object of start, stop "
            "and step, got 5"
        )

    def test_every_mistake_is_named_at_once(self, house: House) -> None:
        _, message = refused(house, rank_by="x", name="n" * 201, parameter_grid={"a": []})
        assert [part.split(":")[0] for part in message.split("; ")] == [
            "name",
            "rankBy",
            "parameterGrid.a",
        ]

    def test_more_variants_than_a_bundle_may_have(self, house: House) -> None:
        grid = {"parameters.fast": list(range(400)), "parameters.slow": list(range(400))}
        _, message = refused(house, parameter_grid=grid)
        assert message == "parameterGrid: expected at most 100000 variants, got 160000"

    def test_a_mistake_of_the_base_that_no_override_mends(self, house: House) -> None:
        code, message = refused(house, base_config={**CONFIG, "startingCapital": -1})
        assert code is ErrorCode.INVALID_CONFIG
        assert message == "baseConfig.startingCapital: expected a number > 0, got -1"

    def test_a_path_that_no_config_has(self, house: House) -> None:
        """Not only when every one of its variants has failed."""
        code, message = refused(house, parameter_grid={"parameters.fastt": [3, 4]})
        assert code is ErrorCode.INVALID_CONFIG
        assert message == (
            "parameterGrid.parameters.fastt: expected no such key, got the unknown key 'fastt'"
        )

    def test_a_variant_of_a_list_may_have_one(self, house: House) -> None:
        given = [{"parameters.fastt": 3}, {"parameters.fast": 3}]
        assert house.expand(parameter_grid=None, variants=given).status is JobStatus.RUNNING

    def test_what_was_written_with_another_type(self, house: House) -> None:
        code, message = refused(house, defects=("priority: expected an integer, got 'high'",))
        assert code is ErrorCode.INVALID_CONFIG
        assert message == "The bundle is not valid: priority: expected an integer, got 'high'."

    @pytest.mark.parametrize("user_id", [None, "", "  "])
    def test_a_bundle_of_nobody(self, house: House, user_id: str | None) -> None:
        assert refused(house, user_id=user_id)[0] is ErrorCode.MISSING_USER

    def test_an_engine_version_that_no_deployment_has(self, house: House) -> None:
        code, message = refused(house, engine_version="9.9.9")
        assert code is ErrorCode.UNSUPPORTED_ENGINE_VERSION
        assert "1.0.0, 2.0.0" in message

    def test_one_that_is_cancelled_already(self, house: House) -> None:
        assert refused(house, cancel_requested=True)[0] is ErrorCode.CANCELLED

    def test_one_that_somebody_set_back_after_it_had_run(self, house: House) -> None:
        house.expand()
        house.run()
        ended = read_bundle(house.store)
        house.store.commit_bundle(ended, BundleChange(status=JobStatus.QUEUED))
        assert house.swept() == {"unexpanded_bundles": 1}
        bundle = house.bundle()
        assert (bundle.status, bundle.error_code) == (JobStatus.FAILED, ErrorCode.INVALID_CONFIG)
        assert bundle.error_message == "A bundle runs once: make a new one of it."
        assert len(house.rows()) == 6

    def test_a_list_of_variants_that_is_gone(self, house: House) -> None:
        gone = replace(ROWS, uri=f"{house.artifacts.put('x/y', {'a': [1]}).uri}.gone")
        code, message = refused(house, parameter_grid=None, variants_artifact=gone)
        assert code is ErrorCode.INVALID_CONFIG
        assert message == "The bundle's list of variants is gone."

    def test_more_work_than_the_largest_number_of_chunk_jobs(self, house: House) -> None:
        wheel = {
            "strategyId": "wheel",
            "symbol": "SPY",
            "timeframe": "1m",
            "startDate": "1990-01-01",
            "endDate": "2025-01-01",
            "startingCapital": 1e6,
        }
        grid = {"startingCapital": {"start": 1, "stop": 100_000, "step": 1}}
        code, message = refused(
            house, base_config=wheel, parameter_grid=grid, keep_results=KeepResults.ALL
        )
        assert code is ErrorCode.INVALID_CONFIG
        assert "hours of one processor, and at most 33 fit in one bundle" in message

    def test_a_message_is_bounded(self, house: House) -> None:
        grid = {f"{'x' * 60}{number}": [] for number in range(100)}
        _, message = refused(house, parameter_grid=grid)
        assert len(message) <= 2_000


class TestQuotas:
    def test_a_bundle_needs_room_for_all_its_bars(self, tmp_path: Path) -> None:
        each = bars(CONFIG)
        store = MemoryJobStore(TickingClock())
        store.create(an_admitted_job("earlier", bars=2 * each))
        house = open_house(store, tmp_path, quotas=QuotaLimits(bars_a_day=7 * each))
        code, message = refused(house)
        assert code is ErrorCode.QUOTA_EXCEEDED
        assert message.startswith(f"This bundle covers {6 * each:,} bars.")

        wider = open_house(store, tmp_path, quotas=QuotaLimits(bars_a_day=8 * each))
        assert wider.expand("b2").status is JobStatus.RUNNING
        assert wider.expand("b3").error_code is ErrorCode.QUOTA_EXCEEDED

    def test_a_bundle_counts_as_one_until_it_has_ended(self, tmp_path: Path) -> None:
        house = open_house(
            MemoryJobStore(TickingClock()), tmp_path, quotas=QuotaLimits(queued=2), chunk_size=1
        )
        assert house.expand("b1").status is JobStatus.RUNNING
        assert house.expand("b2").status is JobStatus.RUNNING
        third = house.expand("b3")
        assert third.error_code is ErrorCode.QUOTA_EXCEEDED
        assert "2 bundles already that have not ended" in (third.error_message or "")
        house.run()
        assert house.expand("b4").status is JobStatus.RUNNING

    def test_before_it_is_stored_a_bundle_is_not_one_of_the_others(self, tmp_path: Path) -> None:
        house = open_house(MemoryJobStore(TickingClock()), tmp_path, quotas=QuotaLimits(queued=1))
        admission = house.services.bundle_admission
        stored = house.create().bundle
        admission.check_quotas(stored, admission.examine(stored), ADMITTED_AT)
        new = replace(stored, bundle_id="b2", created_at=None)
        with pytest.raises(JobFailure, match="1 bundles already"):
            admission.check_quotas(new, admission.examine(new), ADMITTED_AT)


class TestBars:
    def test_each_variant_covers_its_own_dates(self) -> None:
        variants = VariantSource([{"endDate": "2020-06-30"}, {}, {"timeframe": "1h"}, {"oops": 1}])
        counted = BundleBars(CONFIG, variants)
        each = [
            bars({**CONFIG, "endDate": "2020-06-30"}),
            bars(CONFIG),
            bars({**CONFIG, "timeframe": "1h"}),
        ]
        assert [counted.of(Chunk(start=place, count=1)) for place in range(3)] == each
        assert each[0] < each[1] < each[2]

    def test_other_paths_change_nothing(self) -> None:
        grid = {"parameters.fast": list(range(2, 102)), "execution.stopLoss": [0.1] * 1_000}
        counted = BundleBars(CONFIG, VariantSource(engine.expand_grid(grid)))
        assert counted.total == 100_000 * bars(CONFIG)

    def test_dates_change_nothing_beside_a_path_of_prices(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A long path is not read again for each of a hundred thousand dates."""
        read = Mock(side_effect=engine.parse_config)
        monkeypatch.setattr(engine, "parse_config", read)
        base = {**CONFIG, "pricePath": [100.0, 101.0, 102.0]}
        dates = [{"startDate": f"2020-01-{day:02}"} for day in range(1, 32)]

        assert BundleBars(base, VariantSource(dates)).total == 31 * 3
        assert read.call_count == 1

    def test_dates_count_again_where_a_variant_sets_another_path(self) -> None:
        base = {**CONFIG, "pricePath": [100.0, 101.0, 102.0]}
        stored: dict[str, Any] = {"pricePath": [], "endDate": "2020-06-30"}
        variants: list[dict[str, Any]] = [
            {},
            {"pricePath": [1.0, 2.0]},
            stored,
            {**stored, "endDate": "2020-12-31"},
        ]
        each = [3, 2, bars({**CONFIG, **stored}), bars({**CONFIG, **variants[3]})]
        assert BundleBars(base, VariantSource(variants)).total == sum(each)
        assert each[2] < each[3]

    def test_an_unsound_first_variant_is_no_way_around_the_quota(self) -> None:
        variants = [{"parameters.fast": 99}, {"parameters.fast": 3}, {"parameters.fast": 4}]
        assert BundleBars(CONFIG, VariantSource(variants)).total == 3 * bars(CONFIG)
        dated = [{**one, "endDate": "2020-12-31"} for one in variants]
        assert BundleBars(CONFIG, VariantSource(dated)).total == 2 * bars(CONFIG)

    def test_a_variant_that_cannot_be_run_covers_none(self) -> None:
        variants = [{"endDate": "2000-01-01"}, {"endDate": "never"}]
        assert BundleBars(CONFIG, VariantSource(variants)).total == 0


class TestChunkSize:
    def test_a_small_bundle_is_one_chunk_job(self, house: House) -> None:
        bundle = house.expand()
        assert (bundle.total, bundle.chunks) == (6, 1)

    def test_no_chunk_job_takes_longer_than_jobs_may(self, tmp_path: Path) -> None:
        """However long a chunk job would ideally be: half of a job's time is for surprises."""
        grid = {"parameters.fast": list(range(2, 202)), "parameters.slow": list(range(300, 400))}
        sizes = []
        for seconds in (540, 4):
            house = open_house(MemoryJobStore(TickingClock()), tmp_path)
            policy = replace(house.services.admission.policy, max_timeout_seconds=seconds)
            house.services.bundle_admission._policy = policy
            base = {**CONFIG, "timeframe": "1m", "startDate": "2010-01-01"}
            bundle = house.expand(base_config=base, parameter_grid=grid)
            assert bundle.chunk_size is not None
            assert bundle.chunks is not None
            assert bundle.chunks <= 1_000
            sizes.append(bundle.chunk_size)
        assert sizes[1] < sizes[0]
