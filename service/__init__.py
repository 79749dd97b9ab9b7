"""The FastAPI service, its command line, and the domains behind them."""

from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """The version of Bleedcheck that is installed."""
    try:
        return version("bleedcheck")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"
