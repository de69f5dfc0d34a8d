"""Numbers of nature and of the calendar that more than one room needs."""

BOLTZMANN = 8.617333262e-5
"""CODATA 2018. [eV K⁻¹]"""
STEFAN_BOLTZMANN = 5.670374419e-8
"""CODATA 2018. [W m⁻² K⁻⁴]"""
GRAVITY = 9.80665
"""Standard. [m s⁻²]"""
ZERO_CELSIUS = 273.15
"""[K]"""
DAY = 86400.0
"""[s]"""
YEAR = 365.25 * DAY
"""Julian. [s]"""
