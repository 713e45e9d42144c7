"""Reading data, looking at it, and turning it into arrays, batches and parts.

From the outside in: :func:`load_source` reads whatever the command line names into a :class:`DataSet`;
its rows are split; a :class:`Preprocessor` learned from the training part makes float32 matrices, and
:func:`batch_indices` says in which order they are seen. The readers (:func:`read_csv`, :func:`read_idx`,
:func:`read_numpy`) work alone too. Everything here is NumPy on the host, and nothing is random but by a seed.
"""

from __future__ import annotations

from learnkit.data.arrays import ArrayPreprocessor, ImagePreprocessor
from learnkit.data.batches import batch_indices, permutation
from learnkit.data.csvfile import read_csv
from learnkit.data.dataset import DataSet
from learnkit.data.digits import load_digits
from learnkit.data.idx import IdxFiles, find_idx, read_idx
from learnkit.data.matching import load_matching
from learnkit.data.npfile import ArrayData, read_numpy
from learnkit.data.preprocessor import Preprocessor
from learnkit.data.profile import ColumnProfile, TableProfile, profile_table
from learnkit.data.sources import load_source
from learnkit.data.splits import random_split, stratified_split
from learnkit.data.table import Column, Table
from learnkit.data.tabular import CategoricalColumn, NumericColumn, TablePreprocessor
from learnkit.data.target import TargetCode
from learnkit.data.task import infer_task

__all__ = [
    "ArrayData",
    "ArrayPreprocessor",
    "CategoricalColumn",
    "Column",
    "ColumnProfile",
    "DataSet",
    "IdxFiles",
    "ImagePreprocessor",
    "NumericColumn",
    "Preprocessor",
    "Table",
    "TablePreprocessor",
    "TableProfile",
    "TargetCode",
    "batch_indices",
    "find_idx",
    "infer_task",
    "load_digits",
    "load_matching",
    "load_source",
    "permutation",
    "profile_table",
    "random_split",
    "read_csv",
    "read_idx",
    "read_numpy",
    "stratified_split",
]
