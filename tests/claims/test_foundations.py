"""What the chapters of the first part state in numbers."""

import itertools
import math

import numpy as np
import pytest
from scipy import optimize, stats

from core.foundations import boltzmann, dimensions, ensembles, microstates
from tests.claims.sentences import claim, numbers


@claim("microstates", "Six coins can lie in", "three heads come up twenty times", "lays all 64 microstates", "small repair", "Check: 1")
def test_six_coins_by_counting_them():
    heads = [sum(coins) for coins in itertools.product((0, 1), repeat=6)]
    ways = [heads.count(n) for n in range(7)]
    assert numbers("microstates", r"Six coins can lie in (\d+) ways") == [len(heads)]
    assert numbers("microstates", r"twenty of the (\d+) ways show three") == [len(heads)] and ways[3] == 20 * ways[6] == 20
    row = r"lays all (\d+) microstates down: (\d+) \+ (\d+) \+ (\d+) \+ (\d+) \+ (\d+) \+ (\d+) \+ (\d+) = (\d+) = 2⁶"
    assert numbers("microstates", row) == [64, *ways, 64] and 2**6 == len(heads)
    assert numbers("microstates", r"they are \*\*(\d+), (\d+), (\d+) and (\d+)\*\*") == ways[3:]
    assert numbers("microstates", r"Check: (\d+) \+ (\d+) \+ (\d+) \+ (\d+) \+ (\d+) \+ (\d+) \+ (\d+) = 64") == ways


@claim("microstates", "the relative spread shrinks as 1/√N", "spread σₙ grows like √N", "200 coins have")
@pytest.mark.parametrize("p", [0.05, 0.5, 0.95])
def test_spread_grows_as_the_root_and_shrinks_beside_the_mean(p):
    assert microstates.variance(400, p) == pytest.approx(4 * microstates.variance(100, p), rel=1e-12)
    assert microstates.relative_width(400, p) == pytest.approx(microstates.relative_width(100, p) / 2, rel=1e-12)
    power, digit, small = numbers("microstates", r"With 10([⁰-⁹²³¹]+) coins the relative width σₙ/⟨n⟩ is (\d)·10([⁻⁰-⁹²³¹]+):")
    assert float(f"{10 ** (-power / 2):.0e}") == pytest.approx(digit * 10**small)  # fair coins: 1/sqrt(N)
    assert numbers("microstates", r"200 coins have 10([⁰-⁹]+)\.") == [round(200 * math.log10(2))]


@claim("microstates", "is the limit of many coins", "At six coins it is")
def test_stirling_at_six_coins_and_at_many():
    (percent,) = numbers("microstates", r"At six coins it is (\d+) % too high")
    exact, leading = math.log(20), 6 * math.log(2)
    assert round(100 * (leading / exact - 1)) == percent
    assert abs(leading - 0.5 * math.log(2 * math.pi * 6 / 4) - exact) < 0.05 * (leading - exact)  # nearly all of it
    assert 400_000 * math.log(2) / (math.lgamma(400_001) - 2 * math.lgamma(200_001)) == pytest.approx(1, abs=1e-4)


@claim("microstates", "Coins that copy their neighbour")
@pytest.mark.parametrize("copied", [0.1, 0.5, 0.9])
def test_sticky_coins_are_worth_fewer(copied):
    n = 20_000
    assert microstates.independent_coins(n, copied) == pytest.approx(n * (1 - copied) / (1 + copied), rel=0.01)


@claim("boltzmann", "takes each basin for a spring")
def test_the_crossing_of_two_springs_is_where_their_free_energies_meet():
    """F = -depth - kT/2 ln(2 pi kT/k) for each: equal at kT = 2 (difference of depths)/ln(k_left/k_right)."""
    landscape = boltzmann.Landscape()
    depths, stiff = (4.0, 3.0), [1 / w**2 for w in (0.25, 0.8)]
    kT = 2 * (depths[0] - depths[1]) / math.log(depths[0] * stiff[0] / (depths[1] * stiff[1]))
    assert landscape.harmonic_crossing == pytest.approx(kT, rel=0.1)  # the wells of the page overlap a little


@claim("boltzmann", "the heat capacity has a bump below it")
def test_the_bump_of_the_heat_capacity_lies_below_the_crossing_whatever_the_basins():
    at, crossing = numbers("boltzmann", r"opens with at kT = ([\d.]+), where \*kT\\\*\* = ([\d.]+)")
    kT = np.geomspace(0.02, 10, 1500)
    opens = boltzmann.Landscape()
    C = opens.thermodynamics(kT).C
    assert round(bump(kT, C, opens.crossings[0]), 2) == at and round(opens.crossings[0], 2) == crossing
    seen = 0
    kT = np.geomspace(0.02, 10, 200)
    for depth, width in itertools.product((3.5, 5.0, 7.0), (0.1, 0.25, 0.5)):
        landscape = boltzmann.landscape_of((depth, 3.0), (width, 0.8), 0.0)
        for crossing in landscape.crossings[:1]:
            seen += 1
            assert bump(kT, landscape.thermodynamics(kT).C, crossing) < crossing, (depth, width)
    assert seen >= 6


def bump(kT, C, crossing):
    """Where the highest maximum of C below or around the crossing is."""
    peaks = [i for i in range(1, len(C) - 1) if C[i - 1] < C[i] > C[i + 1] and kT[i] < 2 * crossing]
    return float(kT[max(peaks, key=lambda i: C[i])])


@claim("boltzmann", "energy 0 or 1", "binds with energy −1", "how much it has left tells the temperature")
def test_states_are_counted_as_the_text_says():
    two, gas = ensembles.two_level(16), ensembles.lattice_gas(16)
    for n, energy in ((3, 0), (5, 2), (16, 8)):
        assert two.log_g[n, energy - two.low] == pytest.approx(math.log(math.comb(16, n) * math.comb(n, energy)), abs=1e-9)
    assert np.isneginf(two.log_g[3, 4]) if two.log_g.shape[1] > 4 else True  # three particles have at most three units
    assert np.exp(gas.log_g).sum() == pytest.approx(2**16, rel=1e-9)
    assert gas.log_g[2, -1 - gas.low] == pytest.approx(math.log(len(ensembles._bonds(16))), abs=1e-9)  # two neighbours: energy -1


@claim("boltzmann", "reads a quarter low", "lie near the curve")
def test_the_demon_and_the_circles_come_right_with_many_sites():
    (percent,) = numbers("boltzmann", r"with four hundred, within (\d+) %")
    gaps = {}
    for sites, total in ((16, 4), (400, 100)):
        levels = ensembles.two_level(sites)
        demon = ensembles.exact(levels, ensembles.Ensemble("NVE", n=sites, total=total)).demon_kT
        gaps[sites] = demon * math.log(3) - 1  # a bath at a quarter of the energy: 1/kT = ln 3
    assert -0.3 < gaps[16] < -0.2 and abs(gaps[400]) < percent / 100
    for sites in (16, 400):
        energies, kT = ensembles.microcanonical_kT(ensembles.two_level(sites), sites)
        gaps[sites] = float(kT[energies == sites // 4][0]) * math.log(3) - 1
    assert abs(gaps[400]) < abs(gaps[16]) / 10


@claim("boltzmann", "chemical potential μ = −2")
@pytest.mark.parametrize("kT", [0.3, 0.45])
def test_at_half_the_binding_energy_the_lattice_gas_is_as_often_full_as_empty(kT):
    """Each site has four neighbours, so that filled and empty sites change roles at mu = -2."""
    (mu,) = numbers("boltzmann", r"chemical potential μ = (−\d)")
    P = ensembles.exact(ensembles.lattice_gas(16), ensembles.Ensemble("muVT", kT=kT, mu=mu)).P.sum(1)
    assert P == pytest.approx(P[::-1], rel=1e-9)
    assert P[:4].sum() == pytest.approx(0.5, abs=0.05) and P[8] < P[0] / 10


@claim("sampling", "explode at", "variance too large", "reads low")
@pytest.mark.parametrize("h", [0.3, 1.0, 1.9])
def test_the_steps_of_a_harmonic_well_in_closed_form(h):
    """k = kT = m = 1. Langevin: x' = (1 - h^2/2) x + h z; BAOAB without friction is velocity Verlet, stable below 2."""
    (limit,) = numbers("sampling", r"explode at \$h = (\d)\$ such widths")
    variance = h**2 / (1 - (1 - h**2 / 2) ** 2)
    assert variance == pytest.approx(1 / (1 - h**2 / 4), rel=1e-12)

    def growth(h):
        verlet = np.array([[1 - h**2 / 2, h], [-h * (1 - h**2 / 4), 1 - h**2 / 2]])
        return max(abs(1 - h**2 / 2), np.abs(np.linalg.eigvals(verlet)).max())

    assert growth(h) <= 1 + 1e-12 and growth(limit + 0.01) > 1.01
    verlet = np.array([[1 - h**2 / 2, h], [-h * (1 - h**2 / 4), 1 - h**2 / 2]])
    kept = np.diag([1.0, 1 - h**2 / 4])  # exact positions, velocities too slow by this factor: one step leaves them so
    assert verlet @ kept @ verlet.T == pytest.approx(kept, abs=1e-12)


@claim("sampling", "the best rate of acceptance is")
def test_the_best_rates_of_acceptance_are_those_of_the_scaling_limit():
    """Acceptance 2 Phi(-l/2) and speed l^2 times it for the walk, 2 Phi(-l^3/2) for MALA (Roberts & Rosenthal 2001)."""
    rates = []
    for power in (1, 3):
        rate = lambda length, power=power: 2 * stats.norm.cdf(-(length**power) / 2)  # noqa: E731
        best = optimize.minimize_scalar(lambda x, rate=rate: -(x**2) * rate(x), bounds=(0.1, 4), method="bounded").x
        rates.append(round(rate(best), 3))
    assert numbers("sampling", r"best rate of acceptance is ([\d.]+) \(.*?for MALA ([\d.]+)") == rates


@claim("dimensions", "exact density of that distance", "form a shell of radius")
@pytest.mark.parametrize("d", [50, 300, 1000])
def test_shells_have_the_radius_of_the_root_and_one_width(d):
    chi = stats.chi(d)
    assert dimensions.shell_radius(d) / math.sqrt(d) == pytest.approx(1, abs=0.01) == chi.mean() / math.sqrt(d)
    assert chi.std() * math.sqrt(2) == pytest.approx(1, abs=0.01)
    assert float(dimensions.shell_width(d) * dimensions.shell_radius(d)) == pytest.approx(chi.std(), rel=1e-6)  # relative to the radius
    r = np.linspace(0, 1, 20_001)
    assert np.trapezoid(d * r ** (d - 1), r) == pytest.approx(1, rel=1e-3)


@claim("dimensions", "form a shell of radius", "one in 5,800 lies within one unit")
def test_the_width_of_a_shell_and_who_lies_at_the_centre():
    lines, ten, far = numbers("dimensions", r"\(([\d.]+) for \*d\* = 1, ([\d.]+) from \*d\* = (\d+) on\)")
    assert round(stats.chi(1).std(), 2) == lines and {round(stats.chi(d).std(), 1) for d in range(int(far), 1000)} == {ten}
    d, share = numbers("dimensions", r"for \*d\* = (\d+) one in ([\d,]+) lies within one unit")
    assert round(1 / stats.chi(d).cdf(1), -2) == share


@claim("dimensions", "a single point from")
def test_a_grid_of_ten_thousand_looks_is_a_single_point_from_fourteen_dimensions_on():
    (d,) = map(int, numbers("dimensions", r"a single point from \$d = (\d+)\$ on \(ten thousand looks\)"))
    points = {k: len(dimensions.spend("grid", d=k, n=10_000).radii) for k in (d - 1, d)}
    assert points[d] == 1 < points[d - 1] == 2 ** (d - 1)


@claim("dimensions", "shorten its steps as", "of its squared length along the score", r"needs \$d\^\{1/3\}\$ looks")
def test_walks_slow_down_in_proportion_and_mala_with_the_third_root():
    """Progress of one look: the decay of a coordinate's memory. Steps 2.38/sqrt(d) keep their acceptance."""
    few, many = 100, 800
    rates = [float(dimensions.walk_acceptance(d, 2.38 / math.sqrt(d))) for d in (few, many)]
    assert rates == pytest.approx([0.234, 0.234], abs=0.02)
    walk = dimensions.walk_progress(few, 2.38 / math.sqrt(few)) / dimensions.walk_progress(many, 2.38 / math.sqrt(many))
    assert walk == pytest.approx(8, rel=0.1)
    mala = dimensions.mala_progress(few) / dimensions.mala_progress(many)
    assert float(mala) == pytest.approx(2, rel=0.1)  # 8^(1/3)
    rng = np.random.default_rng(1)
    direction = rng.normal(size=(20_000, 50))
    share = direction[:, 0] ** 2 / (direction**2).sum(1)
    assert abs(share.mean() - 1 / 50) < 4 * share.std() / math.sqrt(20_000) < 0.2 / 50


@claim("dimensions", "In three dimensions it is")
def test_the_ball_in_three_dimensions():
    for said in (numbers("dimensions", r"it is still \$\\pi/6 = ([\d.]+)\$"), numbers("dimensions", r"it is \$\\pi/6 = ([\d.]+)\$")):
        assert said == [round(math.pi / 6, 2)]
    assert float(np.exp(dimensions.log_ball_share(3))) == pytest.approx(math.pi / 6, rel=1e-9)
