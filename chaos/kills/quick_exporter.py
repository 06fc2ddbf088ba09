"""The exporter, whose dispatcher passes ten times as often: a kill takes a second then, and not
half a minute. Whatever it waits for others is as ever.
"""

from functools import partial

from exporter.cli import main
from exporter.monitors import alerting
from exporter.monitors.dispatch import Dispatch

DISPATCH_SECONDS = 0.2
SILENCES_SECONDS = 0.3
REPEAT_SECONDS = 3.0
END_REPEATED_SECONDS = 10.0
HELD_SECONDS = 1.0

if __name__ == "__main__":
    vars(alerting).update(
        DISPATCH_SECONDS=DISPATCH_SECONDS,
        SILENCES_SECONDS=SILENCES_SECONDS,
        Dispatch=partial(
            Dispatch,
            repeat_seconds=REPEAT_SECONDS,
            end_repeated_seconds=END_REPEATED_SECONDS,
            held_seconds=HELD_SECONDS,
        ),
    )
    main(prog_name="billing-exporter")
