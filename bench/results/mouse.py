"""Human cells under mouse gene names: what crossing species costs when nothing but the names is crossed.

    python3 bench/results/mouse.py SET.h5ad ORTHOLOGS OUT

ORTHOLOGS has two columns, human and mouse symbols. Writes the test cells of obs['partition'] twice: OUT/human.h5ad as they are, OUT/mouse.h5ad with
every gene renamed to a mouse gene: its ortholog (of several the first; the product leaves those out again), or a name no table knows. Needs anndata.
"""
import csv
import gzip
import sys
from pathlib import Path

import anndata as ad

source, table, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
orthologs = {}
with (gzip.open if table.endswith(".gz") else open)(table, "rt") as lines:
    for human, mouse in csv.reader(lines):
        if mouse:
            orthologs.setdefault(human, mouse)
cells = ad.read_h5ad(source)
cells = cells[cells.obs["partition"] == "test"].copy()
out.mkdir(parents=True, exist_ok=True)
cells.write_h5ad(out / "human.h5ad", compression="gzip")
names = [orthologs.get(name, f"Gm9{i:05d}x") for i, name in enumerate(cells.var_names)]
cells.var = cells.var.iloc[:, :0]
cells.var_names = names
cells.var_names_make_unique()
cells.write_h5ad(out / "mouse.h5ad", compression="gzip")
print(cells.shape, "genes with an ortholog:", sum(not name.startswith("Gm9") for name in names))
