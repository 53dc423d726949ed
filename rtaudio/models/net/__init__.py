"""A net in plain data, and its ways to an ONNX graph, a native kernel and back."""
