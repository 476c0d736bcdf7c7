"""outputs/digits.csv: the handwritten digits that ship with scikit-learn, a label and 64 pixels a line."""
import os
import sys

import numpy
from sklearn.datasets import load_digits

os.makedirs("outputs", exist_ok=True)
images, labels = load_digits(return_X_y=True)
rows = numpy.column_stack([labels, images]).astype(int)
keep = int(sys.argv[1]) if len(sys.argv) > 1 else len(rows)
numpy.savetxt("outputs/digits.csv", rows[:keep], fmt="%d", delimiter=",")
print(f"{keep} images")
