"""Adds, for each group of cells (a donor), the split that leaves it out: obs['fold_<group>'] = test for its cells, validation for those of the
next group, train for all others.

    python3 bench/results/leave-one-out.py CELLS.h5ad donor OUT.h5ad

Needs anndata.
"""
import sys

import anndata as ad
import numpy as np


def main(source, key, out):
    cells = ad.read_h5ad(source)
    group_of = cells.obs[key].astype(str).to_numpy()
    groups = sorted(set(group_of))
    for i, group in enumerate(groups):
        following = groups[(i + 1) % len(groups)]
        cells.obs[f"fold_{group}"] = np.where(group_of == group, "test", np.where(group_of == following, "validation", "train"))
    cells.write_h5ad(out, compression="gzip")
    print(*groups)


if __name__ == "__main__":
    main(*sys.argv[1:4])
