"""Constructor arguments as scikit-learn handles them: read, set, cloned, shown."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from halfstep.errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Self


class Settings:
    """The arguments of a dataclass's constructor by name; `sklearn.base.clone` works by them."""

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """Return the names of the constructor's arguments with their defaults."""
        return {f.name: f.default for f in fields(cls) if f.init}  # type: ignore[arg-type]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments by name; `deep` is scikit-learn's and changes nothing."""
        return {name: getattr(self, name) for name in self.parameters()}

    def set_params(self, **params: Any) -> Self:
        """Set constructor arguments by name and return the model; a fit is needed to apply them."""
        known = self.get_params()
        for name in params:
            if name not in known:
                raise InputError(
                    f"{type(self).__name__} has no argument {name!r}; it has {', '.join(known)}"
                )
        type(self)(**{**known, **params})  # refused as a whole, before anything is set
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = self.parameters()
        shown = []
        for name, value in self.get_params().items():
            default = defaults[name]
            if name == "init_factors" and value is not None:
                shapes = ", ".join(str(np.shape(side)) for side in value)
                shown.append(f"init_factors=<{shapes}>")
            elif name == "dtype" and np.dtype(value) != np.dtype(default):
                shown.append(f"dtype={np.dtype(value).name}")
            elif name != "dtype" and value is not default and value != default:
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"
