"""Diffusion on a torus: when a control moves, the number on the page must move the right way."""

from core.chapters import find
from tests.pages.conftest import Visit


def test_torus_the_nearest_image_fills_the_wrong_site_and_three_images_do_not():
    visit = Visit(find("torus")).put(n_particles=5000)

    def shares():
        bodies = [e.proto.body for e in visit.app.get("html") if "On the first site" in e.proto.body]
        return [float(body.split("<dd>")[1].split("<")[0]) for body in bodies]

    left, right = shares()
    assert abs(left - 0.75) < 0.0245 < right - 0.75  # 4 standard errors of 5,000 atoms
    visit.put(images=1)
    assert all(abs(share - 0.75) < 0.0245 for share in shares())


def test_torus_too_little_noise_is_seen_by_the_meter():
    visit = Visit(find("torus"))
    enough = visit.truth
    assert visit.put(sigma_max=0.1).truth > 4 * enough


def test_torus_holding_at_the_right_score_stays_within_the_floor():
    visit = Visit(find("torus")).put(move="hold", sites="corner", sigma_max=0.3, n_steps=200)
    assert visit.truth < 0.01
