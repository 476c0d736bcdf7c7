"""evaluate.py SETS MODEL FILE: how many of sets/test.npy the model gets right."""
import pickle
import sys
from pathlib import Path

import numpy

rows = numpy.load(Path(sys.argv[1]) / "test.npy")
model = pickle.loads((Path(sys.argv[2]) / "model.pkl").read_bytes())
accuracy = model.score(rows[:, 1:] / 16.0, rows[:, 0])
Path(sys.argv[3]).write_text(f"{accuracy:.4f}")
print(f"accuracy {accuracy:.4f}")
