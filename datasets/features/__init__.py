"""Side information from a file: attributes of users or items, encoded as a sparse matrix for `fit`.

    from halfstep.datasets.features import read_features
    genres = read_features("movies.csv", dataset.item_ids, side="item")
    model.fit(dataset.interactions, item_features=genres)

`table` reads a long or a wide file, `encoder` decides what each field is and makes columns of it, `read`
puts the rows in the data's order and counts what did not fit.
"""

from halfstep.lazy import offered

_OFFERED = {
    "FeatureEncoder": "encoder",
    "Features": "read",
    "Table": "table",
    "encode_features": "read",
    "read_features": "read",
    "read_feature_table": "table",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
