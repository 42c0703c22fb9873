"""What burns now as one picture: `picture.py` what it holds, `reading.py` whence it comes, `lines.py` how it reads.

`cells.py` and `amounts.py` are how single values are written; `live.py` keeps the picture on a terminal.
"""
