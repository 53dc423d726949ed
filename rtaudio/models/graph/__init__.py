"""ONNX graphs: read, walked through, and written."""
