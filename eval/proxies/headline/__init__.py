"""Which of two texts gets more clicks: a proxy learnt from headline tests with real clicks."""
