"""Upper bounds of the histograms' buckets."""

DURATION_SECONDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)
# What an app does for a customer takes no less.
APP_DURATION_SECONDS = tuple(bound for bound in DURATION_SECONDS if bound >= 0.005)
DELIVERY_LAG_SECONDS = (
    1.0,
    2.0,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    1800.0,
    3600.0,
    21600.0,
    86400.0,
    259200.0,
)
GROUP_SIZE_EVENTS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)
CREDITS = (
    1.0,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10000.0,
    50000.0,
    100000.0,
    1000000.0,
)
