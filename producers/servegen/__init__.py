"""ServeGen's folders: how often real clients of a model service asked, and how long their prompts and answers were.

`chunk-N-trace.csv`, no header: start of a window in seconds, requests per second, coefficient of variation, pattern and
its two parameters. `chunk-N-dataset.json` beside it: every six hours a distribution of tokens; some clients have none.
`trace.py` reads the first (and makes the series that `burnline bench forecast` measures), `tokens.py` the second,
`requests.py` draws requests from both, because the format holds none.
Source: https://github.com/alibaba/ServeGen (NSDI '26).
"""
