"""prepare.py DIGITS.CSV SETS: what is trained on, and what is kept apart for the evaluation."""
import sys
from pathlib import Path

import numpy
from sklearn.model_selection import train_test_split

rows = numpy.loadtxt(sys.argv[1], delimiter=",", dtype=int)
train, test = train_test_split(rows, test_size=0.25, random_state=7, stratify=rows[:, 0])
sets = Path(sys.argv[2])
sets.mkdir(parents=True, exist_ok=True)
numpy.save(sets / "train.npy", train)
numpy.save(sets / "test.npy", test)
print(f"{len(train)} images to train on, {len(test)} to test on")
