"""Becomes the command in its arguments, with standard input as its controlling terminal."""

import fcntl
import os
import signal
import sys
import termios

os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
# In a background job Ctrl-C is ignored, and a program that is started there would inherit that.
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the test's own command
