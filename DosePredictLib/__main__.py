"""``python -m DosePredictLib`` is ``dosepredict``."""

import sys

from .cli.main import main

sys.exit(main())
