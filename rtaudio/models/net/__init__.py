"""A net in plain data, and its conversion to an ONNX graph, a native kernel and back."""
