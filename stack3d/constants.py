"""Numbers of nature and of the calendar that more than one room needs."""

BOLTZMANN = 8.617333262e-5
"""CODATA 2018. [eV K⁻¹]"""
ZERO_CELSIUS = 273.15
"""[K]"""
DAY = 86400.0
"""[s]"""
YEAR = 365.25 * DAY
"""Julian. [s]"""
