# task: add
# unusual: logs to standard error and to a file, with a configuration of its own
import logging
import logging.handlers

logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(name)s %(process)d %(threadName)s %(message)s")
log = logging.getLogger(__name__)
log.addHandler(logging.handlers.RotatingFileHandler("add.log", maxBytes=1000, backupCount=2))


def add(a, b):
    log.debug("adding %d and %d", a, b)
    try:
        return a + b
    finally:
        log.info("done", stack_info=True)
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("on purpose")
