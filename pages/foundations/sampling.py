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
            previewed=False,
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


def params_of(values):
    return {key: values[key] for key in ("landscape", "kT", "step", "friction", "n_steps", "n_chains", "seed")}


def law_of(values):
    return {key: values[key] for key in ("landscape", "kT")}


def scans(values):
    """Name -> (efficiency of the sampler at every step length, seconds of a step)."""
    friction = {name: of(name, params_of(values))["friction"] for name in SAMPLERS}
    return {name: scan(**law_of(values), sampler=name, friction=friction[name]) for name in SAMPLERS}


def efficiencies(values):
    return {name: found for name, (found, _) in scans(values).items()}


@st.cache_data(max_entries=64, show_spinner=False)
def thermometer(params):
    return figures.thermometer(walks(params), kT=params["kT"], step=params["step"])


@st.cache_data(max_entries=64, show_spinner=False)
def earned(values):
    """Rows of the table: one a sampler."""
    params, found = params_of(values), scans(values)
    return figures.comparison(
        walks(params),
        {name: efficiency for name, (efficiency, _) in found.items()},
        {name: truth(of(name, params)) for name in SAMPLERS},
        {name: seconds for name, (_, seconds) in found.items()},
        cores=sampling.get_landscape(params["landscape"]).cores,
        step=params["step"],
    )


def equation(values):
    steps = sampling.steps_of(values["landscape"], values["kT"], values["step"], values["friction"])
    return {
        "kT": number(values["kT"]),
        "m": "1",
        "h": number(steps.h),
        r"\Delta t_{\text{Langevin, MALA}}": number(steps.overdamped),
        r"\Delta t_{\text{BAOAB, NVE}}": number(steps.inertial),
        r"\gamma": number(values["friction"] * steps.frequency),
    }, ""


def stage(values):
    params, chosen = params_of(values), values["sampler"]
    page.exports(of(chosen, params))
    page.player(stage_payload(params, chosen), height=400, preview=False)
    with page.on.meter:
        note = f"Between {SAMPLERS[chosen]} at the end and exact draws."
        kit.meter_beside(truth(of(chosen, params)), thermometer(params), widths=(1.4, 1), note=note)


def below(values):
    params, chosen = params_of(values), values["sampler"]
    st.markdown("##### On the way to the law")
    kit.figure(
        lambda: figures.distance_figure(
            {name: approach(of(name, params)) for name in SAMPLERS},
            sampling.exact_floor(**law_of(values), n=params["n_chains"]),
            chosen=chosen,
            palette=kit.palette(),
        ),
        key="approach",
        alt="Distance of each sampler's chains to the exact law against the number of steps, with the floor.",
        see="A line that reaches the band cannot be told from exact draws; one that stays above it has not arrived, or arrives elsewhere.",
    )
    kit.folded(
        "What each sampler has earned: crossings, share on the right, memory, samples per second", lambda: table(values), key="earned"
    )
    kit.folded("What a step length earns, and how long a chain remembers", lambda: tuning(values), key="tuning")


def table(values):
    kit.table(figures.HEAD, earned(dict(values)), marked=SAMPLERS[values["sampler"]])
    st.caption(
        f"Crossings of the barrier per chain. x > 0: share of the chains at the end; exactly "
        f"{sampling.exact_right_share(**law_of(values)):.3f}. τ: of x, from chains that start exactly. Per second of this server's "
        f"processor, {64 * len(sampling.STEPS)} chains at once."
    )


def tuning(values):
    how = dict(step=values["step"], chosen=values["sampler"])
    kit.side_by_side(
        (
            "What a step length earns",
            lambda: figures.efficiency_figure(efficiencies(values), **how, palette=kit.palette()),
            "worth",
            "Acceptance and effective samples per thousand steps against the step length for each sampler.",
            "Above: longer steps are refused more often. Below: the highest point of a line is the step length that earns most.",
        ),
        (
            "How long a chain remembers",
            lambda: figures.memory_figure(efficiencies(values), **how, palette=kit.palette()),
            "memory",
            "Autocorrelation of x against the lag for each sampler at the chosen step length.",
            "The sooner a line is at zero, the sooner the chain has forgotten where it was; below zero it has swung to the other side.",
        ),
    )


def grade(values):
    best = efficiencies(values)["metropolis"]
    at = int(best.effective.argmax())
    accepted = float(best.acceptance[at])
    return 0 if accepted > 0.7 else 1 if accepted > 0.03 else 2, (
        f"Of the step lengths scanned, {float(best.steps[at]):g} earns most: {float(best.effective[at]):.2g} effective samples per 1,000 "
        f"looks, at {accepted:.0%} accepted. The shortest step has {float(best.acceptance[0]):.0%} accepted and earns "
        f"{float(best.effective[0]):.2g} at most."
    )


def grade_freshest(values):
    found = efficiencies(values)
    best, second, apart = sampling.freshest(found, values["step"])
    earned = {name: float(found[name].effective[found[name].at(values["step"])]) for name in (best, second)}
    return (len(SAMPLERS) if apart < 2 else list(SAMPLERS).index(best)), (
        f"{SAMPLERS[best]} earns {earned[best]:.3g} effective samples per 1,000 looks at this step length, {SAMPLERS[second]} "
        f"{earned[second]:.3g}; their τ are {apart:.1f} standard errors apart."
    )


def grade_right_share(values):
    chains = walk(**of(values["sampler"], params_of(values)))
    exact, counted = sampling.exact_right_share(**law_of(values)), sampling.right_share(chains).value
    error = (exact * (1 - exact) / values["n_chains"]) ** 0.5
    return compared(counted, exact, error), (
        f"Exactly {exact:.3f} of them belong there; {counted:.3f} are there, and {values['n_chains']} exact draws would scatter by "
        f"{error:.3f}."
    )


page.stage(stage, scenes=SCENES, equation=equation, waits="the chains of all five samplers walk anew, half a second of work")
page.follow(below)
kit.predict(
    "sampling",
    "Tune the random walk for the most effective samples per look. How many of its proposals are accepted then?",
    ["nearly all: more than 70 %", "a part: 3 to 70 %", "hardly any: less than 3 %"],
    grade,
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
page.footer(sampling.sample)
