"""What a picture under the thumb costs the server: `python -m tests.benchmarks.previews [slug ...]`.

Each scene of a chapter is chosen, and every slider that is previewed there is asked for a picture at the value in force and a little beside
it: processor milliseconds (the best of three) and kB of the slowest slider of each scene.
"""

from __future__ import annotations

import argparse
import time


def cost(offer, slider, place: float) -> tuple[float, int]:
    """(processor ms, bytes) of a preview."""
    best, size = float("inf"), 0
    for _ in range(3):
        start = time.process_time()
        size = len(offer.drawn(slider.key, place))
        best = min(best, 1000 * (time.process_time() - start))
    return best, size


def beside(slider, value) -> float:
    """A place of the slider next to this value, as the browser counts."""
    if slider.options:
        return max(0, list(slider.options).index(value) - 1)
    step = slider.step or (1 if isinstance(slider.default, int) else (slider.high - slider.low) / 100)
    return value - step if value - step >= slider.low else value + step


def main() -> None:
    from core.chapters import CHAPTERS, find
    from pages.kit.controls import Slider
    from tests.benchmarks.report import write
    from tests.pages.conftest import Visit
    from tests.pages.test_preview import offered

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("slugs", nargs="*", default=[chapter.slug for chapter in CHAPTERS])
    args = parser.parse_args()
    rows = []
    for slug in args.slugs:
        visit = Visit(find(slug))
        offer = offered(visit)
        if offer is None:
            rows.append([slug, "", "none: acts on release", "", ""])
            continue
        n = sum(1 for button in visit.app.button if button.key and button.key.startswith("scene_"))
        for scene in range(n):
            button = visit.app.button(key=f"scene_{scene + 1}")
            button.click()
            visit.app.run()
            offer = offered(visit)
            found = []
            for slider in offer.declared:
                if isinstance(slider, Slider) and slider.previewed and slider.key in offer.values:
                    found.append((*cost(offer, slider, beside(slider, offer.values[slider.key])), slider.key))
            if found:
                worst = max(found)
                rows.append([slug, button.label, worst[2], f"{worst[0]:.0f}", f"{worst[1] / 1000:.0f}"])
                print(*rows[-1], flush=True)
    write("previews", "A picture under the thumb", ["chapter", "scene", "slowest slider", "processor ms", "kB"], rows)


if __name__ == "__main__":
    main()
