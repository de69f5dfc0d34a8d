"""What the reference pages add to the schema and the catalogue: the law behind a block of a deck, the formula behind a variable."""

from __future__ import annotations

HEAT, CELLS, CROSSBARS, ERRORS, TRUST = "theory_heat.md", "theory_cells.md", "theory_crossbars.md", "error_bars.md", "trust.md"

GROUPS = {
    "thermal": (HEAT, "heat"),
    "power": (f"{CROSSBARS}#power", "power of tiles"),
    "reliability": (CELLS, "what time and heat do to a cell"),
    "mvm": (CROSSBARS, "crossbars"),
    "impedance": (f"{HEAT}#impedance", "impedance"),
}
"""Group of the dataset → page where its theory stands, and its name."""

FORMULAS: dict[str, str] = {
    "thermal/temperature": r"\frac1{V}\int_V T\,dV",
    "thermal/temperature_max": r"\max_\text{layer} T",
    "thermal/temperature_mean": r"\frac1{V}\int_\text{layer} T\,dV",
    "thermal/layer_temperature_max": r"\max_\text{layer} T",
    "thermal/layer_temperature_mean": r"\frac1{V}\int_\text{layer} T\,dV",
    "thermal/map_temperature": r"\frac1{V}\int_V T\,dV",
    "thermal/block_temperature": r"\frac1{V}\int_V T\,dV",
    "thermal/tile_temperature": r"\frac1{V}\int_\text{tile} T\,dV",
    "thermal/tile_temperature_low": r"\min_t\min_\text{tile} T",
    "thermal/tile_temperature_high": r"\max_t\max_\text{tile} T",
    "thermal/tile_temperature_working": r"\int a\,T\,dt \Big/ \int a\,dt",
    "thermal/theta_ja": r"(T_J - T_A)/P",
    "thermal/theta_jc_top": r"(T_J - T_\text{plate})/P",
    "thermal/psi_jt": r"(T_J - T_T)/P",
    "thermal/psi_jb": r"(T_J - T_B)/P",
    "thermal/peak_temperature": r"\max_t\max_x T",
    "thermal/heat_in": r"\int q\,dV + \int g\,dA",
    "thermal/heat_out": r"\sum_\text{faces} Q",
    "thermal/face_heat": r"\int_\text{face} h\,(T - T_\text{amb})\,dA",
    "thermal/heat_balance_error": r"|Q_\text{in} - Q_\text{out}|/Q_\text{in}",
    "thermal/thermal_resistance": r"\max (T - T_\text{amb})/P",
    "thermal/coolant_outlet_temperature": r"T_\text{in} + Q/(\rho c\,\dot V)",
    "thermal/pumping_power": r"\Delta p\,\dot V",
    "thermal/reynolds_number": r"\rho u D/\mu",
    "thermal/entrance_length": r"0.05\,Re\,Pr\,D",
    "power/tile_power": r"f\,E_\text{tile} + P_\text{leak}(T)",
    "power/power_density": r"P_\text{array}/A",
    "power/energy_per_inference": r"E + P_\text{standing}/f",
    "power/conventional_energy": r"n_\text{MAC} E_\text{MAC} + n_\text{bit} E_\text{bit}",
    "power/break_even_rate": r"(P_\text{leak} - P'_\text{leak})/(E' - E)",
    "power/matrix_utilisation": r"n_\text{used}/n_\text{cells}",
    "power/highest_rate": r"1/\max_\text{layer} t",
    "power/latency": r"\sum_\text{layers} t",
    "power/total_power": r"\sum_\text{tiles} P + P_\text{explicit}",
    "power/array_power": r"f \sum V^2 G\,t_\text{read}",
    "power/relative_efficiency": r"(f/P)(t)\,\big/\,(f/P)(t_0)",
    "reliability/conductance_error_mean": r"\overline{G - G_\text{target}}",
    "reliability/conductance_error_std": r"\operatorname{sd}(G - G_\text{target})",
    "reliability/equivalent_time": r"\int e^{\frac{E_a}{k_B}\left(\frac1{298.15} - \frac1T\right)} dt",
    "reliability/yield": r"\prod_\text{layers} Y\cdot Y_\text{bond}\cdot Y_\text{fresh}",
    "reliability/endurance_used": r"\sum_i n_i/N_f(T_i, V_i)",
    "reliability/phase_ageing": r"s_p r(T_p) \Big/ \sum_p s_p r(T_p)",
    "mvm/accuracy": r"n_\text{right}/n",
    "mvm/accuracy_mean": r"\frac1{\tau}\int_\tau a\,dt",
    "mvm/accuracy_worst": r"\min_\tau a",
    "mvm/logit_error": r"\lVert y - y_\text{float}\rVert/\lVert y_\text{float}\rVert",
    "mvm/signal_to_noise": r"\lVert y_\text{ideal}\rVert^2/\lVert y - y_\text{ideal}\rVert^2",
    "mvm/ohmic_error": r"|I_\sinh - G V|/I_\text{full}",
    "mvm/placement_sensitivity": r"-\partial a/\partial T",
    "mvm/time_to_accuracy_loss": r"\min\{t : a(t) < a_\text{float} - \Delta\}",
    "impedance/impedance": r"(T(t) - T(0))/(1\,\mathrm W)",
    "impedance/resistance": r"\lim_{t\to\infty} Z(t)",
    "impedance/foster_resistance": r"Z(t) = \sum_i R_i\,(1 - e^{-t/\tau_i})",
    "impedance/foster_time_constant": r"\tau_i = R_i C_i",
    "impedance/mode_rate": r"K\phi = \lambda M\phi",
}
"""Variable → formula; others are counts, places and words that need none, or errors."""

SPECIAL = {
    "thermal/discretisation_error": ERRORS,
    "thermal/time_error": ERRORS,
    "thermal/compact_bound": "howto_compact.md",
    "thermal/compact_estimate": "howto_compact.md",
    "thermal/theta_ja": "howto_package.md#figures-of-a-data-sheet",
    "thermal/theta_jc_top": "howto_package.md#figures-of-a-data-sheet",
    "thermal/psi_jt": "howto_package.md#figures-of-a-data-sheet",
    "thermal/psi_jb": "howto_package.md#figures-of-a-data-sheet",
    "thermal/coolant_outlet_temperature": f"{HEAT}#limits-of-the-cooling-laws",
    "thermal/pressure_drop": f"{HEAT}#limits-of-the-cooling-laws",
    "reliability/equivalent_time": f"{CELLS}#time-at-another-temperature",
    "reliability/phase_ageing": f"{CELLS}#power-that-comes-and-goes",
    "reliability/endurance_used": f"{CELLS}#endurance",
    "reliability/yield": "howto_architect.md#what-it-takes-of-the-floor-and-how-many-chips-are-good",
    "mvm/ohmic_error": f"{CROSSBARS}#wires",
    "mvm/wire_error": f"{CROSSBARS}#wires",
}
"""Variable → page of its own, where that is nearer than the page of its group."""


def page_of(path: str) -> str | None:
    """Page of a variable of its own; None where that of its group says it."""
    is_estimate = path.startswith("thermal/") and path.endswith("_error") and path != "thermal/heat_balance_error"
    return SPECIAL.get(path, ERRORS if is_estimate else None)


LAWS = {
    "ChannelsDeck": (f"{HEAT}#limits-of-the-cooling-laws", "developed laminar flow in rectangular channels"),
    "PinsDeck": (f"{HEAT}#limits-of-the-cooling-laws", "tube banks, a porous layer of two temperatures"),
    "PumpDeck": (f"{HEAT}#limits-of-the-cooling-laws", "one pressure drop for all that a pump feeds"),
    "FaceDeck": (f"{HEAT}#equation", "heat leaves as h (T - T_amb)"),
    "MaterialDeck": (f"{HEAT}#equation", "conduction by Fourier's law"),
    "LayerDeck": (f"{HEAT}#equation", "conduction, with a jump of R'' times the flux at a contact"),
    "SolverDeck": (f"{HEAT}#discretisation", "trilinear elements, exact in the plane on uniform layers"),
    "TransientDeck": (f"{HEAT}#time", "TR-BDF2 with control of the error"),
    "ImpedanceDeck": (f"{HEAT}#impedance", "a rational Krylov space"),
    "DeviceDeck": (CELLS, "one law for each mechanism"),
    "LifetimeDeck": (f"{CELLS}#time-at-another-temperature", "equivalent time at each cell's own temperature"),
    "MvmDeck": (CROSSBARS, "pairs of cells, converters, wires"),
    "PeripheryDeck": (f"{CROSSBARS}#power", "energies per conversion and product"),
    "WorkloadDeck": ("howto_network.md", "what is mapped to arrays"),
    "TraceDeck": (f"{CELLS}#power-that-comes-and-goes", "the mean of the rate over a period"),
    "UncertainDeck": ("howto_uncertain.md", "Morris screening and Sobol indices"),
    "OptimiseDeck": ("howto_optimise.md", "a search among designs"),
}
"""Block of a deck → page of the law behind it, and the law in words; blocks that are not named hold no law."""
