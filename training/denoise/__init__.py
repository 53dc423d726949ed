"""Train nets that take noise off speech: mixtures made while they are learnt from."""
