"""The `halfstep` command: `main` starts it, `options` has shared options, `show*` print results.

To add a command, write a function with Typer annotations and a docstring, which becomes its help, in a
file of this folder; doctor.py is an example, and options.py has the options that commands share. Then
add the function to `COMMANDS` in main.py. Raise `InputError` for bad input, import heavy modules inside
the function, and put the tables that it prints into a file show_NAME.py.
"""
