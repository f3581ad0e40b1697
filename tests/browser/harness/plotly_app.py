"""The peer of the player benchmark: the same Brownian walkers as a Plotly figure with frames."""

import plotly.graph_objects as go
import streamlit as st
import torch

n, frames = int(st.query_params.get("n", 2000)), 200
g = torch.Generator().manual_seed(0)
x = (torch.randn(frames, n, 2, generator=g) * frames**-0.5).cumsum(0).numpy()
play = {
    "type": "buttons",
    "buttons": [
        {
            "label": "Play",
            "method": "animate",
            "args": [None, {"frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}, "fromcurrent": True}],
        }
    ],
}
figure = go.Figure(
    go.Scattergl(x=x[0, :, 0], y=x[0, :, 1], mode="markers", marker_size=4),
    layout={"updatemenus": [play], "xaxis_range": [-4, 4], "yaxis_range": [-4, 4], "height": 560},
    frames=[go.Frame(data=[go.Scattergl(x=p[:, 0], y=p[:, 1])]) for p in x],
)
st.plotly_chart(figure, key="peer")
