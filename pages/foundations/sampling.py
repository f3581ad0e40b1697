"""Page of “Monte Carlo versus molecular dynamics”."""

import time

import streamlit as st

from core.figures import sampling as figures
from core.figures import sampling_stage
from core.foundations import sampling
from core.glossary import spelled_out
from core.numerics.distances import compared
from pages import kit
from pages.kit.equation import number
from pages.kit.player import player

SAMPLERS = {name: method.label for name, method in sampling.SAMPLERS.items()}

page = kit.chapter(
    "sampling",
    [
        kit.Choice("landscape", "Landscape", "double well", options=list(sampling.LANDSCAPES)),
        kit.Slider("kT", "Temperature kT", 1.0, low=0.5, high=2.0, step=0.1, term="kT"),
        kit.Slider(
            "step",
            "Step length h (widths of the narrowest well)",
            0.7,
            options=list(sampling.STEPS),
            term="h",
            help="One length for all five: each sampler moves by about h in a step.",
        ),
        kit.Choice(
            "sampler",
            "Sampler on the truth meter",
            "metropolis",
            options=list(SAMPLERS),
            labels=SAMPLERS,
            wide=True,
            help="Metropolis: trial moves, accepted or not. Langevin: MALA without the test. " + spelled_out("MALA", "BAOAB", "NVE"),
        ),
        kit.Slider(
            "friction",
            "Friction γ of BAOAB (frequencies of the well)",
            1.0,
            options=[0.03, 0.1, 0.3, 1.0, 3.0, 10.0],
            term=r"\gamma",
            help=spelled_out("BAOAB"),
        ),
        kit.Slider("n_steps", "Number of steps of each chain", 1000, options=[100, 200, 500, 1000, 2000, 4000]),
        kit.Slider("n_chains", "Number of chains", 400, options=[100, 200, 400, 1000], more=True),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same chains."),
    ],
)
SCENES = [
    kit.Scene("Five ways", {}, "One start, one clock, one look at the landscape per step. Four clouds find the second well; NVE does not."),
    kit.Scene(
        "A bent valley",
        {"landscape": "Müller–Brown", "step": 1.0, "friction": 0.1, "sampler": "baoab"},
        "Steep walls, long floor: the walls set the step, the floor sets the distance. Momentum pays here: with little friction "
        "BAOAB rolls along the floor, while the walks stagger.",
    ),
    kit.Scene(
        "Biased or slow",
        {"landscape": "three islands", "step": 1.4, "n_chains": 1000, "sampler": "langevin"},
        "Langevin and MALA take the same steps from the same noise; only MALA asks whether to take them. Langevin is quicker, "
        "its islands are too fat: the meter sees it, and no longer run will mend it.",
    ),
    kit.Scene(
        "NVE keeps its energy",
        {"sampler": "nve", "n_steps": 4000},
        "Newton alone has no bath. All that the chains were given is shared between motion and height, so the thermometer falls to "
        "about half of kT, and a chain without the energy for the barrier never crosses it.",
        breaks=True,
    ),
    kit.Scene(
        "Too timid",
        {"step": 0.1},
        "Nearly every proposal is accepted, and hardly anything happens: 100 % acceptance is a sign of waste.",
        breaks=True,
    ),
    kit.Scene(
        "Too bold",
        {"step": 32.0, "sampler": "mala"},
        "Metropolis and MALA refuse nearly everything: correct, and almost still. "
        "Those who cannot refuse are past the stability limit and fly apart.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=96, max_size="256MB", show_spinner=False)
def walk(**params):
    return sampling.sample(**params)


@st.cache_data(max_entries=32, max_size="128MB", show_spinner=False)
def stage_payload(params, chosen):
    return sampling_stage.payload(walks(params), landscape=params["landscape"], kT=params["kT"], chosen=chosen)


@st.cache_data(max_entries=128, show_spinner=False)
def truth(params):
    return sampling.truth(walk(**params), landscape=params["landscape"], kT=params["kT"])


@st.cache_data(max_entries=128, show_spinner=False)
def approach(params):
    return sampling.distance_over_time(walk(**params), landscape=params["landscape"], kT=params["kT"])


@st.cache_data(max_entries=96, max_size="128MB", show_spinner=False)
def scan(**params):
    """Efficiency, and the processor time that one step of one chain took here."""
    start = time.thread_time()
    found = sampling.efficiency(**params)
    return found, (time.thread_time() - start) / (found.rho.shape[1] * 64 * len(found.steps))


def of(name, params):
    """The parameters of one sampler; friction belongs to BAOAB alone."""
    return params | {"sampler": name, "friction": params["friction"] if name == "baoab" else 1.0}


def walks(params):
    return {name: walk(**of(name, params)) for name in SAMPLERS}


stage, side = st.columns([2.5, 1], gap="medium")
with side:
    values = page.controls()
params = {key: values[key] for key in ("landscape", "kT", "step", "friction", "n_steps", "n_chains", "seed")}
chosen = values["sampler"]
page.exports(of(chosen, params))
steps = sampling.steps_of(params["landscape"], params["kT"], params["step"], params["friction"])
with stage:
    page.equation(
        {
            "kT": number(params["kT"]),
            "m": "1",
            "h": number(steps.h),
            r"\Delta t_{\text{Langevin, MALA}}": number(steps.overdamped),
            r"\Delta t_{\text{BAOAB, NVE}}": number(steps.inertial),
            r"\gamma": number(params["friction"] * steps.frequency),
        }
    )
    player(stage_payload(params, chosen), key="stage", height=400, report=False)
    page.scenes(SCENES)
    kit.meter_beside(
        truth(of(chosen, params)),
        figures.thermometer(walks(params), kT=params["kT"], step=params["step"]),
        widths=(1.4, 1),
        note=f"Between {SAMPLERS[chosen]} at the end and exact draws.",
    )

kit.below_the_stage()
surface = sampling.get_landscape(params["landscape"])
run, law = walks(params), {key: params[key] for key in ("landscape", "kT")}
scans = {name: scan(**law, sampler=name, friction=of(name, params)["friction"]) for name in SAMPLERS}
efficiencies, seconds = ({name: pair[i] for name, pair in scans.items()} for i in (0, 1))
st.markdown("##### What each sampler has earned")
kit.table(
    figures.HEAD,
    figures.comparison(
        run, efficiencies, {name: truth(of(name, params)) for name in SAMPLERS}, seconds, cores=surface.cores, step=params["step"]
    ),
    marked=SAMPLERS[chosen],
)
st.caption(
    f"Crossings of the barrier per chain. x > 0: share of the chains at the end; exactly "
    f"{sampling.exact_right_share(**law):.3f}. τ: of x, from chains that start exactly. Per second of this server's "
    f"processor, {64 * len(sampling.STEPS)} chains at once."
)
arrival, worth = st.columns(2)
with arrival:
    st.markdown("##### On the way to the law")
    kit.figure(
        lambda: figures.distance_figure(
            {name: approach(of(name, params)) for name in SAMPLERS},
            sampling.exact_floor(**law, n=params["n_chains"]),
            chosen=chosen,
            palette=kit.palette(),
        ),
        key="approach",
        alt="Distance of each sampler's chains to the exact law against the number of steps, with the floor.",
        see="A line that reaches the band cannot be told from exact draws; one that stays above it has not arrived, or arrives elsewhere.",
    )
with worth:
    st.markdown("##### What a step length earns")
    kit.figure(
        lambda: figures.efficiency_figure(efficiencies, step=params["step"], chosen=chosen, palette=kit.palette()),
        key="worth",
        alt="Acceptance and effective samples per thousand steps against the step length for each sampler.",
        see="Above: longer steps are refused more often. Below: the highest point of a line is the step length that earns most.",
    )
memory, question = st.columns(2)
with memory:
    st.markdown("##### How long a chain remembers")
    kit.figure(
        lambda: figures.memory_figure(efficiencies, step=params["step"], chosen=chosen, palette=kit.palette()),
        key="memory",
        alt="Autocorrelation of x against the lag for each sampler at the chosen step length.",
        see="The sooner a line is at zero, the sooner the chain has forgotten where it was; below zero it has swung to the other side.",
    )


def grade():
    best = efficiencies["metropolis"]
    at = int(best.effective.argmax())
    accepted = float(best.acceptance[at])
    return 0 if accepted > 0.7 else 1 if accepted > 0.03 else 2, (
        f"Of the step lengths scanned, {float(best.steps[at]):g} earns most: {float(best.effective[at]):.2g} effective samples per 1,000 "
        f"looks, at {accepted:.0%} accepted. The shortest step has {float(best.acceptance[0]):.0%} accepted and earns "
        f"{float(best.effective[0]):.2g} at most."
    )


with question:
    kit.predict(
        "sampling",
        "Tune the random walk for the most effective samples per look. How many of its proposals are accepted then?",
        ["nearly all: more than 70 %", "a part: 3 to 70 %", "hardly any: less than 3 %"],
        grade,
    )


def grade_freshest():
    best, second, apart = sampling.freshest(efficiencies, params["step"])
    earned = {name: float(efficiencies[name].effective[efficiencies[name].at(params["step"])]) for name in (best, second)}
    return (len(SAMPLERS) if apart < 2 else list(SAMPLERS).index(best)), (
        f"{SAMPLERS[best]} earns {earned[best]:.3g} effective samples per 1,000 looks at this step length, {SAMPLERS[second]} "
        f"{earned[second]:.3g}; their τ are {apart:.1f} standard errors apart."
    )


def grade_right_share():
    exact, counted = sampling.exact_right_share(**law), sampling.right_share(run[chosen]).value
    error = (exact * (1 - exact) / params["n_chains"]) ** 0.5
    return compared(counted, exact, error), (
        f"Exactly {exact:.3f} of them belong there; {counted:.3f} are there, and {params['n_chains']} exact draws would scatter by "
        f"{error:.3f}."
    )


kit.predict(
    "sampling",
    "At this step length, which sampler earns the most effective samples per look?",
    [*SAMPLERS.values(), "the two best cannot be told apart"],
    grade_freshest,
)
kit.predict(
    "sampling",
    "All chains start at one place. After the last step of the sampler on the truth meter, how many of them are at x > 0?",
    ["fewer than the exact law wants", "as many, within the noise", "more than the exact law wants"],
    grade_right_share,
)
page.prose("What to look at")
page.footer(sampling.sample, values)
