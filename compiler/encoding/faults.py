"""How this package refuses: coded errors, built here so that every refusal has the same shape."""

from compiler.errors import BsccError, Diagnostic, UnreadableInput


def fault(code: str, message: str, help: str = "") -> BsccError:
    """Build (not raise) the error for a value that has no encoding, so that `raise` stays visible."""
    return BsccError(Diagnostic(code=code, message=message, help=help))


def damaged(code: str, message: str, place: str, help: str = "") -> UnreadableInput:
    """Build the error for bytes that are not what they should be."""
    return UnreadableInput(Diagnostic(code=code, message=message, place=place, help=help))
