"""Conditions on crystals from nothing: which formula, which sites, which crystal, and how it is checked."""
