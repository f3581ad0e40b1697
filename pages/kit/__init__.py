"""What chapter pages share. A page imports this package and nothing else from Streamlit's side but `st` itself."""

from pages.kit.controls import Choice, Number, Scene, Slider, Text, Toggle, followed
from pages.kit.figure import figure, folded, line_key, readings, side_by_side, table
from pages.kit.page import Page, chapter
from pages.kit.predict import predict
from pages.kit.scales import graded
from pages.kit.shell import palette
from pages.kit.truth import meter_beside, truth_meter

__all__ = [
    "Choice",
    "Number",
    "Page",
    "Scene",
    "Slider",
    "Text",
    "Toggle",
    "chapter",
    "figure",
    "folded",
    "followed",
    "graded",
    "line_key",
    "meter_beside",
    "palette",
    "predict",
    "readings",
    "side_by_side",
    "table",
    "truth_meter",
]
