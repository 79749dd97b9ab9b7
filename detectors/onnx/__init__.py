"""Public models in ONNX form, opened with onnxruntime: YOLO detectors, a tagger, CCIP.

Input and output names, sizes and preprocessing follow what their publishers document; ``docs/profiles.md`` has the
sources. Importing this package imports no onnxruntime.
"""
