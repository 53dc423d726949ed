"""Third-party denoisers: each module knows one family by the inputs of its graphs."""
