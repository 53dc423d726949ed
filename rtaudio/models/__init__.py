"""Model files: the streaming contract, loading, importing foreign formats."""
