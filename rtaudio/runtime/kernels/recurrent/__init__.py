"""The kernel of LSTM and GRU nets."""
