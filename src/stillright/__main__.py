"""python -m stillright"""

import sys

from stillright.cli import main

sys.exit(main())
