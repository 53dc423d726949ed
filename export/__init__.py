"""From a PyTorch net to a streaming ONNX file: stateful layers, exporter, parity check."""
