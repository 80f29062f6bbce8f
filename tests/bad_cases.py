"""Files that are no model, or none that bscc compiles, each with its exit code and error code.

for bad in bad_cases():
    path = bad.write(tmp_path)
"""

from __future__ import annotations

from tests.bad_files import file_cases
from tests.bad_models import Bad, graph_cases, unsupported_cases


def bad_cases() -> tuple[Bad, ...]:
    return (*file_cases(), *graph_cases(), *unsupported_cases())
