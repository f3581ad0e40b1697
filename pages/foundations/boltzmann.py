"""Page of “Energy, temperature and free energy”."""

import streamlit as st

from core.figures import boltzmann as figures
from core.figures import boltzmann_stage
from core.foundations import boltzmann, ensembles
from core.glossary import spelled_out
from pages import kit
from pages.kit.equation import number
from pages.kit.player import player

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
        kit.Slider("kT", "Temperature kT", 1.2, low=0.1, high=2.0, step=0.05, when=lambda v: v.get("panel") != "NVE", term="kT"),
        kit.Choice(
            "protocol",
            "Way to the temperature kT",
            "heat",
            options=list(boltzmann.PROTOCOLS),
            when=in_landscape,
            help="Heated from kT = 0.1, held at kT, or cooled from kT = 2.",
        ),
        kit.Slider("depth", "Depth of the left basin", 4.0, low=0.5, high=8.0, step=0.25, when=in_landscape),
        kit.Slider("width", "Width of the left basin", 0.25, low=0.1, high=1.0, step=0.05, when=in_landscape),
        kit.Slider(
            "tilt", "Tilt of the landscape", 0.0, low=-1.0, high=1.0, step=0.05, when=in_landscape, help="Positive lowers the left."
        ),
        kit.Slider(
            "leaps",
            "Share of long trial moves",
            0.5,
            low=0.0,
            high=1.0,
            step=0.05,
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
        kit.Slider("depth_right", "Depth of the right basin", 3.0, low=0.5, high=8.0, step=0.25, more=True, when=in_landscape),
        kit.Slider("width_right", "Width of the right basin", 0.8, low=0.1, high=1.2, step=0.05, more=True, when=in_landscape),
        kit.Slider("n_sweeps", "Trial moves for each particle", 1000, options=[100, 300, 1000, 3000], more=True, when=in_landscape),
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


@st.cache_data(max_entries=24, max_size="96MB", show_spinner=False)
def landscape_payload(params):
    return boltzmann_stage.landscape_payload(heat(**params))


@st.cache_resource(max_entries=16, show_spinner=False)  # never changed by the page; holds a table that is compared by identity
def relax(**params):
    return ensembles.sample(**params)


@st.cache_data(max_entries=24, max_size="64MB", show_spinner=False)
def copies_payload(params):
    return boltzmann_stage.copies_payload(relax(**params))


def show_landscape(params):
    """Stage and figures of the two basins; returns the questions that they can answer."""
    run, kT = heat(**params), params["kT"]
    basins, exact = run.landscape, run.landscape.thermodynamics(kT)
    with stage:
        page.equation(
            {
                "kT": number(kT),
                "Z": number(float(exact.Z[0])),
                "U": number(float(exact.U[0])),
                "S": number(float(exact.S[0])),
                "F": number(float(exact.F[0])),
                "kT^*": ",\\ ".join(map(number, basins.crossings)) or r"\text{none}",
            }
        )
        player(landscape_payload(params), key="stage", height=480, report=False)
        page.scenes(SCENES)
        kit.meter_beside(
            boltzmann.truth(run),
            figures.landscape_table(run),
            widths=(1, 1.25),
            note="Between the particles at the end and the Boltzmann distribution at kT.",
        )
    kit.below_the_stage()
    crossing, share = st.columns(2)
    with crossing:
        st.markdown("##### Free energy decides")
        kit.figure(
            lambda: figures.free_energy_figure(basins, palette=kit.palette()),
            key="crossing",
            alt="Free energy of the left and the right basin against kT, with the crossing temperature.",
            see="In equilibrium the basin with the lower curve holds more particles; where the curves cross, both hold equally many.",
        )
    with share:
        st.markdown("##### Who is where, as kT changes")
        kit.figure(
            lambda: figures.share_figure(run, palette=kit.palette()),
            key="share",
            alt="Share of particles in the left basin against kT: equilibrium and the particles of the stage.",
            see="Dots on the curve: at that moment the particles are in equilibrium. Dots beside it: they have not kept up with kT.",
        )
    st.markdown("##### Everything from Z")
    columns = st.columns(5, gap="small")
    for column, quantity in zip(columns, figures.QUANTITIES):
        with column:
            kit.figure(
                lambda quantity=quantity: figures.thermodynamics_figure(
                    basins, quantity, kT, boltzmann.measured(run), palette=kit.palette()
                ),
                key=f"thermo_{quantity}",
                alt=f"{figures.QUANTITIES[quantity]} against kT by quadrature.",
                see=figures.WHAT_TO_SEE[quantity],
            )
    return figures.landscape_questions(run)


def show_ensemble(params):
    """Stage and figures of one of the three ensembles; returns the questions that they can answer."""
    copies = relax(**params)
    sums = ensembles.exact(copies.levels, copies.ensemble)
    with stage:
        page.equation(figures.ensemble_terms(sums), sums.ensemble.kind, "Equation of the ensembles")
        player(copies_payload(params), key="stage", height=480, report=False)
        page.scenes(SCENES)
        kit.meter_beside(
            ensembles.truth(copies),
            figures.ensemble_table(copies),
            widths=(1, 1.25),
            note="Between the copies at the end and the exact sum over all states.",
        )
    kit.below_the_stage()
    energy, caloric = st.columns(2)
    with energy:
        st.markdown("##### Energies of the copies")
        kit.figure(
            lambda: figures.energy_figure(copies, palette=kit.palette()),
            key="energies",
            alt="Probability of each energy: copies and the exact sum.",
            see="Bars that end at the dots, to within their error bars: the copies are in equilibrium.",
        )
    with caloric:
        st.markdown("##### Two roads to one temperature")
        kit.figure(
            lambda: figures.caloric_figure(copies, palette=kit.palette()),
            key="caloric",
            alt="Energy per site against kT at fixed temperature and at fixed energy, with the copies.",
            see="Temperature held fixed (curve), or read off at fixed energy (circles): the two differ only because the system is small.",
        )
    st.markdown("##### Twelve of the copies")
    kit.figure(
        lambda: figures.sites_figure(copies, palette=kit.palette()),
        key="sites",
        alt="Occupied and excited sites of twelve copies.",
        see="A ring is an empty site, a disc a particle, a large disc an excited one. All copies obey one law; hardly two look alike.",
    )
    return figures.ensemble_questions(copies)


stage, side = st.columns([2.5, 1], gap="medium")
with side:
    values = page.controls()
if in_landscape(values):
    params = {key: values[key] for key in ("kT", "protocol", "tilt", "leaps", "n_sweeps", "seed")} | dict(
        depths=(values["depth"], values["depth_right"]), widths=(values["width"], values["width_right"])
    )
else:
    params = {key: values[key] for key in ("system", "n_sites", "kT", "mu", "energy", "filling", "seed") if key in values} | dict(
        kind=values["panel"], n_sweeps=values["sweeps"]
    )
page.exports(params)
for question, options, grade in (show_landscape if in_landscape(values) else show_ensemble)(params):
    kit.predict("boltzmann", question, options, grade)
page.prose("What to look at" if in_landscape(values) else "The three ensembles")
page.prose("The three ensembles" if in_landscape(values) else "What to look at", expanded=False)
page.footer(boltzmann.metropolis if in_landscape(values) else ensembles.metropolis, values)
