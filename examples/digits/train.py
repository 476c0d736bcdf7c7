"""train.py SETS MODEL: a classifier, trained on sets/train.npy; HIDDEN units, EPOCHS passes."""
import os
import pickle
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402

sys.stdout.reconfigure(line_buffering=True)
rows = numpy.load(Path(sys.argv[1]) / "train.npy")
images, labels = rows[:, 1:] / 16.0, rows[:, 0]
model = MLPClassifier(hidden_layer_sizes=(int(os.environ["HIDDEN"]),), alpha=1e-4, learning_rate_init=3e-3, random_state=7)
order = numpy.random.default_rng(7)
for epoch in range(1, int(os.environ["EPOCHS"]) + 1):
    shuffled = order.permutation(len(images))
    for start in range(0, len(shuffled), 64):
        batch = shuffled[start:start + 64]
        model.partial_fit(images[batch], labels[batch], classes=numpy.arange(10))
    if epoch % 10 == 0 or epoch == 1:
        print(f"epoch {epoch:3d}  loss {model.loss_:.4f}  train accuracy {model.score(images, labels):.4f}")
out = Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
(out / "model.pkl").write_bytes(pickle.dumps(model))
