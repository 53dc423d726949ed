"""Building and reading ONNX graphs."""
