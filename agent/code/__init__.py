"""The user's code as text: what stands where in it, and how to change it in place.

For fixers: Python, SQL, notebooks and YAML are read with positions, so that an edit touches the one
name it means and leaves formatting and comments alone.
"""
