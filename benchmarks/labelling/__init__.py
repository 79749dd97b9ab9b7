"""Generated pictures labelled by looking: ``python -m benchmarks.labelling plan|pictures|sheets|compare|agree --help``.

Drawings are cleaner than what a model makes, so detectors are also measured on pictures of the miniature's checkpoints.
``pictures`` makes them, ``sheets`` lays them out enlarged, in an order that hides which checkpoint made them,
``compare`` holds the detectors against the labels, and ``agree`` says how far two rounds of labels agree. The labels in
``sets`` are kept as data; the pictures can be made again from checkpoint, scenario and seed.
"""
