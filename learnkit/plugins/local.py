"""A single file ``learnkit_local.py``: components of one project, without a package.

It is written like a plugin, with the hooks of :mod:`learnkit.plugins.hookspecs` or with
``lk.register_loss("mine", f)`` and its like at the top level, and it is one more plugin with the name
``learnkit_local``: it is imported when a name is not built in, and its failure is a record. The command
line looks for it beside the run file that ``--config`` names, else in the working directory; a Python program
calls ``learnkit.plugins.registry.use_local(folder)`` if it wants one.

As it is code that comes with a folder, it is announced with a line when it is imported, and
``--no-plugins`` and ``LEARNKIT_PLUGINS`` leave it out as any other. A file of another user is not
imported, so that nobody's code runs because a shared folder was the working directory;
``LEARNKIT_PLUGINS=learnkit_local`` names it, and that allows it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

from learnkit.plugins.trace import say

__all__ = ["LOCAL", "LocalFile"]

#: The plugin's and the module's name.
LOCAL = "learnkit_local"


class LocalFile:
    """The file as what a plugin is loaded from, in the place of an entry point.

    Attributes:
        name: the plugin's, ``learnkit_local``.
        value: the path, for messages.
    """

    name = LOCAL

    def __init__(self, path: Path) -> None:
        self.path = path
        self.value = str(path)
        self._module: ModuleType | None = None

    @classmethod
    def beside(cls, *folders: Path) -> LocalFile | None:
        """The file in the first of the folders that has one."""
        for folder in folders:
            path = Path(os.path.abspath(folder)) / f"{LOCAL}.py"  # a link stays one, as its owner counts
            if path.is_file():
                return cls(path)
        return None

    @property
    def foreign(self) -> bool:
        """Whether it, or the link that leads to it, belongs to another user, who is not the system's."""
        if not hasattr(os, "getuid"):
            return False
        try:
            owners = {self.path.stat().st_uid, self.path.lstat().st_uid}
        except OSError:
            return True
        return not owners <= {os.getuid(), 0}

    @property
    def loaded(self) -> bool:
        """Whether it has been run already."""
        return self._module is not None

    def mentions(self, names: tuple[str, ...]) -> bool:
        """Whether the text of the file holds one of the names; told without running it."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        return any(name in text for name in names)

    def load(self) -> ModuleType:
        """Run the file, once, as the module ``learnkit_local``; its folder is not put on ``sys.path``."""
        if self._module is None:
            code = compile(self.path.read_bytes(), str(self.path), "exec")
            module = ModuleType(LOCAL)
            module.__file__ = str(self.path)
            before = sys.modules.get(LOCAL)
            sys.modules[LOCAL] = module  # where pickle and dataclasses look for it
            try:
                exec(code, module.__dict__)
            except BaseException:
                del sys.modules[LOCAL]
                if before is not None:
                    sys.modules[LOCAL] = before
                raise
            self._module = module
        return self._module

    def announce(self) -> None:
        """Say that the file is used."""
        say(f"using {self.path} (--no-plugins leaves it out)")
