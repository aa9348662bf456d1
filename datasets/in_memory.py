"""What makes a `Dataset` of data in memory: a table, arrays, or a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from halfstep.datasets.tables.options import Column, Duplicates, Negative, TableOptions

if TYPE_CHECKING:
    from typing_extensions import Self


class InMemory:
    """The constructors of `Dataset` that take data in memory."""

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        user: Column | None = None,
        item: Column | None = None,
        value: Column | None = None,
        time: Column | None = None,
        name: Column | None = None,
        negative: Negative = "error",
        duplicates: Duplicates | None = None,
        half_life: float | None = None,
        title: str = "frame",
    ) -> Self:
        """Build a data set from a table in memory, one row per observation.

        Ids come back exactly: integers of any width stay integers, text stays text. A row with a missing
        id or value is left out and counted in `provenance["reading"]`.

        Parameters
        ----------
        frame
            A pandas or polars frame, a pyarrow table, record batch or reader, or anything that has
            `__arrow_c_stream__`. Named levels of a pandas index are columns.
        user, item, value, time, name : str or int, optional
            A column's name, or its number from 1; one that is not given is found by known names.
        negative : {"error", "drop", "keep"}
            What to do with rows whose value is below 0.
        duplicates : {"add", "last", "mean"}, optional
            What to make of several rows of one user and item. If None, the last rating counts, by time
            if there is one; everything else is added.
        half_life : float, optional
            Days after which a value counts half.
        title : str
            The data set's name.

        Returns
        -------
        Dataset

        Raises
        ------
        InputError
            A column cannot be told or cannot be what it is taken for, or no row is left.

        See Also
        --------
        from_arrays : From one array a column.
        halfstep.load_data : From a file.
        """
        from halfstep.datasets.tables.frames import frame_fields

        options = TableOptions(
            user=user,
            item=item,
            value=value,
            time=time,
            name=name,
            negative=negative,
            duplicates=duplicates,
            half_life=half_life,
        )
        return cls(**frame_fields(frame, title, options))

    @classmethod
    def from_arrays(
        cls,
        users: Any,
        items: Any,
        values: Any = None,
        times: Any = None,
        *,
        negative: Negative = "error",
        duplicates: Duplicates | None = None,
        title: str = "arrays",
    ) -> Self:
        """Build a data set from one array, list or series per column, all of one length.

        Parameters
        ----------
        users, items : array_like
            Ids, integers or text, shape (rows,).
        values, times : array_like, optional
            Numbers, and times as numbers, text or datetime64, shape (rows,).
        negative, title
            As in `from_frame`.
        duplicates : {"add", "last", "mean"}, optional
            As in `from_frame`; if None, values are added.

        Returns
        -------
        Dataset

        Raises
        ------
        InputError
            As in `from_frame`, or if lengths differ.

        See Also
        --------
        from_frame : From a table.
        from_csr : From a matrix.
        """
        from halfstep.datasets.tables.frames import array_fields

        options = TableOptions(negative=negative, duplicates=duplicates)
        return cls(**array_fields(users, items, values, times, title, options))

    @classmethod
    def from_csr(
        cls,
        matrix: Any,
        user_ids: Any = None,
        item_ids: Any = None,
        *,
        item_names: Any = None,
        negative: Negative = "error",
        title: str = "matrix",
    ) -> Self:
        """Build a data set from a users x items matrix, whose rows and columns keep their order.

        Parameters
        ----------
        matrix : sparse matrix or array
            Of SciPy, in any of its formats; entries that are there twice are added.
        user_ids, item_ids : array_like, optional
            Different integers or texts, shapes (users,) and (items,); by default 0, 1, 2 ...
        item_names : sequence of str, optional
            Shape (items,).
        negative, title
            As in `from_frame`.

        Returns
        -------
        Dataset

        Raises
        ------
        InputError
            The matrix has no entries, or a value that is not finite or below 0; or ids do not fit.

        See Also
        --------
        from_arrays : From one array a column.
        """
        from halfstep.datasets.matrix import matrix_fields

        options = TableOptions(negative=negative)
        return cls(**matrix_fields(matrix, user_ids, item_ids, item_names, title, options))
