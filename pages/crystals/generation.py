"""Chapter 19."""
import streamlit as st
st.title("Growing crystals")
