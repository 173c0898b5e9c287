"""What is loaded once and stays, set apart from what comes and goes."""

import atexit
import gc


def set_apart() -> None:
    """Leave what is loaded by now out of garbage collections.

    Looking the hundreds of thousands of objects of libraries and models through again holds everything up for
    a third of a second.
    """
    gc.collect()
    gc.freeze()
    # At the end all is collected, or extension modules report what was set apart as leaked.
    atexit.register(gc.unfreeze)
