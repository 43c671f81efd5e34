"""Chooses the genes of the model that docs/results.md starts from, by the training cells of bench/results/split.py.

    python3 bench/results/genes.py CELLS > symbols.txt

Panels of fewer than 1,500 genes whole; of a labelled set genes that 8 % of its cells express or that are among its 1,500 most variable;
of an unlabelled one genes that 20 % of its cells express. Needs anndata.
"""
import sys
from pathlib import Path

import anndata as ad
import numpy as np

LABELLED = ("pbmc3k", "pbmc68k", "kang", "ifnb-muscat", "ifnb", "ifnb-scgen")
UNLABELLED = ("combat", "pbmc4k")
LOG_NORMALISED = ("ifnb-scgen",)


def most_variable(x, share, number=1500, bins=20):
    """The genes whose dispersion stands out most among genes of a like mean; genes that 0.4 % of the cells express at least."""
    mean = np.asarray(x.mean(0)).ravel()
    variance = np.asarray(x.multiply(x).mean(0)).ravel() - mean**2
    dispersion = np.log((variance + 1e-12) / np.maximum(mean, 1e-12))
    is_seen = share >= 0.004
    level = np.log(mean + 1e-9)
    group = np.digitize(level, np.quantile(level[is_seen], np.linspace(0, 1, bins + 1)[1:-1]))
    score = np.full(len(mean), -9.0)
    for number_of_bin in range(bins + 1):
        genes = (group == number_of_bin) & is_seen
        if genes.sum() > 2:
            score[genes] = (dispersion[genes] - dispersion[genes].mean()) / (dispersion[genes].std() + 1e-9)
    chosen = np.zeros(len(mean), bool)
    chosen[np.argsort(-score)[:number]] = True
    return chosen & is_seen


def chosen_genes(folder, name):
    cells = ad.read_h5ad(folder / f"{name}.h5ad")
    cells = cells[cells.obs["partition"] == "train"].copy()
    symbols = cells.var["gene_symbol"] if name == "kang" else cells.var_names
    x = cells.X.tocsr().astype(np.float64)
    share = np.asarray((x > 0).mean(0)).ravel()
    if name in UNLABELLED:
        keep = share >= 0.2
    elif cells.n_vars < 1500:
        keep = share > 0
    else:
        if name in LOG_NORMALISED:
            x.data = np.expm1(x.data)
        else:
            x = x.multiply(1e4 / np.maximum(1, np.asarray(x.sum(1)))).tocsr()
        keep = (share >= 0.08) | most_variable(x, share)
    return {str(symbol).split("_ENSG")[0] for symbol in symbols[keep]}


print("\n".join(sorted(set().union(*(chosen_genes(Path(sys.argv[1]), name) for name in LABELLED + UNLABELLED)))))
