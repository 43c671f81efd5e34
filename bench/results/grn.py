"""Cells with a known network, for the gene-network tables of docs/results.md.

    python3 bench/results/grn.py cells DATA OUT         OUT/<set>/{cells.h5ad,truth.csv,tf.txt}
    python3 bench/results/grn.py forest OUT/<set> [--seeds 3]

DATA holds grn_beeline (Murali-group/Beeline), grn_sergio (PayamDiba/SERGIO, 100 genes without noise, brought to 10,000 a cell) and sim_perturb_grn as its folders. `forest` scores regression by trees in
the manner of GENIE3: each gene on all regulators, 100 extremely randomised trees, weight = importance. Needs anndata, pandas and scikit-learn.
"""
import argparse
import csv
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

BEELINE = {"HSC": "Simulated/HSC/HSC_2000_0", "HSC-dropout": "Simulated/HSC/HSC_2000_0_50", "GSD": "Simulated/GSD/GSD_2000_0", "LI": "Synthetic/dyn-LI/dyn-LI_2000_0", "BF": "Synthetic/dyn-BF/dyn-BF_2000_0"}
SERGIO = "De-noised_100G_3T_300cPerT_dynamics_8_DS8"


def write(out, x, genes, edges):
    out.mkdir(parents=True, exist_ok=True)
    ad.AnnData(x.astype("float32"), obs=pd.DataFrame(index=[f"cell_{i}" for i in range(len(x))]), var=pd.DataFrame(index=genes)).write_h5ad(out / "cells.h5ad", compression="gzip")
    with open(out / "truth.csv", "w", newline="") as lines:
        csv.writer(lines).writerows([("Gene1", "Gene2", "Type"), *edges])
    (out / "tf.txt").write_text("".join(f"{name}\n" for name in sorted({a for a, b, _ in edges})))
    print(out, x.shape, len(edges), "edges")


def cells(data, out):
    for name, folder in BEELINE.items():
        table = pd.read_csv(data / "grn_beeline" / folder / "ExpressionData.csv", index_col=0)
        truth = pd.read_csv(data / "grn_beeline" / folder / "refNetwork.csv")
        write(out / name, table.values.T, list(table.index), [tuple(row[:3]) for row in truth.values if row[0] != row[1]])
    table = pd.read_csv(data / "grn_sergio" / SERGIO / "simulated_noNoise_S_0.csv.gz", index_col=0).values.T
    truth = pd.read_csv(data / "grn_sergio" / SERGIO / "gt_GRN.csv", header=None).values
    write(out / "SERGIO", np.log1p(table / table.sum(1, keepdims=True) * 1e4), [f"G{i}" for i in range(table.shape[1])], [(f"G{int(a)}", f"G{int(b)}", "") for a, b in truth])
    source = data / "sim_perturb_grn"
    (out / "knockdowns").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "simulated_perturb_counts.h5ad", out / "knockdowns" / "cells.h5ad")
    shutil.copyfile(source / "refNetwork.csv", out / "knockdowns" / "truth.csv")
    (out / "knockdowns" / "tf.txt").write_text("".join(f"{name}\n" for name in sorted(set(pd.read_csv(source / "refNetwork.csv").Gene1))))


def forest(folder, num_seeds):
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.metrics import auc, precision_recall_curve

    table = ad.read_h5ad(folder / "cells.h5ad")
    x = np.asarray(table.X.todense() if hasattr(table.X, "todense") else table.X, dtype="float64")
    if np.allclose(x, np.round(x)):
        x = np.log1p(x / x.sum(1, keepdims=True) * 1e4)
    at = {name: i for i, name in enumerate(table.var_names)}
    truth = {(a, b) for a, b, *_ in pd.read_csv(folder / "truth.csv").values if a != b}
    genes = sorted({name for edge in truth for name in edge})
    factors = [name for name in (folder / "tf.txt").read_text().split() if name in at]
    ratios = []
    for seed in range(num_seeds):
        labels, scores = [], []
        for target in genes:
            others = [name for name in factors if name != target]
            trees = ExtraTreesRegressor(100, max_features="sqrt", random_state=seed, n_jobs=1).fit(x[:, [at[name] for name in others]], x[:, at[target]] / (x[:, at[target]].std() + 1e-9))
            labels += [(name, target) in truth for name in others]
            scores += list(trees.feature_importances_)
        precision, recall, _ = precision_recall_curve(labels, scores)
        ratios.append(auc(recall, precision) / np.mean(labels))
    print(folder, f"{np.mean(ratios):.3f}{f' ± {np.std(ratios, ddof=1):.3f}' if num_seeds > 1 else ''} over chance")


parser = argparse.ArgumentParser()
verbs = parser.add_subparsers(dest="verb", required=True)
verb = verbs.add_parser("cells")
verb.add_argument("data", type=Path)
verb.add_argument("out", type=Path)
verb = verbs.add_parser("forest")
verb.add_argument("folder", type=Path)
verb.add_argument("--seeds", type=int, default=3)
args = parser.parse_args()
cells(args.data, args.out) if args.verb == "cells" else forest(args.folder, args.seeds)
