"""JupyterLab in a real browser: the harness and the tests that need it."""
