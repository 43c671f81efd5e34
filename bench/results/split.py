"""Gives every cell of the real sets its split, once, for pretraining and for every task: obs['partition'] = train, validation or test.

    python3 bench/results/split.py ../shared/data OUT

A cell that several files of one study hold (the same barcode) has the split it was given first, so that no test cell of one set
is a training cell of another. Needs anndata. Writes OUT/<set>.h5ad, compressed.
"""
import sys
from pathlib import Path

import anndata as ad
import numpy as np

SOURCES = {  # name: (file, label, held-out donor or None, study)
    "pbmc3k": ("pbmc3k/pbmc3k_counts.h5ad", "cell_type", None, "pbmc3k"),
    "pbmc68k": ("pbmc68k_reduced/pbmc68k_reduced_counts.h5ad", "cell_type", None, "zheng"),
    "kang": ("kang_ctrl_8donors/kang_ctrl_8donors_counts.h5ad", "cell_type", "donor", "kang"),
    "ifnb-muscat": ("kang_ifnb/kang_ifnb_muscat_2donors_counts.h5ad", "cell_type", None, "kang"),
    "ifnb-scgen": ("kang_ifnb/kang_ifnb_scgen_valid_lognorm.h5ad", "cell_type", None, "kang"),
    "ifnb": ("kang_ifnb/kang_ifnb_2000cells_9015genes_counts.h5ad", "cell_type", None, "kang"),
    "combat": ("combat_covid_pbmc/combat_covid_pbmc_6donors_counts.h5ad", None, None, "combat"),
    "pbmc4k": ("pbmc4k_soupx/pbmc4k_2170cells_33694genes_counts.h5ad", None, None, "pbmc4k"),
}


def by_class(labels, rng):
    """70 % training, 10 % validation, 20 % test cells of each class; at least one test and one validation cell of a class of five."""
    split = np.full(len(labels), "train", object)
    for name in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == name))
        num_test, num_validation = round(0.2 * len(rows)), max(round(0.1 * len(rows)), int(len(rows) >= 5))
        split[rows[:num_test]] = "test"
        split[rows[num_test : num_test + num_validation]] = "validation"
    return split


def main(data, out):
    out.mkdir(parents=True, exist_ok=True)
    given = {}  # study -> barcode -> split
    for name, (file, label, group, study) in SOURCES.items():
        adata = ad.read_h5ad(data / file)
        if group:
            *_, validation, test = sorted(adata.obs[group].unique())
            split = np.where(adata.obs[group] == test, "test", np.where(adata.obs[group] == validation, "validation", "train")).astype(object)
        else:
            labels = adata.obs[label].astype(str).to_numpy() if label else np.zeros(adata.n_obs)
            split = by_class(labels, np.random.default_rng(0)) if label else np.where(np.random.default_rng(0).random(adata.n_obs) < 0.1, "validation", "train").astype(object)
        barcodes = adata.obs_names.str.extract(r"([ACGT]{12,})", expand=False).to_numpy()
        known = given.setdefault(study, {})
        split = np.array([known.get(barcode, own) for barcode, own in zip(barcodes, split)])
        known.update((barcode, own) for barcode, own in zip(barcodes, split) if isinstance(barcode, str))
        adata.obs["partition"] = split
        adata.write_h5ad(out / f"{name}.h5ad", compression="gzip")
        print(name, adata.shape, dict(zip(*np.unique(split, return_counts=True))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
