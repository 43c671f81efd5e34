"""Compares annotated .h5ad files with their inputs as Python's anndata sees both.

Reads a JSON list of [input, output] from standard input and prints a JSON list of the differences found in each pair. An
input may be a 10x .h5, which anndata cannot read: then only the output is looked at.
"""
import json
import sys
import warnings

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

warnings.simplefilter("ignore")


def dense(matrix):
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)


def compare(differences, name, before, after):
    if isinstance(before, pd.DataFrame):
        for column in before:
            if column not in after or str(before[column].dtype) != str(after[column].dtype) or not before[column].equals(after[column]):
                differences.append(f"{name}[{column}]")
    elif type(before) is not type(after) or not np.array_equal(dense(before), dense(after), equal_nan=True):
        differences.append(name)


def keys(tree, at="uns"):
    return {f"{at}/{key}" for key in tree} | {path for key in tree if hasattr(tree[key], "items") for path in keys(tree[key], f"{at}/{key}")}


def find_differences(source, target):
    differences = []
    after = anndata.read_h5ad(target)
    labels = after.obs["scdiva_cell_type"]
    if str(labels.dtype) != "category" or list(labels.cat.categories) != ["B", "T", "unknown"] or list(labels.cat.codes) != [i % 4 - 1 for i in range(after.n_obs)]:
        differences.append("obs[scdiva_cell_type]")
    if after.obs["scdiva_confidence"].dtype != np.float32:
        differences.append("obs[scdiva_confidence]")
    embedding = after.obsm["X_scdiva"]
    if embedding.shape != (after.n_obs, 5) or embedding.dtype != np.float32 or not np.array_equal(embedding.ravel(), np.arange(after.n_obs * 5)):
        differences.append("obsm[X_scdiva]")
    uns = after.uns["scdiva"]
    if (uns["version"], uns["seed"], uns["rate"], list(uns["labels"]), len(uns["none"]), list(uns["deep"]["er"])) != ("0.1", 7, 0.5, ["B", "T"], 0, [1, 2]):
        differences.append("uns[scdiva]")

    if source.endswith(".h5ad"):
        before = anndata.read_h5ad(source)
        if list(before.obs_names) != list(after.obs_names) or list(before.var_names) != list(after.var_names):
            differences.append("names")
        compare(differences, "obs", before.obs, after.obs)
        compare(differences, "var", before.var, after.var)
        if before.X is not None or after.X is not None:
            compare(differences, "X", before.X, after.X)
        for part in ["layers", "obsm", "varm", "obsp", "varp"]:
            for key, value in getattr(before, part).items():
                compare(differences, f"{part}/{key}", value, getattr(after, part).get(key))
        if (before.raw is None) != (after.raw is None):
            differences.append("raw")
        elif before.raw is not None:
            compare(differences, "raw.X", before.raw.X, after.raw.X)
            compare(differences, "raw.var", before.raw.var, after.raw.var)
        differences += sorted(keys(before.uns) - keys(after.uns))
    return differences


print(json.dumps([find_differences(*pair) for pair in json.load(sys.stdin)]))
