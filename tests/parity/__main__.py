"""Print, for each module and function, whether it equals PyTorch's: ok, or what differs; and what is missing."""

import sys
import warnings

from .cases import CASES
from .compare import COLUMNS, verdict
from .missing import missing


def main(families: list[str]) -> int:
    print(f"{'':60}" + "".join(f"{column:>9}" for column in COLUMNS))
    wrong = 0
    for family, cases in CASES.items():
        if families and family not in families:
            continue
        for case in cases:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = verdict(case)
            except Exception as error:
                found = dict.fromkeys(COLUMNS, "-") | {"output": f"{type(error).__name__}: {error}"}
            marks = {column: "ok" if not text else text if text == "-" else "DIFFERS" for column, text in found.items()}
            print(f"{str(case)[:59]:60}" + "".join(f"{marks[column]:>9}" for column in COLUMNS))
            for column, text in found.items():
                if marks[column] == "DIFFERS":
                    wrong += 1
                    print(f"    {column}: {text}")
    absent = missing()
    print(f"{sum(map(len, CASES.values()))} cases, {wrong} differences; not compared: {', '.join(absent) or 'nothing'}")
    return bool(wrong or absent)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
