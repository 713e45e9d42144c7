"""A trainer in a file, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from learnkit.backends import kernels_in_force
from learnkit.backends.base import Backend
from learnkit.errors import UnknownNameError
from learnkit.plugins import registry
from learnkit.training.callbacks import Callback

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["Saved"]


class Saved:
    """What a ``Trainer`` can do with files.

    Attributes:
        kernels: descriptions of the kernels of plugins that steps were made with.
    """

    backend: Backend
    kernels: list[dict[str, Any]]

    def note_kernels(self) -> None:
        """Take down the kernels in force, as a fit does when it begins."""
        for kernels in kernels_in_force(self.backend.name):
            try:
                described = registry.describe(kernels, "kernel")
            except UnknownNameError:  # an object from code, which has no registered name
                described = {"kind": "kernel", "class": type(kernels).__qualname__}
            if described not in self.kernels:
                self.kernels.append(described)

    def save(self, path: str | Path, *, extra: Mapping[str, Any] | None = None) -> Path:
        """Write model, optimizer state and history to one safetensors file.

        The file is written beside its place and then renamed, so a failure leaves an older one whole.

        Args:
            path: for instance ``"run.safetensors"``; missing folders are made.
            extra: plain JSON values to keep with it, such as preprocessing.

        Returns:
            The path.

        Raises:
            MissingDependencyError: the extra ``cli``, which holds safetensors, is not installed.
            BackendError: the file cannot be written.
            UnknownNameError: the model holds a layer that is not registered, so it could not be rebuilt.
        """
        from learnkit.training.checkpoint import save_trainer

        return save_trainer(cast("Trainer", self), Path(path), dict(extra or {}))

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        backend: str | Backend | None = None,
        device: str | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """A trainer as :meth:`save` left it: it predicts the same and trains on the same way.

        Nothing in the file is executed: the model is built from registered layers by name.

        Args:
            path: of the file.
            backend, device: where to go on; another one than before is fine.
            callbacks: given their saved state back, in order.

        Raises:
            CheckpointError: the file is damaged, of another kind, or of a newer format; or a plugin is not
                installed whose components it holds, and the text says which.

        Warns:
            PluginVersionWarning: it was saved with another version of such a plugin.
        """
        from learnkit.training.checkpoint import load_trainer

        made = cast("type[Trainer]", cls)
        return load_trainer(made, Path(path), backend, device, callbacks)  # type: ignore[no-any-return]

    @classmethod
    def resume(cls, path: str | Path, **options: Any) -> Self:
        """:meth:`load`, under the name that says what for."""
        return cls.load(path, **options)
