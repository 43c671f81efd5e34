"""Cells for docs/results.md, Reference mapping, and the scores of what scdiva made of them beside k nearest neighbours on principal components.

    python bench/results/reference.py split KANG_CTRL.h5ad FOLDER     atlas.h5ad: six of eight donors; atlas-without.h5ad: the same without B cells
    python bench/results/reference.py score FOLDER QUERY.h5ad         of mapped.h5ad (--threshold 0), thresholded.h5ad and without.h5ad in FOLDER

The query has cells of the other two donors, 101 and 107. Needs anndata, scanpy and scikit-learn.
"""
import sys

import anndata as ad
import numpy as np
import scanpy as sc
from sklearn.decomposition import PCA
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

HELD_OUT_DONORS = ["101", "107"]
LEFT_OUT = "B cells"
K = 15


def split(source, folder):
    cells = ad.read_h5ad(source)
    atlas = cells[~cells.obs["donor"].astype(str).isin(HELD_OUT_DONORS)].copy()
    atlas.write_h5ad(f"{folder}/atlas.h5ad", compression="gzip")
    atlas[atlas.obs["cell_type"] != LEFT_OUT].copy().write_h5ad(f"{folder}/atlas-without.h5ad", compression="gzip")


def score(folder, query_file):
    query = ad.read_h5ad(query_file)
    truth = query.obs["cell_type"].astype(str).values
    conditions = query.obs["condition"].astype(str).values

    def report(name, labels, is_unknown, distance_without, is_unknown_without):
        is_foreign = truth == LEFT_OUT
        for condition in sorted(set(conditions)):
            at = conditions == condition
            print(
                f"{name:10} {condition:11} n {at.sum()}  accuracy {accuracy_score(truth[at], labels[at]):.3f}"
                f"  macro-F1 {f1_score(truth[at], labels[at], labels=sorted(set(truth[at])), average='macro'):.3f}"
                f"  called unknown {is_unknown[at].mean():.3f} | without {LEFT_OUT}: AUROC {roc_auc_score(is_foreign[at], distance_without[at]):.3f}"
                f"  called unknown {is_unknown_without[at & is_foreign].mean():.3f}, of the others {is_unknown_without[at & ~is_foreign].mean():.3f}"
            )

    def read(name):
        obs = ad.read_h5ad(f"{folder}/{name}.h5ad").obs
        return obs["scdiva_cell_type"].astype(str).values, obs["scdiva_distance"].values

    labels, _ = read("mapped")
    thresholded, _ = read("thresholded")
    without, distance_without = read("without")
    report("ScDiVa", labels, thresholded == "unknown", distance_without, without == "unknown")

    atlas = ad.read_h5ad(f"{folder}/atlas.h5ad")
    atlas.var_names = atlas.var["gene_symbol"].astype(str)
    for cells in (atlas, query):
        cells.var_names_make_unique()
    genes = [gene for gene in query.var_names if gene in set(atlas.var_names)]
    atlas, query = atlas[:, genes].copy(), query[:, genes].copy()
    for cells in (atlas, query):
        sc.pp.normalize_total(cells, target_sum=1e4)
        sc.pp.log1p(cells)
    types = atlas.obs["cell_type"].astype(str).values
    labels, _, is_unknown = neighbours(atlas.X.toarray(), types, query.X.toarray())
    keep = types != LEFT_OUT
    _, distance, is_unknown_without = neighbours(atlas.X[keep].toarray(), types[keep], query.X.toarray())
    report("50 PCs", labels, is_unknown, distance, is_unknown_without)


def neighbours(train, types, test):
    """The same vote and the same threshold as scdiva, on 50 principal components of the atlas."""
    pca = PCA(50, random_state=0).fit(train)
    train, test = pca.transform(train), pca.transform(test)
    index = NearestNeighbors(n_neighbors=K).fit(train)
    distances, found = index.kneighbors(test)
    weights = np.exp(-((distances / distances[:, -1:]) ** 2))
    classes, codes = np.unique(types, return_inverse=True)
    votes = np.zeros((len(test), len(classes)))
    for j in range(K):
        np.add.at(votes, (np.arange(len(test)), codes[found[:, j]]), weights[:, j])
    own, _ = NearestNeighbors(n_neighbors=K + 1).fit(train).kneighbors(train)
    distance = distances.mean(1)
    return classes[votes.argmax(1)], distance, distance > np.quantile(own[:, 1:].mean(1), 0.99)


if __name__ == "__main__":
    {"split": split, "score": score}[sys.argv[1]](*sys.argv[2:])
