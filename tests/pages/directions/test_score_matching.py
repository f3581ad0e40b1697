"""Learning the score: training in the page brings the particles to the data, can be paused and goes on."""

import time

from core.chapters import find
from core.learning import score_matching
from pages.kit import jobs
from tests.pages.conftest import Visit


def press(visit, key):
    visit.app.button(key=key).click().run()
    assert visit.failures == []


def wait(visit, seconds=120, **wanted):
    """Run the page, as its timer would, until a button named in `wanted` is there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        keys = {button.key for button in visit.run().app.button}
        if wanted["button"] in keys:
            return
        time.sleep(1.0)
    raise AssertionError(f"no {wanted['button']} among {keys}")


def test_score_matching_training_brings_the_particles_to_the_data():
    visit = Visit(find("score_matching"), {"n_steps": "100", "seed": "7"})
    untrained = visit.truth
    press(visit, "start_train")
    wait(visit, button="again_train")
    assert visit.truth < 0.7 * untrained
    elsewhere = Visit(find("score_matching"), {"n_steps": "100", "seed": "7"})
    assert elsewhere.truth == visit.truth  # equal work is done once, and everybody sees it


def test_score_matching_a_pause_keeps_the_run_and_a_stop_forgets_it():
    visit = Visit(find("score_matching"), {"n_steps": "6000", "seed": "8"})
    untrained = visit.truth
    params = {key: visit.values[key] for key in ("dataset", "objective", "clock", "weighting", "output", "n_steps", "seed")}
    press(visit, "start_train")
    wait(visit, button="pause_train")
    run = jobs._name(score_matching.fit, params)
    end = time.monotonic() + 60
    while jobs.job_registry().so_far(run) is None and time.monotonic() < end:
        visit.run()
    press(visit, "pause_train")
    paused = visit.truth
    assert paused != untrained
    assert visit.run().truth == paused
    press(visit, "stop_train")
    assert visit.truth == untrained
