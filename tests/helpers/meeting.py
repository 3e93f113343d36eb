"""What two processes of a launcher do: fingerprint a base together, and again where one has to wait for the other."""

from __future__ import annotations

import sys
from pathlib import Path

from stillright import digest, ranks
from stillright.models import ModelRef


def main(base: str, folder: Path) -> None:
    """Keeps the fingerprints of this process and how many files it has read for the first one."""
    ref = ModelRef.parse(base)
    found = [ref.fingerprint()]
    read = digest._file_digest.cache_info().misses
    found += [ranks.on_main(ref.fingerprint), ranks.main_first(ref.fingerprint), ref.fingerprint()]
    (folder / f"{ranks.rank()}.txt").write_text("\n".join([str(read), *found]))
    ranks.leave()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
