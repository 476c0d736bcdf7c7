#!/usr/bin/python3
"""Trains a classifier on the handwritten digits that ship with scikit-learn: the demo's workload.

Prints the GPUs the container sees, the accuracy after each tenth epoch and at the end. Exit code 1 when no GPU is
visible or the accuracy on the held-out digits is under 0.95.
"""
import ctypes
import os
import sys
import time


def visible_gpus():
    """UUID and name of each GPU NVML lists: exactly those granted to this container."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError as error:
        print(f"no NVML library in this container: {error}", file=sys.stderr)
        return []
    if nvml.nvmlInit_v2() != 0:
        return []
    count = ctypes.c_uint()
    found = []
    if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) == 0:
        for index in range(count.value):
            device = ctypes.c_void_p()
            uuid, name = ctypes.create_string_buffer(96), ctypes.create_string_buffer(96)
            if nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(device)) == 0:
                nvml.nvmlDeviceGetUUID(device, uuid, ctypes.c_uint(len(uuid)))
                nvml.nvmlDeviceGetName(device, name, ctypes.c_uint(len(name)))
                found.append((uuid.value.decode(), name.value.decode()))
    nvml.nvmlShutdown()
    return found


def main():
    sys.stdout.reconfigure(line_buffering=True)
    gpus = visible_gpus()
    for uuid, name in gpus:
        print(f"gpu {uuid} {name}")
    if not gpus:
        print("no GPU is visible to this container", file=sys.stderr)
        return 1

    # One thread: the arrays are small, and threads would fight over the container's CPU limit.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    started = time.monotonic()
    import numpy
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images / 16.0, labels, test_size=0.25, random_state=7, stratify=labels)
    print(f"digits: {len(train_x)} images to train on, {len(test_x)} to test on")
    hidden = int(os.environ.get("HIDDEN", "64"))
    epochs = int(os.environ.get("EPOCHS", "40"))
    model = MLPClassifier(hidden_layer_sizes=(hidden,), alpha=1e-4, learning_rate_init=3e-3, random_state=7)
    classes = numpy.unique(labels)
    order = numpy.random.default_rng(7)
    for epoch in range(1, epochs + 1):
        shuffled = order.permutation(len(train_x))
        for start in range(0, len(shuffled), 64):
            batch = shuffled[start:start + 64]
            model.partial_fit(train_x[batch], train_y[batch], classes=classes)
        if epoch % 10 == 0 or epoch == 1:
            print(f"epoch {epoch:3d}  loss {model.loss_:.4f}  train accuracy {model.score(train_x, train_y):.4f}")
    accuracy = model.score(test_x, test_y)
    print(f"test accuracy {accuracy:.4f} after {epochs} epochs in {time.monotonic() - started:.1f} s")
    if accuracy < 0.95:
        print("the classifier is worse than 0.95", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
