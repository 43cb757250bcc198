"""Keras, on torch unless its user chose a backend: every module here imports it from this one.

Keras itself would default to TensorFlow, which this project does not need.
"""

from __future__ import annotations

import os
import sys

if "keras" not in sys.modules:
    os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from keras import ops

__all__ = ["keras", "ops"]
