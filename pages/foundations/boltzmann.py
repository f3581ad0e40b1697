"""Page of “Energy, temperature and free energy”."""

from itertools import zip_longest

import streamlit as st

from core.figures import boltzmann as figures
from core.figures import boltzmann_stage
from core.foundations import boltzmann, ensembles
from core.glossary import spelled_out
from pages import kit
from pages.kit.equation import number

PANELS = {"landscape": "basins", "NVE": "NVE", "NVT": "NVT", "muVT": "μVT"}
SYSTEMS = {"two-level": "two-level sites", "lattice gas": "lattice gas"}


def in_landscape(values):
    return values.get("panel") == "landscape"


def in_ensembles(values):
    return not in_landscape(values)


page = kit.chapter(
    "boltzmann",
    [
        kit.Choice(
            "panel", "Landscape or ensemble", "landscape", options=list(PANELS), labels=PANELS, help=spelled_out("NVE", "NVT", "μVT")
        ),
        kit.Slider("kT", "Temperature kT", 1.2, low=0.1, high=2.0, step=0.01, when=lambda v: v.get("panel") != "NVE", term="kT"),
        kit.Choice(
            "protocol",
            "Way to the temperature kT",
            "heat",
            options=list(boltzmann.PROTOCOLS),
            when=in_landscape,
            help="Heated from kT = 0.1, held at kT, or cooled from kT = 2.",
        ),
        kit.Slider("depth", "Depth of the left basin", 4.0, low=0.5, high=8.0, step=0.05, when=in_landscape),
        kit.Slider("width", "Width of the left basin", 0.25, low=0.1, high=1.0, step=0.01, when=in_landscape),
        kit.Slider(
            "tilt", "Tilt of the landscape", 0.0, low=-1.0, high=1.0, step=0.01, when=in_landscape, help="Positive lowers the left."
        ),
        kit.Slider(
            "leaps",
            "Share of long trial moves",
            0.5,
            low=0.0,
            high=1.0,
            step=0.01,
            when=in_landscape,
            help="A trial move is a small shuffle, or now and then a leap that can cross the barrier.",
        ),
        kit.Choice("system", "System", "two-level", options=list(SYSTEMS), labels=SYSTEMS, when=in_ensembles),
        kit.Slider("n_sites", "Number of sites M", 16, options=list(ensembles.SHAPES), when=in_ensembles),
        kit.Slider("mu", "Chemical potential μ", -1.0, low=-4.0, high=1.0, step=0.1, when=lambda v: v.get("panel") == "muVT", term=r"\mu"),
        kit.Slider(
            "energy",
            "Total energy E₀ per site, above the lowest",
            0.15,
            low=0.0,
            high=1.0,
            step=0.05,
            term="E_0",
            when=lambda v: v.get("panel") == "NVE",
            help="Of the sites and the demon together.",
        ),
        kit.Slider("depth_right", "Depth of the right basin", 3.0, low=0.5, high=8.0, step=0.05, more=True, when=in_landscape),
        kit.Slider("width_right", "Width of the right basin", 0.8, low=0.1, high=1.2, step=0.01, more=True, when=in_landscape),
        kit.Slider("n_sweeps", "Trial moves for each particle", 1000, options=kit.graded(100, 3000), more=True, when=in_landscape),
        kit.Slider(
            "filling",
            "Particles per site N/M",
            0.5,
            term="N",
            low=0.1,
            high=1.0,
            step=0.05,
            more=True,
            when=lambda v: v.get("panel") in ("NVE", "NVT"),
        ),
        kit.Slider("sweeps", "Trial moves for each site", 30, options=[3, 10, 30, 100, 200], more=True, when=in_ensembles),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same particles."),
    ],
)
SCENES = [
    kit.Scene(
        "Heat",
        {},
        "Cold: everything sits in the deep narrow basin. Warm: the shallow wide one wins, although no place in it is "
        "as low. Watch the crossing at kT*.",
    ),
    kit.Scene(
        "Quench",
        {"protocol": "cool", "kT": 0.3, "leaps": 0.0},
        "Cooled by small shuffles only, the particles are caught wherever "
        "they happened to be: their share freezes while the truth runs away. A glass is made like this.",
        breaks=True,
    ),
    kit.Scene(
        "Anneal", {"protocol": "cool", "kT": 0.3, "n_sweeps": 3000}, "The same cooling, slowly and with leaps: equilibrium at every moment."
    ),
    kit.Scene(
        "Demon",
        {"panel": "NVE", "filling": 1.0, "energy": 0.25},
        "Fixed energy: the demon gives away all it has, until its purse is a thermometer.",
    ),
    kit.Scene("Heat bath", {"panel": "NVT", "kT": 0.8}, "Fixed temperature: the energy fluctuates, the particles are still counted."),
    kit.Scene(
        "Gas or liquid",
        {"panel": "muVT", "system": "lattice gas", "kT": 0.6, "mu": -2.0, "sweeps": 100},
        "Fixed μ: particles come and go. Two clouds, nearly empty and nearly full: a small system shows its phase transition.",
    ),
    kit.Scene(
        "Stuck",
        {"panel": "muVT", "system": "lattice gas", "kT": 0.45, "mu": -2.0},
        "Colder, and started empty: adding one "
        "particle at a time, the copies do not find the liquid, although exactly half of them belong there.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=16, max_size="192MB", show_spinner=False)
def heat(**params):
    return boltzmann.sample(**params)


@st.cache_resource(max_entries=16, show_spinner=False)  # holds a table that is compared by identity
def relax(**params):
    return ensembles.sample(**params)


def params_of(values):
    if in_landscape(values):
        return {key: values[key] for key in ("kT", "protocol", "tilt", "leaps", "n_sweeps", "seed")} | dict(
            depths=(values["depth"], values["depth_right"]), widths=(values["width"], values["width_right"])
        )
    fixed = {key: values[key] for key in ("system", "n_sites", "kT", "mu", "energy", "filling", "seed") if key in values}
    return fixed | dict(kind=values["panel"], n_sweeps=values["sweeps"])


def run_of(values):
    """The particles of the basins, or the copies of an ensemble."""
    return (heat if in_landscape(values) else relax)(**params_of(values))


@st.cache_data(max_entries=48, max_size="128MB", show_spinner=False)
def stage_payload(values):
    return (boltzmann_stage.landscape_payload if in_landscape(values) else boltzmann_stage.copies_payload)(run_of(values))


@st.cache_data(max_entries=64, show_spinner=False)
def told(values):
    """Truth meter and read-outs."""
    run = run_of(values)
    if in_landscape(values):
        return boltzmann.truth(run), figures.landscape_table(run)
    return ensembles.truth(run), figures.ensemble_table(run)


def equation(values):
    params = params_of(values)
    if not in_landscape(values):
        return figures.ensemble_terms(ensembles.exact(*ensembles.held(**params))), values["panel"]
    basins = boltzmann.landscape_of(params["depths"], params["widths"], params["tilt"])
    exact = basins.thermodynamics(params["kT"])
    shown = {name: number(float(getattr(exact, name)[0])) for name in "ZUSF"}
    crossings = ",\\ ".join(map(number, basins.crossings)) or r"\text{none}"
    return {"kT": number(params["kT"])} | shown | {"kT^*": crossings}, "landscape"


def coarse(values):
    params = params_of(values)
    if in_landscape(values):
        run = boltzmann.sample(**params, first=300).thinned(40)
        return boltzmann_stage.landscape_payload(run, n_moments=10, fps=6)
    return boltzmann_stage.copies_payload(ensembles.sample(**params, first=300))


def stage(values):
    page.exports(params_of(values), boltzmann.metropolis if in_landscape(values) else ensembles.metropolis)
    page.player(stage_payload(values))
    verdict, rows = told(values)
    ends, law = ("particles", "Boltzmann distribution at kT") if in_landscape(values) else ("copies", "exact sum over all states")
    with page.on.meter:
        kit.meter_beside(verdict, rows, widths=(1, 1.25), note=f"Between the {ends} at the end and the {law}.")


def below_landscape(values):
    kit.side_by_side(
        (
            "Free energy decides",
            lambda: figures.free_energy_figure(run_of(values).landscape, palette=kit.palette()),
            "crossing",
            "Free energy of the left and the right basin against kT, with the crossing temperature.",
            "In equilibrium the basin with the lower curve holds more particles; where the curves cross, both hold equally many.",
        ),
        (
            "Who is where, as kT changes",
            lambda: figures.share_figure(run_of(values), palette=kit.palette()),
            "share",
            "Share of particles in the left basin against kT: equilibrium and the particles of the stage.",
            "Dots on the curve: at that moment the particles are in equilibrium. Dots beside it: they have not kept up with kT.",
        ),
    )

    def drawn(quantity):
        run = run_of(values)
        return figures.thermodynamics_figure(run.landscape, quantity, values["kT"], boltzmann.measured(run), palette=kit.palette())

    def from_z():
        kit.side_by_side(
            *(
                ("", lambda name=name: drawn(name), f"thermo_{name}", f"{words} against kT by quadrature.", figures.WHAT_TO_SEE[name])
                for name, words in figures.QUANTITIES.items()
            )
        )

    kit.folded("Everything from Z: its logarithm, energy, entropy, free energy, heat capacity", from_z, key="from_z")


def below_ensemble(values):
    kit.side_by_side(
        (
            "Energies of the copies",
            lambda: figures.energy_figure(run_of(values), palette=kit.palette()),
            "energies",
            "Probability of each energy: copies and the exact sum.",
            "Bars that end at the dots, to within their error bars: the copies are in equilibrium.",
        ),
        (
            "Two roads to one temperature",
            lambda: figures.caloric_figure(run_of(values), palette=kit.palette()),
            "caloric",
            "Energy per site against kT at fixed temperature and at fixed energy, with the copies.",
            "Temperature held fixed (curve), or read off at fixed energy (circles): the two differ only because the system is small.",
        ),
    )

    def sites():
        see = "A ring is an empty site, a disc a particle, a large disc an excited one. All copies obey one law; hardly two look alike."
        alt = "Occupied and excited sites of twelve copies."
        kit.figure(lambda: figures.sites_figure(run_of(values), palette=kit.palette()), key="sites", alt=alt, see=see)

    kit.folded("Twelve of the copies", sites, key="sites")


def texts(values):
    page.prose("What to look at" if in_landscape(values) else "The three ensembles")
    page.prose("The three ensembles" if in_landscape(values) else "What to look at", expanded=False)


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(lambda values: (below_landscape if in_landscape(values) else below_ensemble)(values))
for each in zip_longest(figures.LANDSCAPE_QUESTIONS, figures.ENSEMBLE_QUESTIONS, fillvalue=("", (), None)):
    question, options, grade = (lambda values, i=i, each=each: each[in_ensembles(values)][i] for i in range(3))
    kit.predict("boltzmann", question, options, lambda values, grade=grade: grade(values)(run_of(values)))
page.follow(texts)
page.footer(boltzmann.metropolis)
